"""The room on a real database: what it knows, when it knows it, what it costs where nothing is paused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.database.engine import Database, follow, open_database, upgrade
from gateway.errors import GatewayError, Paused, StoreUnavailable
from gateway.instances.vault import Vault
from gateway.models import NewPause, parse
from gateway.operations import Operations
from gateway.pauses import Pauses
from gateway.pauses.rules import Pause
from gateway.pauses.store import StoredPauses
from gateway.settings import Config

ACCOUNT = {"base_url": "http://x", "user_secret": "env:A", "organization_secret": "env:B"}
CONFIG = Config.model_validate({"environments": {"dev": ACCOUNT, "prod": ACCOUNT}})
CALL = ("dev", "acme", "hubspot")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    upgrade(tmp_path / "gateway.db")
    async with open_database(tmp_path / "gateway.db") as database:
        yield database


@pytest.fixture
def operations(database: Database, clock: Clock) -> Operations:
    return Operations(database, Vault([]), CONFIG, clock)


@pytest.fixture
def pauses(database: Database, clock: Clock) -> Pauses:
    return Pauses(StoredPauses(database), clock)


def new(**fields: Any) -> NewPause:
    return parse(NewPause, {"for": "10s", "reason": "because", **fields})


def refused(pauses: Pauses, *call: str) -> Paused | None:
    try:
        pauses.check(*call)
    except Paused as error:
        return error
    return None


async def test_what_is_stored_holds_back_from_the_next_load_on(pauses: Pauses, operations: Operations) -> None:
    await pauses.load()
    made = await operations.add_pause(new(customer="acme"), actor="test")
    assert refused(pauses, *CALL) is None

    await pauses.load()
    error = refused(pauses, *CALL)
    assert error is not None
    assert (error.retry_after, error.detail) == (10.0, "calls for acme are paused until 1970-01-01 00:16:50 UTC: because")
    assert refused(pauses, "dev", "globex", "hubspot") is None

    await operations.remove_pause(made.id, actor="test")
    await pauses.load()
    assert refused(pauses, *CALL) is None


async def test_it_ends_without_another_look_at_the_database(pauses: Pauses, operations: Operations, clock: Clock) -> None:
    await operations.add_pause(new(environment="dev"), actor="test")
    await pauses.load()

    clock.now = 1009.75
    error = refused(pauses, *CALL)
    assert error is not None
    assert error.retry_after == 0.25
    clock.now = 1010.0
    assert refused(pauses, *CALL) is None


async def test_a_restart_forgets_no_pause_and_brings_back_none_that_has_ended(
    database: Database, operations: Operations, clock: Clock
) -> None:
    await operations.add_pause(new(customer="acme", **{"for": "1h"}), actor="test")
    await operations.add_pause(new(customer="globex"), actor="test")
    clock.now = 1010.0
    restarted = Pauses(StoredPauses(database), clock)
    await restarted.load()

    assert refused(restarted, *CALL) is not None
    assert refused(restarted, "dev", "globex", "hubspot") is None
    assert [pause.scope for pause in await StoredPauses(database).unended(clock.now)] == [(None, "acme", None)]


async def test_where_nothing_is_paused_not_even_the_time_is_asked_for(database: Database) -> None:
    asked: list[float] = []

    def clock() -> float:
        asked.append(1000.0)
        return 1000.0

    pauses = Pauses(StoredPauses(database), clock)
    await pauses.load()
    del asked[:]
    pauses.check(*CALL)
    assert asked == []


async def test_what_was_known_stays_where_the_database_fails(tmp_path: Path, clock: Clock) -> None:
    upgrade(tmp_path / "gateway.db")
    async with open_database(tmp_path / "gateway.db") as database:
        pauses = Pauses(StoredPauses(database), clock)
        await Operations(database, Vault([]), CONFIG, clock).add_pause(new(customer="acme"), actor="test")
        await pauses.load()
        async with database.write() as connection:
            await connection.exec_driver_sql("DROP TABLE pauses")
        with pytest.raises(StoreUnavailable):
            await pauses.load()
    assert refused(pauses, *CALL) is not None


class Slow:
    """A store in whose first answer nothing is paused, and that takes its time for it."""

    def __init__(self, then: Pause) -> None:
        self.answers: list[list[Pause]] = [[], [then]]
        self.first_may_end = asyncio.Event()

    async def unended(self, now: float) -> Sequence[Pause]:
        answer = self.answers.pop(0)
        if not answer:
            await self.first_may_end.wait()
        return answer


async def test_a_read_that_began_earlier_does_not_have_the_last_word(clock: Clock) -> None:
    store = Slow(Pause("p", ("dev", None, None), "r", 1010.0))
    pauses = Pauses(store, clock)
    loads = [asyncio.create_task(pauses.load()) for _ in range(2)]
    await asyncio.sleep(0.01)
    store.first_may_end.set()
    await asyncio.gather(*loads)

    assert refused(pauses, *CALL) is not None


async def test_a_pause_that_another_process_adds_is_noticed(tmp_path: Path, pauses: Pauses, database: Database, clock: Clock) -> None:
    """As ``gateway/background.py`` does it: told that somebody wrote, it loads."""
    changed = asyncio.Event()

    async def keep() -> None:
        while True:
            await changed.wait()
            changed.clear()
            with suppress(GatewayError):
                await pauses.load()

    tasks = [asyncio.create_task(follow(database, 0.01, changed.set)), asyncio.create_task(keep())]
    try:
        async with open_database(tmp_path / "gateway.db") as other:
            await Operations(other, Vault([]), CONFIG, clock).add_pause(new(element="hubspot"), actor="test")
        async with asyncio.timeout(2):
            while refused(pauses, *CALL) is None:  # noqa: ASYNC110 - what is waited for is no event
                await asyncio.sleep(0.01)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
