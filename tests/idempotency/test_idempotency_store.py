"""What lies in the database, for how long, how much of it, and what a failing one means."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import structlog

from gateway.database import kept_answers
from gateway.database.engine import Database
from gateway.errors import StoreUnavailable
from gateway.exchange import Headers, Response
from gateway.idempotency import KeptAnswers
from gateway.idempotency.answer import Kept
from gateway.idempotency.store import ROW_BYTES
from gateway.instances.vault import Vault
from tests.idempotency.conftest import MOST, Clock
from tests.idempotency.scene import DAY_S, Room, created, request, room_on

SAID = {"keys": "CANARYkey", "values": "CANARYvalue", "bodies": "CANARYbody", "paths": "CANARYpath"}
SEALED_BYTES = 12 + 16  # nonce and tag


def octets_on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def sql(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


async def number(database: Database) -> int:
    async with database.read() as connection:
        return sum((await kept_answers.uses(connection)).values())


async def total(database: Database) -> int:
    async with database.read() as connection:
        return await kept_answers.total(connection)


@contextmanager
def captured() -> Iterator[list[dict[str, object]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines  # type: ignore[misc]


async def test_nothing_of_a_call_or_its_answer_can_be_read_in_the_files(room: Room, path: Path) -> None:
    answer = Response(201, Headers([("X-Said", SAID["values"])]), SAID["bodies"].encode() * 9, "Created")
    room.upstream.acts = [answer]
    asked = request(key=SAID["keys"], body=SAID["bodies"].encode(), path="/" + SAID["paths"])
    with captured() as lines:
        first, again = await room.call(asked), await room.call(asked)
    found = await asyncio.to_thread(octets_on_disk, path)

    assert (first.body, again.body) == (answer.body, answer.body)
    assert b"kept_answers" in found
    assert [what for what, text in SAID.items() if text.encode() in found] == []
    assert lines == []


def swap(path: Path, *columns: str) -> None:
    """What the two rows there have in ``columns``, each in the other's place."""
    (one, two) = sql(path, "SELECT * FROM kept_answers ORDER BY digest")
    names = ("digest", "fingerprint", "answer", "key_id", "octets", "created_at")
    with closing(sqlite3.connect(path)) as connection, connection:
        for to, source in ((one, two), (two, one)):
            for name in columns:
                statement = f"UPDATE kept_answers SET {name} = ? WHERE digest = ?"  # noqa: S608
                connection.execute(statement, (source[names.index(name)], to[0]))


@pytest.mark.parametrize("columns", [("answer",), ("fingerprint",), ("answer", "fingerprint")])
async def test_a_row_copied_over_another_is_not_answered_with(room: Room, path: Path, columns: tuple[str, ...]) -> None:
    for key in ("a", "b"):
        await room.call(request(key=key))
    swap(path, *columns)
    for key in ("a", "b"):
        with captured() as lines, pytest.raises(StoreUnavailable, match="cannot be read"):
            await room.call(request(key=key))
        assert [line["event"] for line in lines] == ["kept answer does not decrypt"]
    swap(path, *columns)
    assert [(await room.call(request(key=key))).body for key in ("a", "b")] == [b'{"id":1}', b'{"id":2}']
    assert len(room.upstream.bodies) == 2


async def test_another_gateway_on_the_same_files_knows_it(room: Room, database: Database, clock: Clock) -> None:
    await room.call()
    ring = Vault([("k2", b"2" * 32), ("k1", b"1" * 32)])
    second = room_on(KeptAnswers(database, ring, clock, DAY_S, 10**9), MOST)
    assert (await second.call()).body == b'{"id":1}'
    assert second.upstream.bodies == []


async def test_look_ups_do_not_notice_what_is_kept(room: Room, database: Database) -> None:
    before = await database.revision()
    await room.call()
    assert await database.revision() == before


def kept(body: bytes, at: float) -> Kept:
    return Kept(b"f" * 32, Response(200, Headers(), body), at)


