"""Mappings whose token Cloud Elements refuses: marked, cleared, given a new token; each noticed by every process."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.database.engine import Database, follow, open_database, upgrade
from gateway.errors import StoreUnavailable
from gateway.exchange import Instance
from gateway.instances.store import Instances
from gateway.instances.vault import Vault, VaultError
from gateway.models import InstancePatch, MappedInstance, NewInstance
from gateway.operations import Operations
from gateway.secret import Secret
from gateway.settings import Config

CONFIG = Config.model_validate({"environments": {"dev": {"base_url": "http://x", "user_secret": "env:A", "organization_secret": "env:B"}}})
VAULT = Vault([("k1", b"1" * 32)])
NOBODY = "gwi_" + "0" * 24
UNCHANGED = ("1970-01-01T00:16:40Z", 1000.0)


@dataclass
class Scene:
    """A database with one mapping, made at 1000; the look-ups' clock stands at 2000."""

    path: Path
    database: Database
    operations: Operations
    instances: Instances
    handle: str = ""

    async def found(self) -> Instance:
        instance = await self.instances.by_handle(self.handle)
        assert instance is not None
        return instance

    async def shown(self) -> MappedInstance:
        return await self.operations.get_instance(self.handle)

    async def times(self) -> tuple[str, float]:
        """When the mapping was changed, as people see it and as the cache does."""
        return (await self.shown()).model_dump(mode="json")["updated_at"], (await self.found()).changed_at

    async def patch(self, **fields: object) -> MappedInstance:
        return await self.operations.patch_instance(self.handle, InstancePatch.model_validate(fields), actor="test")


async def add(operations: Operations, **more: object) -> str:
    new = {"environment": "dev", "customer": "acme", "element": "hubspot", "token": "canary-1", **more}
    return (await operations.add_instance(NewInstance.model_validate(new), actor="test")).handle


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    path = tmp_path / "gateway.db"
    upgrade(path)
    async with open_database(path) as database:
        operations = Operations(database, VAULT, CONFIG, lambda: 1000.0)
        scene = Scene(path, database, operations, Instances(database, VAULT, clock=lambda: 2000.0))
        scene.handle = await add(operations)
        yield scene


async def test_a_withdrawn_mapping_says_so_everywhere_and_counts_as_unchanged(scene: Scene) -> None:
    before = await scene.shown()
    assert not (await scene.found()).needs_authorization
    await scene.instances.withdraw(scene.handle, unauthorized=True)
    after = await scene.shown()

    assert (await scene.found()).needs_authorization
    assert [one.needs_authorization for one in await scene.instances.of_customer("dev", "acme")] == [True]
    assert after == before.model_copy(update={"state": "needs_authorization"})
    assert after.version != before.version
    assert await scene.times() == UNCHANGED
    assert await scene.instances.counts() == {("dev", "hubspot", "needs_authorization"): 1}


async def test_a_mapping_that_works_again_is_as_it_was(scene: Scene) -> None:
    before = await scene.shown()
    await scene.instances.withdraw(scene.handle, unauthorized=True)
    await scene.instances.withdraw(scene.handle, unauthorized=False)

    assert not (await scene.found()).needs_authorization
    assert await scene.shown() == before
    assert (await scene.shown()).version == before.version
    assert await scene.instances.counts() == {("dev", "hubspot", "active"): 1}


@pytest.mark.parametrize("unauthorized", [True, False])
async def test_what_is_so_already_or_gone_is_left_alone(scene: Scene, unauthorized: bool) -> None:
    await scene.instances.withdraw(scene.handle, unauthorized=unauthorized)
    revision, version = await scene.database.revision(), (await scene.shown()).version
    with capture_logs() as logs:
        for handle in (scene.handle, NOBODY):
            await scene.instances.withdraw(handle, unauthorized=unauthorized)

    assert (await scene.database.revision(), (await scene.shown()).version) == (revision, version)
    assert logs == []


async def test_disabled_is_said_first(scene: Scene) -> None:
    await scene.patch(disabled=True)
    await scene.instances.withdraw(scene.handle, unauthorized=True)
    disabled = await scene.shown()
    enabled = await scene.patch(disabled=False)

    assert (disabled.state, enabled.state) == ("disabled", "needs_authorization")
    assert (await scene.found()).needs_authorization


async def test_a_new_token_by_an_operator_ends_it_nothing_else_does(scene: Scene) -> None:
    await scene.instances.withdraw(scene.handle, unauthorized=True)
    for fields in ({"disabled": False}, {"tags": ["a"]}, {"name": "n"}, {"group": None}, {"event_signature_key": "s"}, {}):
        assert (await scene.patch(**fields)).state == "needs_authorization"

    assert (await scene.patch(token="canary-2")).state == "active"
    scene.instances.forget()
    assert not (await scene.found()).needs_authorization


