"""Calls with one key at the same time, and callers who leave."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from gateway.database.engine import Database
from gateway.errors import IdempotencyKeyReused, UpstreamTimeout
from gateway.exchange import Response
from tests.idempotency.conftest import MOST
from tests.idempotency.scene import Chunks, Room, created, exchange, request


async def test_those_who_come_meanwhile_wait_and_get_the_first_answer(room: Room) -> None:
    room.upstream.open.clear()
    calls = [room.start() for _ in range(20)]
    await room.upstream.asked(1)
    other = room.start(request(key="k-2"))
    await room.upstream.asked(2)
    room.upstream.open.set()
    answers = await asyncio.gather(*calls)

    assert {answer.body for answer in answers} == {b'{"id":1}'}
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None] + ["true"] * 19
    assert (await other).body == b'{"id":2}'
    assert len(room.upstream.bodies) == 2


async def test_when_the_first_fails_the_next_one_sends_one_at_a_time(room: Room) -> None:
    flying, most = 0, 0

    async def fails(_: object) -> Response:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.005)
        flying -= 1
        raise UpstreamTimeout("late")

    room.upstream.acts = [fails, fails, fails]
    answers = await asyncio.gather(*(room.start() for _ in range(8)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [UpstreamTimeout] * 3 + [Response] * 5
    assert {answer.body for answer in answers if isinstance(answer, Response)} == {b'{"id":4}'}
    assert most == 1


async def test_a_call_that_failed_reserves_its_key_for_nothing(room: Room) -> None:
    room.upstream.acts = [UpstreamTimeout("late")]
    room.upstream.open.clear()
    first = room.start()
    await room.upstream.asked(1)
    waiting = room.start(request(body=Chunks(b"{", b"}")))
    await asyncio.sleep(0)
    room.upstream.open.set()
    with pytest.raises(UpstreamTimeout):
        await first
    other = room.start(request(body=b"{}"))  # while the one that waited looks whether there is an answer
    assert (await waiting).body == (await other).body == b'{"id":2}'


async def test_another_request_meanwhile_is_refused_at_once(room: Room) -> None:
    room.upstream.open.clear()
    first = room.start()
    await room.upstream.asked(1)
    with pytest.raises(IdempotencyKeyReused):
        await asyncio.wait_for(room.call(request(body=b"{}")), 1)
    room.upstream.open.set()
    assert (await first).status == 201


async def test_another_streaming_request_is_refused_when_it_is_known(room: Room) -> None:
    room.upstream.open.clear()
    first = room.start(request(body=Chunks(b"{", b"}")))
    await room.upstream.asked(1)
    other = room.start(request(body=Chunks(b"[", b"]")))
    same = room.start(request(body=Chunks(b"{}")))
    with pytest.raises(IdempotencyKeyReused):  # the first one's body has passed meanwhile
        await asyncio.wait_for(room.call(request(body=b"()")), 1)
    await asyncio.sleep(0.02)
    assert not other.done()
    room.upstream.open.set()
    with pytest.raises(IdempotencyKeyReused):
        await other
    assert (await first).body == (await same).body
    assert len(room.upstream.bodies) == 1


async def test_a_waiter_who_leaves_disturbs_nobody(room: Room) -> None:
    room.upstream.open.clear()
    calls = [room.start() for _ in range(6)]
    await room.upstream.asked(1)
    for leaving in (calls[1], calls[3]):
        leaving.cancel()
    await asyncio.sleep(0.01)
    room.upstream.open.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [False, True, False, True, False, False]
    assert len(room.upstream.bodies) == 1


async def test_when_the_first_leaves_its_call_goes_on(room: Room) -> None:
    """Those who time out sooner than the upstream answers are the ones who repeat."""
    room.upstream.open.clear()
    record = exchange()
    first = asyncio.create_task(room.call(record=record))
    await room.upstream.asked(1)
    second = room.start()
    first.cancel()
    await asyncio.sleep(0.01)
    assert (first.cancelled(), second.done(), record.upstream_calls) == (True, False, 0)
    room.upstream.open.set()
    again = await second
    assert (again.body, again.headers.get("idempotency-replayed")) == (b'{"id":1}', "true")
    assert len(room.upstream.bodies) == 1
    (gone_on,) = room.recorded
    assert (gone_on.background, gone_on.status, gone_on.method) == (True, 201, "POST")


async def test_a_call_whose_body_was_to_come_from_the_one_who_left_is_not_made(room: Room) -> None:
    room.upstream.open.clear()
    first = room.start(request(body=Chunks(b"{}")))
    await room.upstream.asked(1)
    first.cancel()
    room.upstream.open.set()
    assert (await room.call(request(body=b"{}"))).body == b'{"id":2}'
    assert room.recorded == []


async def test_an_answer_that_came_is_kept_though_its_caller_leaves(room: Room) -> None:
    """Leaving while it is written down takes nothing away."""
    first = room.start()
    await room.writing()
    first.cancel()
    again = await room.call()
    assert first.cancelled()
    assert (again.body, again.headers.get("idempotency-replayed")) == (b'{"id":1}', "true")
    assert len(room.upstream.bodies) == 1


async def test_a_large_answer_is_let_go_when_its_caller_leaves(room: Room) -> None:
    stream = Chunks(b"x" * (MOST + 1), b"x")
    room.upstream.acts = [created(1, stream)]
    first = room.start()
    await room.writing()
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    while not room.recorded:  # noqa: ASYNC110 - the end of what goes on behind the caller's back
        await asyncio.sleep(0)
    assert stream.closed


async def test_whenever_callers_leave(room: Room, database: Database) -> None:
    """All who are answered get the same, nobody is sent twice without cause, nobody waits for ever, nothing is left behind."""
    chance = random.Random(20)
    for key in (f"key-{number}" for number in range(60)):
        sent = len(room.upstream.bodies)
        room.upstream.acts = [UpstreamTimeout("late")] * chance.choice([0, 0, 1])
        failing = len(room.upstream.acts)
        calls = [room.start(request(key=key)) for _ in range(4)]
        leaving = chance.sample(calls, chance.randint(1, 4))
        for call in leaving:
            for _ in range(chance.choice([0, 1, 2, 3, 5, 8, 13, 21, 34])):
                await asyncio.sleep(chance.choice([0, 0, 0.0002]))
            call.cancel()
        answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
        bodies = {answer.body for answer in answers if isinstance(answer, Response)}
        assert len(bodies) <= 1
        assert len(room.upstream.bodies) - sent <= 1 + failing + len(leaving)
        room.upstream.acts.clear()
        again = await room.call(request(key=key))
        assert not bodies or bodies == {again.body}
    await room.idempotency.close()
    assert len(room.idempotency._turns) == 0
    assert database._engine.pool.checkedout() == 0  # type: ignore[attr-defined]
