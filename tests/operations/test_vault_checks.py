"""What start-up and ``gateway check`` find out about the vault."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.database.engine import Database
from gateway.instances.vault import Vault
from gateway.models import InstancePatch, NewInstance, parse
from gateway.operations import Operations, verify_vault
from gateway.settings import Config

K1, K2 = ("k1", b"1" * 32), ("k2", b"2" * 32)


async def add(database: Database, config: Config, ring: list[tuple[str, bytes]], customer: str) -> str:
    new = parse(
        NewInstance, {"environment": "dev", "customer": customer, "element": "hubspot", "token": "canary", "event_signature_key": "canary"}
    )
    return (await Operations(database, Vault(ring), config).add_instance(new, actor="test")).handle


async def test_all_is_well(database: Database, config: Config) -> None:
    assert await verify_vault(database, Vault([K1])) == []
    await add(database, config, [K1], "a")
    await add(database, config, [K2, K1], "b")

    assert await verify_vault(database, Vault([K2, K1])) == []
    assert await verify_vault(database, Vault([K2, K1]), every=True) == []


async def test_a_missing_key_is_named(database: Database, config: Config) -> None:
    await add(database, config, [K1], "a")
    await add(database, config, [K2], "b")

    for every in (False, True):
        (problem,) = await verify_vault(database, Vault([K2]), every=every)
        assert "k1 is missing" in problem


async def test_a_missing_key_of_the_lesser_secret_is_named_too(database: Database, config: Config) -> None:
    handle = await add(database, config, [K1], "a")
    await Operations(database, Vault([K2, K1]), config).patch_instance(handle, parse(InstancePatch, {"token": "canary"}), actor="test")

    assert await verify_vault(database, Vault([K2, K1])) == []
    (problem,) = await verify_vault(database, Vault([K2]))
    assert "k1 is missing" in problem


async def test_a_key_of_the_right_name_and_wrong_octets_is_found_out(database: Database, config: Config) -> None:
    handle = await add(database, config, [K1], "a")
    problems = await verify_vault(database, Vault([("k1", K2[1])]))

    assert [problem.split("does not decrypt the ")[1] for problem in problems] == [f"token of {handle}", f"event_signature_key of {handle}"]
    assert "canary" not in "".join(problems)


async def test_every_damaged_row_is_found_if_all_are_looked_at(database: Database, config: Config, path: Path) -> None:
    handles = [await add(database, config, [K1], customer) for customer in "abc"]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE instances SET token = x'00' WHERE customer IN ('b', 'c')")
    problems = await verify_vault(database, Vault([K1]), every=True)

    assert [problem.rpartition(" ")[2] for problem in problems] == handles[1:]
