"""Look-ups of mappings: from memory, from the database, and when rows are damaged or swapped."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.database.engine import Database, open_database, upgrade
from gateway.errors import StoreUnavailable
from gateway.instances.store import Instances
from gateway.instances.vault import Vault, VaultError
from gateway.models import InstancePatch, NewInstance
from gateway.operations import Operations
from gateway.secret import Secret
from gateway.settings import Config

CONFIG = Config.model_validate(
    {"environments": {name: {"base_url": "http://x", "user_secret": "env:A", "organization_secret": "env:B"} for name in ("dev", "prod")}}
)
K1, K2 = ("k1", b"1" * 32), ("k2", b"2" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    upgrade(tmp_path / "gateway.db")
    return tmp_path / "gateway.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with open_database(path) as database:
        yield database


@pytest.fixture
def instances(database: Database) -> Instances:
    return Instances(database, Vault([K1]))


async def add(database: Database, **more: object) -> str:
    new = NewInstance.model_validate({"environment": "dev", "customer": "acme", "element": "hubspot", "token": "canary", **more})
    return (await Operations(database, Vault([K1]), CONFIG).add_instance(new, actor="test")).handle


def execute(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


async def test_a_mapping_is_found_by_its_handle(database: Database, instances: Instances) -> None:
    handle = await add(database, instance_id=7, hub="crm", name="second", group="g")
    found = await instances.by_handle(handle)

    assert found is not None
    assert (found.handle, found.environment, found.customer, found.element) == (handle, "dev", "acme", "hubspot")
    assert (found.instance_id, found.hub, found.name, found.group, found.disabled) == (7, "crm", "second", "g", False)
    assert found.token.reveal() == "canary"


async def test_a_customer_s_mappings_are_found_in_their_environment_alone(database: Database, instances: Instances) -> None:
    second = await add(database, element="sfdc")
    first = await add(database, element="hubspot")
    await add(database, customer="other")

    assert [found.handle for found in await instances.of_customer("dev", "acme")] == [first, second]
    assert await instances.of_customer("prod", "acme") == ()
    assert await instances.of_customer("dev", "ACME") == ()


async def test_disabled_mappings_are_found_and_say_so(database: Database, instances: Instances) -> None:
    handle = await add(database)
    await Operations(database, Vault([K1]), CONFIG).patch_instance(handle, InstancePatch(disabled=True), actor="test")

    assert [found.disabled for found in await instances.of_customer("dev", "acme")] == [True]
    assert await instances.counts() == {("dev", "hubspot", "disabled"): 1}


async def test_a_handle_is_found_by_its_token_in_its_environment_alone(database: Database, instances: Instances) -> None:
    handle = await add(database)
    await add(database, customer="second", token="canary")

    assert await instances.handle_of("dev", "canary") == handle
    assert await instances.handle_of("prod", "canary") is None
    assert await instances.handle_of("dev", "other") is None


async def test_a_token_under_an_older_key_is_found_too(database: Database) -> None:
    handle = await add(database)
    newer = Instances(database, Vault([K2, K1]))

    assert await newer.handle_of("dev", "canary") == handle


@pytest.mark.parametrize("name", ["", "gwi_", "x" * 10_000, "gwi_" + "A" * 24, "\ud800", "a\x00b", "'; DROP TABLE instances; --", "%", "*"])
async def test_names_that_nobody_has_find_nothing(database: Database, instances: Instances, name: str) -> None:
    await add(database)

    assert await instances.by_handle(name) is None
    assert await instances.of_customer("dev", name) == ()
    assert await instances.of_customer(name, "acme") == ()
    assert await instances.handle_of("dev", name) is None


@pytest.mark.parametrize("customer", ["it's", 'say "hi"', "a:b", "a%b_c", "日本", "--", "a\\b", "a;b", "<svg onload=x>"])
async def test_odd_names_are_only_names(database: Database, instances: Instances, customer: str) -> None:
    """Threat 51."""
    handle = await add(database, customer=customer)

    assert [found.handle for found in await instances.of_customer("dev", customer)] == [handle]


async def test_memory_answers_until_it_is_told_to_forget(path: Path, database: Database, instances: Instances) -> None:
    handle = await add(database)
    await instances.by_handle(handle)
    execute(path, "DELETE FROM instances")
    remembered = await instances.by_handle(handle)
    instances.forget()

    assert remembered is not None
    assert await instances.by_handle(handle) is None


async def test_a_lost_database_is_survived_by_what_is_remembered(path: Path, database: Database, instances: Instances) -> None:
    handle = await add(database)
    await instances.by_handle(handle)
    await instances.of_customer("dev", "acme")
    execute(path, "ALTER TABLE instances RENAME TO lost")

    assert await instances.by_handle(handle)
    assert len(await instances.of_customer("dev", "acme")) == 1
    with pytest.raises(StoreUnavailable):
        await instances.of_customer("dev", "other")
    with pytest.raises(StoreUnavailable):
        await instances.counts()


async def test_a_row_copied_over_another_does_not_decrypt(path: Path, database: Database, instances: Instances) -> None:
    """Threat 20."""
    victim = await add(database, customer="victim", token="canary-victim")
    thief = await add(database, customer="thief", token="canary-thief")
    columns = ("token", "token_key_id", "token_digest")
    for column in columns:
        execute(path, f"UPDATE instances SET {column} = (SELECT {column} FROM instances WHERE handle = ?) WHERE handle = ?", victim, thief)  # noqa: S608

    with pytest.raises(VaultError):
        await instances.by_handle(thief)
    assert (await instances.by_handle(victim)).token.reveal() == "canary-victim"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("column", "environment", "customer"),
    [("environment", "thief", "acme"), ("customer", "dev", "thief"), ("element", "dev", "acme"), ("handle", "dev", "acme")],
)
async def test_a_row_made_somebody_else_s_does_not_decrypt(
    path: Path, database: Database, instances: Instances, column: str, environment: str, customer: str
) -> None:
    await add(database)
    execute(path, f"UPDATE instances SET {column} = 'thief'")  # noqa: S608

    (found,) = await instances.of_customer(environment, customer)
    with pytest.raises(VaultError):
        found.token.reveal()


async def test_a_damaged_row_concerns_its_own_mapping_alone(path: Path, database: Database, instances: Instances) -> None:
    broken, whole = await add(database, element="hubspot"), await add(database, element="sfdc")
    execute(path, "UPDATE instances SET token = x'00' WHERE handle = ?", broken)

    with capture_logs() as logs:
        first, second = await instances.of_customer("dev", "acme")
    assert (first.handle, second.handle) == (broken, whole)
    assert second.token.reveal() == "canary"
    with pytest.raises(StoreUnavailable):
        first.token.reveal()
    with pytest.raises(StoreUnavailable, match=broken):
        await instances.by_handle(broken)
    assert logs == [{"event": "token does not decrypt", "handle": broken, "key_id": "k1", "log_level": "error"}]
    assert first.token != Secret("")
    assert "Secret" in repr(first.token)


async def test_neither_file_nor_log_of_the_database_holds_a_token(path: Path, database: Database) -> None:
    await add(database, token="canary-token-1", event_signature_key="canary-signature-1")
    octets = b"".join(file.read_bytes() for file in path.parent.iterdir())

    assert b"acme" in octets  # it is in there
    assert b"canary" not in octets