async def test_a_token_found_at_cloud_elements_is_used_from_then_on(scene: Scene) -> None:
    before = await scene.shown()
    await scene.found()
    await scene.instances.withdraw(scene.handle, unauthorized=True)
    await scene.instances.replace_token(scene.handle, Secret("canary-2"))
    found, after = await scene.found(), await scene.shown()

    assert (found.token.reveal(), found.needs_authorization, found.changed_at) == ("canary-2", False, 2000.0)
    assert after == before.model_copy(update={"updated_at": after.updated_at})
    assert after.updated_at.timestamp() == 2000.0
    assert await scene.instances.handle_of("dev", "canary-2") == scene.handle
    assert await scene.instances.handle_of("dev", "canary-1") is None


async def test_a_token_that_is_there_already_changes_nothing_but_a_refusal(scene: Scene) -> None:
    revision = await scene.database.revision()
    with capture_logs() as logs:
        await scene.instances.replace_token(scene.handle, Secret("canary-1"))
        await scene.instances.replace_token(NOBODY, Secret("canary-2"))
    assert (await scene.database.revision(), logs) == (revision, [])
    assert await scene.times() == UNCHANGED

    await scene.instances.withdraw(scene.handle, unauthorized=True)
    await scene.instances.replace_token(scene.handle, Secret("canary-1"))
    assert (await scene.shown()).state == "active"


async def test_a_token_under_a_retired_master_key_is_written_anew_under_the_first(scene: Scene) -> None:
    newer = Vault([("k2", b"2" * 32)])
    await Instances(scene.database, newer).replace_token(scene.handle, Secret("canary-1"))

    (found,) = await Instances(scene.database, newer).of_customer("dev", "acme")
    assert found.token.reveal() == "canary-1"


async def test_without_a_master_key_a_token_is_not_replaced(scene: Scene) -> None:
    with pytest.raises(VaultError):
        await Instances(scene.database, Vault([])).replace_token(scene.handle, Secret("canary-2"))

    assert (await scene.found()).token.reveal() == "canary-1"


async def test_each_change_leaves_one_line_by_the_gateway_and_no_secret(scene: Scene) -> None:
    with capture_logs() as logs:
        await scene.instances.withdraw(scene.handle, unauthorized=True)
        await scene.instances.withdraw(scene.handle, unauthorized=False)
        await scene.instances.replace_token(scene.handle, Secret("canary-2"))
    verbs = ("instance.withdraw", "instance.restore", "instance.token")

    assert logs == [{"event": "audit", "log_level": "info", "actor": "gateway", "verb": verb, "id": scene.handle} for verb in verbs]
    assert not [file for file in scene.path.parent.iterdir() if b"canary" in file.read_bytes()]


async def test_a_database_that_fails_is_said_and_leaves_no_line(scene: Scene) -> None:
    with closing(sqlite3.connect(scene.path)) as connection, connection:
        connection.execute("ALTER TABLE instances RENAME TO lost")
    changes = (scene.instances.withdraw(scene.handle, unauthorized=True), scene.instances.replace_token(scene.handle, Secret("canary-2")))
    with capture_logs() as logs:
        for change in changes:
            with pytest.raises(StoreUnavailable):
                await change

    assert logs == []


async def test_a_mapping_that_is_removed_meanwhile_leaves_no_line(scene: Scene) -> None:
    with capture_logs() as logs, closing(sqlite3.connect(scene.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM instances")
        changes = asyncio.gather(
            scene.instances.withdraw(scene.handle, unauthorized=True), scene.instances.replace_token(scene.handle, Secret("canary-2"))
        )
        await asyncio.sleep(0.1)  # both have read the mapping and wait to write
        assert not changes.done()
        other.execute("COMMIT")
        await changes

    assert logs == []
    assert await scene.instances.by_handle(scene.handle) is None


@asynccontextmanager
async def elsewhere(path: Path) -> AsyncIterator[tuple[Instances, asyncio.Event]]:
    """The look-ups of another gateway on the same file, as they follow what is written; the event tells that something was."""
    moved = asyncio.Event()
    async with open_database(path) as database:
        instances = Instances(database, VAULT)

        def on_change() -> None:
            instances.forget()
            moved.set()

        task = asyncio.create_task(follow(database, 0.01, on_change))
        try:
            yield instances, moved
        finally:
            task.cancel()


async def test_another_gateway_notices(scene: Scene) -> None:
    async def seen(instances: Instances, moved: asyncio.Event) -> tuple[str, bool]:
        await asyncio.wait_for(moved.wait(), 5)
        moved.clear()
        (found,) = await instances.of_customer("dev", "acme")
        return found.token.reveal(), found.needs_authorization

    async with elsewhere(scene.path) as (instances, moved):
        await instances.of_customer("dev", "acme")
        await scene.instances.withdraw(scene.handle, unauthorized=True)
        assert await seen(instances, moved) == ("canary-1", True)
        await scene.instances.replace_token(scene.handle, Secret("canary-2"))
        assert await seen(instances, moved) == ("canary-2", False)


async def test_of_many_at_once_one_makes_the_change_for_all(scene: Scene) -> None:
    others = [Instances(scene.database, VAULT) for _ in range(4)]
    await asyncio.gather(*(one.withdraw(scene.handle, unauthorized=True) for one in others))
    await asyncio.gather(*(one.replace_token(scene.handle, Secret("canary-2")) for one in others))

    assert (await scene.found()).token.reveal() == "canary-2"
    assert (await scene.shown()).state == "active"
