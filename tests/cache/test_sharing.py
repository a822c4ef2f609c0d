"""Callers who miss the same thing at the same time: one call, nobody held up, nothing given to whom it does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.cache import CachePolicy
from gateway.cache.coalesce import REMEMBERED_S
from gateway.errors import UpstreamUnreachable
from gateway.exchange import Exchange, Headers, Pair, Response
from tests.cache.house import JSON, House


@pytest.fixture
def house() -> House:
    return House()


async def test_one_call_for_all(house: House) -> None:
    asking = house.start(1000)
    (call,) = await house.left(1)
    call.answer()
    answers = await asyncio.gather(*asking)

    assert {response.body for response, _ in answers} == {b"[1]"}
    statuses = [exchange.cache_status for _, exchange in answers]
    assert statuses == ["gateway; fwd=uri-miss; stored", *["gateway; fwd=uri-miss; collapsed"] * 999]
    assert [exchange.cache for _, exchange in answers] == ["miss", *["hit"] * 999]


async def test_what_cannot_be_shared_lets_all_go_at_once_and_is_remembered(house: House) -> None:
    asking = house.start(10)
    (call,) = await house.left(1)
    call.answer(("Cache-Control", "no-store"))
    for other in (await house.left(10))[1:]:
        other.answer(("Cache-Control", "no-store"))
    await asyncio.gather(*asking)

    asking = house.start(5)
    for later in (await house.left(15))[10:]:
        later.answer(("Cache-Control", "no-store"))
    await asyncio.gather(*asking)

    house.now += REMEMBERED_S + 1
    asking = house.start(5)
    await house.left(16)
    await forget(asking)


async def test_a_key_that_can_be_shared_after_all_is(house: House) -> None:
    for number, control in enumerate(("no-store", "max-age=0", "max-age=60"), 1):
        asking = house.start(1)
        (await house.left(number))[-1].answer(("Cache-Control", control))
        await asyncio.gather(*asking)
    house.now += 61
    asking = house.start(3)
    await house.left(4)
    await forget(asking)


@pytest.mark.parametrize("answer", [("ETag", '"1"'), ("Cache-Control", "no-cache"), ("Vary", "*"), ("Set-Cookie", "a=b")])
async def test_an_answer_that_is_stale_at_once_or_fits_nobody_else_is_not_shared(answer: Pair) -> None:
    house = House(CachePolicy())
    asking = house.start(3)
    (await house.left(1))[0].answer(answer)
    await house.left(3)
    await forget(asking)


async def test_a_leader_who_leaves_hands_over(house: House) -> None:
    first, *others = house.start(4)
    await house.left(1)
    first.cancel()
    calls = await house.left(2)
    calls[1].answer()

    assert [exchange.cache for _, exchange in await asyncio.gather(*others)] == ["miss", "hit", "hit"]


async def test_a_waiter_who_leaves_takes_no_turn(house: House) -> None:
    first, second, third = house.start(3)
    await house.left(1)
    second.cancel()
    await asyncio.sleep(0)
    first.cancel()
    (await house.left(2))[1].answer()

    assert (await third)[1].cache == "miss"


async def test_a_waiter_who_leaves_as_its_turn_comes_passes_it_on(house: House) -> None:
    first, second, third = house.start(3)
    await house.left(1)
    first.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    house.calls[-1].answer()

    assert (await third)[1].cache == "miss"


async def test_a_failure_hands_over_once_then_all_go(house: House) -> None:
    asking = house.start(5)
    (await house.left(1))[0].done.set_exception(UpstreamUnreachable())
    (await house.left(2))[1].done.set_exception(UpstreamUnreachable())
    calls = await house.left(5)
    for call in calls[2:]:
        call.answer()
    done = await asyncio.gather(*asking, return_exceptions=True)

    assert [type(one) for one in done] == [UpstreamUnreachable, UpstreamUnreachable, tuple, tuple, tuple]


async def test_an_error_answer_counts_as_a_failure_and_is_not_remembered(house: House) -> None:
    asking = house.start(2)
    (await house.left(1))[0].answer(status=503)
    (await house.left(2))[1].answer()
    await asyncio.gather(*asking)
    house.now += 61
    asking = house.start(2)
    await house.left(3)
    await forget(asking)


async def test_who_negotiates_something_else_does_not_wait(house: House) -> None:
    english, german = house.start(1, "/contacts", ("Accept-Language", "en")), house.start(1, "/contacts", ("Accept-Language", "de"))
    for call in await house.left(2):
        call.answer()
    await asyncio.gather(*english, *german)


async def test_whom_the_answer_does_not_fit_goes_at_once(house: House) -> None:
    first, second = house.start(1, "/contacts", ("X-Shape", "a")), house.start(1, "/contacts", ("X-Shape", "b"))
    (await house.left(1))[0].answer(("Vary", "X-Shape"))
    (await house.left(2))[1].answer(("Vary", "X-Shape"))
    assert [(await task)[1].cache for task in (*first, *second)] == ["miss", "miss"]
    house.now += 61
    asking = [*house.start(1, "/contacts", ("X-Shape", "a")), *house.start(1, "/contacts", ("X-Shape", "b"))]
    await house.left(4)
    await forget(asking)


@pytest.mark.parametrize("wish", [("Cache-Control", "no-cache"), ("Cache-Control", "no-store"), ("If-None-Match", '"1"')])
async def test_who_wants_the_origins_own_word_waits_for_nobody(house: House, wish: Pair) -> None:
    asking = [*house.start(1), *house.start(2, "/contacts", wish)]
    await house.left(3)
    await forget(asking)


async def test_a_write_on_the_way_parts_before_from_after(house: House) -> None:
    before = house.start(2)
    await house.left(1)
    write = asyncio.create_task(house.get("/contacts", method="POST"))
    (await house.left(2))[1].answer(body=b"{}")
    await write
    after = house.start(2)
    calls = await house.left(3)
    calls[0].answer(body=b"old")
    await house.left(3)  # who waited for it waits for the newer one now
    calls[2].answer(body=b"new")

    assert [(await task)[0].body for task in (*before, *after)] == [b"old", b"new", b"new", b"new"]
    assert (await house.get())[0].body == b"new"


class Slowly:
    """A body that comes in two pieces, the second when it is let."""

    length = None

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"one "
        await self.go_on.wait()
        yield b"two"

    async def aclose(self) -> None:
        """Nothing is held."""


async def test_waiters_stream_as_it_arrives_and_so_do_those_who_come_later(house: House) -> None:
    asking = house.start(3)
    (call,) = await house.left(1)
    body = Slowly()
    call.done.set_result(Response(200, Headers([JSON]), body))
    readers = [aiter(stream((await task)[0])) for task in asking]
    assert [await anext(reader) for reader in readers] == [b"one "] * 3
    response, exchange = await house.get()
    late = aiter(stream(response))
    assert (await anext(late), exchange.cache_status) == (b"one ", "gateway; fwd=uri-miss; collapsed")
    body.go_on.set()

    assert [await anext(reader) for reader in (*readers, late)] == [b"two"] * 4
    stored, hit = await house.get()
    assert (stored.body, hit.cache_status) == (b"one two", "gateway; hit; ttl=60")


def stream(response: Response) -> AsyncIterator[bytes]:
    assert not isinstance(response.body, bytes)
    return aiter(response.body)


async def forget(tasks: list[asyncio.Task[tuple[Response, Exchange]]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