async def test_the_oldest_go_when_there_is_too_much(database: Database, vault: Vault, clock: Clock) -> None:
    one = ROW_BYTES + SEALED_BYTES + len(b'....[200, "", []]') + 1000
    store = KeptAnswers(database, vault, clock, DAY_S, 4 * one - 1)
    for count in range(40):
        clock.now += 1
        await store.keep(b"%d" % count, kept(b"x" * 1000, clock.now))
        assert await total(database) == min(count + 1, 3) * one
        assert (await store.find(b"%d" % count)) is not None
    assert [await store.find(b"%d" % count) is not None for count in (36, 37, 38, 39)] == [False, True, True, True]
    await store.keep(b"39", kept(b"", clock.now))
    assert await total(database) == 3 * one - 1000


async def test_many_small_ones_go_for_a_large_one(database: Database, vault: Vault, clock: Clock) -> None:
    store = KeptAnswers(database, vault, clock, DAY_S, 100 * 1024)
    for count in range(150):
        await store.keep(b"%d" % count, kept(b"", clock.now + count))
    await store.keep(b"large", kept(b"x" * 100_000, clock.now + 1000))
    assert await total(database) <= 100 * 1024
    assert await store.find(b"large") is not None
    await store.keep(b"huge", kept(b"x" * 200_000, clock.now + 1001))
    assert await total(database) == 0


async def test_what_was_there_before_the_start_counts(database: Database, vault: Vault, clock: Clock) -> None:
    await KeptAnswers(database, vault, clock, DAY_S, 10_000).keep(b"old", kept(b"x" * 8000, clock.now))
    await KeptAnswers(database, vault, clock, DAY_S, 10_000).keep(b"new", kept(b"x" * 8000, clock.now + 1))
    assert await number(database) == 1


async def test_expired_ones_go_with_writes_and_at_the_start(room: Room, database: Database, clock: Clock) -> None:
    for count in range(100):
        await room.call(request(key=str(count)))
    clock.now += DAY_S
    await room.call(request(key="next"))
    assert await number(database) == 69
    await room.idempotency.sweep()
    assert await number(database) == 1
    assert (await room.call(request(key="next"))).headers.get("idempotency-replayed") == "true"


async def test_where_nothing_can_be_looked_up_nothing_is_sent(room: Room, path: Path) -> None:
    sql(path, "ALTER TABLE kept_answers RENAME TO away")
    with pytest.raises(StoreUnavailable):
        await room.call()
    assert room.upstream.bodies == []
    sql(path, "ALTER TABLE away RENAME TO kept_answers")
    assert (await room.call()).status == 201


async def test_where_nothing_can_be_kept_callers_get_their_answers_and_the_log_one_line(room: Room, path: Path) -> None:
    refuse = "CREATE TRIGGER refuse BEFORE INSERT ON kept_answers BEGIN SELECT RAISE(FAIL, 'CANARY'); END"
    with captured() as lines:
        sql(path, refuse)
        room.upstream.open.clear()
        waiting = [room.start() for _ in range(3)]
        await room.upstream.asked(1)
        room.upstream.open.set()
        answers = await asyncio.gather(*waiting)
        more = [await room.call(request(key=key)) for key in ("b", "c")]
        sql(path, "DROP TRIGGER refuse")
        back = [await room.call(request(key=key)) for key in ("d", "e", "d")]

    assert [answer.body for answer in answers] == [created(1).body] * 3
    assert [answer.status for answer in more + back] == [201] * 5
    assert len(room.upstream.bodies) == 5
    assert [(line["log_level"], str(line["event"])[:30]) for line in lines] == [
        ("warning", "first answers cannot be kept: "),
        ("info", "first answers are kept again"),
    ]
    assert "CANARY" not in str(lines)


async def test_a_ring_without_keys_keeps_nothing_and_answers(database: Database, clock: Clock) -> None:
    room = room_on(KeptAnswers(database, Vault([]), clock, DAY_S, 10**9), MOST)
    with captured() as lines:
        assert [(await room.call()).body for _ in range(2)] == [b'{"id":1}', b'{"id":2}']
    assert [line["reason"] for line in lines] == ["there is no master key"]


async def test_a_sweep_that_fails_is_told(room: Room, path: Path) -> None:
    sql(path, "DROP TABLE kept_answers")
    with captured() as lines:
        await room.idempotency.sweep()
    assert [line["event"] for line in lines] == ["expired answers could not be removed"]
