"""Look-ups of caller keys, and the times of their use."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.callers.keys import matches
from gateway.callers.store import Keys
from gateway.database.engine import Database, open_database, upgrade
from gateway.errors import StoreUnavailable
from gateway.instances.vault import Vault
from gateway.models import CreatedKey, NewKey
from gateway.operations import Operations
from gateway.settings import Config

CONFIG = Config.model_validate({"environments": {"dev": {"base_url": "http://x", "user_secret": "env:A", "organization_secret": "env:B"}}})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    upgrade(tmp_path / "gateway.db")
    return tmp_path / "gateway.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with open_database(path) as database:
        yield database


async def create(database: Database, **more: object) -> CreatedKey:
    return await Operations(database, Vault([]), CONFIG, lambda: 1000.0).create_key(
        NewKey.model_validate({"name": "n", **more}), actor="test"
    )


def execute(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


async def test_a_key_is_found_as_it_was_made(database: Database) -> None:
    made = await create(
        database,
        customers=["a*"],
        elements=["hubspot"],
        methods=["GET"],
        scopes=["hub", "admin"],
        priority="batch",
        limits=["100/10s", "1000/day"],
        expires="1h",
    )
    key = await Keys(database).by_id(made.id)

    assert key is not None
    assert matches(key, made.key, 0)
    assert (key.environments, key.customers, key.elements, key.methods) == (("dev",), ("a*",), ("hubspot",), ("GET",))
    assert (key.scopes, key.priority, key.created_at, key.expires_at) == (("hub", "admin"), "batch", 1000.0, 4600.0)
    assert key.limits == ("100/10s", "1000/day")


async def test_a_key_from_before_there_were_quotas_has_none(path: Path, database: Database) -> None:
    made = await create(database)
    columns = "id, name, digest, environments, customers, elements, methods, scopes, priority, created_at"
    values = columns.replace("id", "'aaaaaaaaaaaa'", 1)
    execute(path, f"INSERT INTO caller_keys ({columns}) SELECT {values} FROM caller_keys")  # noqa: S608
    older = await Keys(database).by_id("aaaaaaaaaaaa")

    assert older is not None
    assert older.limits == ()
    assert made.id != older.id


@pytest.mark.parametrize("key_id", ["", "a" * 12, "A" * 12, "\ud800", "a" * 10_000, "' OR 1=1 --"])
async def test_ids_that_nobody_has_find_nothing(database: Database, key_id: str) -> None:
    await create(database)

    assert await Keys(database).by_id(key_id) is None


async def test_memory_answers_until_it_is_told_to_forget(path: Path, database: Database) -> None:
    made, keys = await create(database), Keys(database)
    await keys.by_id(made.id)
    execute(path, "DELETE FROM caller_keys")
    remembered = await keys.by_id(made.id)
    keys.forget()

    assert remembered is not None
    assert await keys.by_id(made.id) is None


async def test_times_of_use_are_written_in_batches_and_nobody_needs_to_notice(path: Path, database: Database) -> None:
    made, keys = await create(database), Keys(database)
    revision = await database.revision()
    keys.used(made.id, 50.0)
    keys.used(made.id, 70.0)
    keys.used(made.id, 60.0)
    unwritten = execute(path, "SELECT last_used_at FROM caller_keys")
    await keys.flush()
    await keys.flush()

    assert unwritten == [(None,)]
    assert execute(path, "SELECT last_used_at FROM caller_keys") == [(70.0,)]
    assert await database.revision() == revision


async def test_an_earlier_use_told_later_by_another_process_changes_nothing(path: Path, database: Database) -> None:
    made = await create(database)
    for at in (70.0, 60.0):
        keys = Keys(database)
        keys.used(made.id, at)
        await keys.flush()

    assert execute(path, "SELECT last_used_at FROM caller_keys") == [(70.0,)]


async def test_a_flush_that_fails_loses_nothing(path: Path, database: Database) -> None:
    made, keys = await create(database), Keys(database)
    keys.used(made.id, 70.0)
    execute(path, "ALTER TABLE caller_keys RENAME TO lost")
    with pytest.raises(StoreUnavailable):
        await keys.flush()
    keys.used(made.id, 65.0)
    execute(path, "ALTER TABLE lost RENAME TO caller_keys")
    await keys.flush()

    assert execute(path, "SELECT last_used_at FROM caller_keys") == [(70.0,)]


async def test_neither_file_nor_log_of_the_database_holds_a_key(path: Path, database: Database) -> None:
    """Threat 22."""
    made = await create(database)
    octets = b"".join(file.read_bytes() for file in path.parent.iterdir())

    assert made.id.encode() in octets
    assert made.key.rpartition("_")[2].encode() not in octets
