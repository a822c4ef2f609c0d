"""What is under which master key, and all of it under the first."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.database.engine import Database
from gateway.exchange import Headers, Response
from gateway.idempotency.answer import Kept
from gateway.idempotency.store import KeptAnswers
from gateway.instances.store import Instances
from gateway.instances.vault import Vault, VaultError
from gateway.models import NewInstance, parse
from gateway.operations import Operations, verify_vault
from gateway.settings import Config

K1, K2 = ("k1", b"1" * 32), ("k2", b"2" * 32)
OLD, RING, NEW = Vault([K1]), Vault([K2, K1]), Vault([K2])
ANSWER = Kept(b"f" * 32, Response(201, Headers([("A", "b")]), b"canary"), 1000.0)


async def fill(database: Database, config: Config, vault: Vault, customers: int = 1, answers: int = 1) -> list[str]:
    """Mappings with both secrets, and kept answers; the handles."""
    handles = []
    for number in range(customers):
        new = {"environment": "dev", "customer": f"c{number}", "element": "hubspot", "token": f"t{number}", "event_signature_key": "s"}
        added = await Operations(database, vault, config).add_instance(parse(NewInstance, new), actor="test")
        handles.append(added.handle)
    for number in range(answers):
        await kept(database, vault).keep(b"d%d" % number, ANSWER)
    return handles


def kept(database: Database, vault: Vault) -> KeptAnswers:
    return KeptAnswers(database, vault, lambda: 1000.0, 86_400, 10**9)


def break_one(path: Path, table: str, column: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE {table} SET {column} = x'00' WHERE rowid = 1")  # noqa: S608


async def uses(database: Database, config: Config, vault: Vault) -> list[tuple[str, bool, bool, int, int]]:
    found = await Operations(database, vault, config).vault_status()
    return [(key.id, key.present, key.encrypts, key.secrets, key.kept_answers) for key in found.keys]


async def test_status_counts_what_is_under_each_key(database: Database, config: Config) -> None:
    assert await uses(database, config, Vault([])) == []
    await fill(database, config, OLD, customers=2, answers=3)

    assert await uses(database, config, RING) == [("k2", True, True, 0, 0), ("k1", True, False, 4, 3)]
    assert await uses(database, config, NEW) == [("k2", True, True, 0, 0), ("k1", False, False, 4, 3)]
    assert await uses(database, config, Vault([])) == [("k1", False, False, 4, 3)]


async def test_after_a_rotation_the_old_key_can_go(database: Database, config: Config) -> None:
    handles = await fill(database, config, OLD, customers=3, answers=40)
    operations = Operations(database, RING, config)
    before = await operations.get_instance(handles[0])
    done = await operations.rotate_vault(actor="test")
    again = await operations.rotate_vault(actor="test")

    assert (done.id, done.mappings, done.kept_answers, done.unreadable) == ("k2", 3, 40, 0)
    assert (again.mappings, again.kept_answers, again.unreadable) == (0, 0, 0)
    assert await verify_vault(database, NEW, every=True) == []
    assert await uses(database, config, NEW) == [("k2", True, True, 6, 40)]
    assert await kept(database, NEW).find(b"d39") == ANSWER
    instance = await Instances(database, NEW).by_handle(handles[2])
    assert instance is not None
    assert instance.token.reveal() == "t2"
    assert await Instances(database, NEW).handle_of("dev", "t1") == handles[1]
    assert (await operations.get_instance(handles[0])).updated_at == before.updated_at


async def test_a_running_gateway_notices_that_digests_changed(database: Database, config: Config) -> None:
    await fill(database, config, OLD)
    before = await database.revision()
    await Operations(database, RING, config).rotate_vault(actor="test")
    assert await database.revision() > before


async def test_what_does_not_decrypt_stays_and_is_counted(database: Database, config: Config, path: Path) -> None:
    await fill(database, config, OLD, customers=2, answers=2)
    break_one(path, "instances", "token")
    break_one(path, "kept_answers", "answer")
    done = await Operations(database, RING, config).rotate_vault(actor="test")

    assert (done.mappings, done.kept_answers, done.unreadable) == (1, 1, 2)
    assert await uses(database, config, RING) == [("k2", True, True, 2, 1), ("k1", True, False, 2, 1)]


async def test_many_that_do_not_decrypt_are_passed_by(database: Database, config: Config, path: Path) -> None:
    await fill(database, config, OLD, customers=0, answers=20)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE kept_answers SET answer = x'00'")
    done = await Operations(database, RING, config).rotate_vault(actor="test")

    assert (done.kept_answers, done.unreadable) == (0, 20)


async def test_without_a_key_nothing_is_rotated(database: Database, config: Config) -> None:
    with pytest.raises(VaultError):
        await Operations(database, Vault([]), config).rotate_vault(actor="test")


async def test_a_key_that_only_kept_answers_need_is_still_needed(database: Database, config: Config) -> None:
    await fill(database, config, OLD, customers=0)
    (problem,) = await verify_vault(database, NEW)

    assert problem == "vault.keys: master key k1 is missing, expected it because answers kept for an Idempotency-Key are under it"
    assert await verify_vault(database, NEW, kept_since=1000.0) == []
    assert len(await verify_vault(database, NEW, kept_since=999.0)) == 1
    assert await verify_vault(database, RING) == []


async def test_a_kept_answer_that_does_not_decrypt_is_found_if_all_are_looked_at(database: Database, config: Config, path: Path) -> None:
    await fill(database, config, OLD, answers=20)
    break_one(path, "kept_answers", "answer")

    assert await verify_vault(database, OLD) == []
    assert await verify_vault(database, OLD, every=True) == [
        "vault.keys: master key k1 does not decrypt 1 of the answers kept for an Idempotency-Key"
    ]
    assert await verify_vault(database, OLD, every=True, kept_since=1000.0) == []
