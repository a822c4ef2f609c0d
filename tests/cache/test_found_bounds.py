"""Faults that an adversarial reading of the cache found: what it costs, what is left over, what it says of itself.

Each test fails until its fault is mended, and stays to keep it away.
"""

from __future__ import annotations

import asyncio
import json
import time
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.cache import Cache, CachePolicy, Fresh, Lifetimes, invalidation
from gateway.cache.entry import Entry
from gateway.cache.filling import Filling
from gateway.cache.invalidation import Touched, segments
from gateway.cache.key import Key
from gateway.cache.memory import MemoryStore, size_of
from gateway.exchange import Exchange, Headers, Pair, Request, Response, Target
from gateway.revalidation import Revalidations
from tests.cache.house import ACME, DEV, JSON, House
from tests.cache.test_cache_memory import PLAIN
from tests.cache.test_found_defects import STALE, stored

# --- memory


def test_all_of_an_entry_is_counted() -> None:
    key = Key("dev", "gwi_a", "/contacts", "", None, None, None, 0.0)
    plain = size_of(key, 1, (replace(PLAIN, varies=(("x", "1"),)),))
    assert size_of(key, 1, (replace(PLAIN, varies=(("x", "1"),), reason="r" * 30_000),)) >= plain + 30_000
    assert size_of(key, 1, (replace(PLAIN, varies=(("x" * 30_000, "1"),)),)) >= plain + 29_000


async def test_keys_that_cannot_be_shared_are_remembered_in_little() -> None:
    """Ten thousand of them, each with kilobytes of query and fields, are no small part of ``max_bytes``."""
    house = House()
    tracemalloc.start()
    try:
        for number in range(100):
            asking = house.start(1, f"/contacts?{number}{'q' * 7000}", ("Accept-Language", f"{number}{'l' * 7000}"))
            (await house.left(1))[0].answer(("Cache-Control", "no-store"))
            await asking[0]
            house.calls.clear()
        del asking
        octets, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert octets < 100 * 2000


def test_what_is_known_of_deep_paths_is_small() -> None:
    invalidation._remembered.cache_clear()
    tracemalloc.start()
    try:
        for number in range(50):
            segments(f"/{number}" + "/abc" * 2000)
        octets, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        invalidation._remembered.cache_clear()
    most = invalidation._remembered.cache_info().maxsize or 0
    assert octets / 50 * most < 100_000_000, f"{octets / 50 * most / 1e6:.0f} MB beside max_bytes"


def test_what_an_upstream_names_is_small() -> None:
    """1024 of them are remembered."""
    named = "/" + "/".join(f"ab{number}" for number in range(4000))  # a Location may have 32 KiB
    assert sum(map(len, Touched(frozenset(), frozenset()).and_places([segments(named)]).exact)) <= 64


async def test_callers_who_left_are_not_waited_with() -> None:
    house = House()
    leader = house.start(1)
    await house.left(1)
    waiters = house.start(200)
    await house.left(1)
    for task in waiters:
        task.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    (flight,) = house.cache._flights._flying.values()
    assert len(flight._waiting) < 10
    leader[0].cancel()


# --- the background


class Endless:
    """A body without an end; ``given`` octets were taken of it."""

    length = None

    def __init__(self) -> None:
        self.given = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self.closed:
            self.given += 4096
            yield bytes(4096)
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        self.closed = True


async def refreshing(body: Endless) -> tuple[Revalidations, list[Exchange]]:
    """A revalidation whose answer is ``body``, begun."""
    house = House(CachePolicy(lifetimes=STALE))
    await stored(house)
    house.now += 61
    request, target, exchange = (
        Request("GET", "/contacts", Headers()),
        Target(DEV, ACME, "/contacts"),
        Exchange("id", "GET", "/contacts", 0.0),
    )
    found = await house.cache.look_up(request, target, exchange)
    assert isinstance(found, Fresh)
    refresh = found.refresh
    assert refresh is not None

    async def again(background: Exchange) -> Response:
        return await house.cache.settle(request, target, refresh, Response(200, Headers([JSON]), body), background)

    recorded: list[Exchange] = []
    revalidations = Revalidations(recorded.append, time.monotonic, time.time)
    assert revalidations.start(again, exchange)
    return revalidations, recorded


async def test_a_body_too_large_to_keep_is_not_read_on_in_the_background() -> None:
    """Nobody wants it; one without an end would be read for ever."""
    body = Endless()
    revalidations, recorded = await refreshing(body)
    for _ in range(2000):
        await asyncio.sleep(0)
    ended, given = bool(recorded), body.given
    body.closed = True
    await revalidations.close()
    assert ended, f"still reading after {given} octets, where 100,000 are kept at most"


async def test_what_is_being_read_in_the_background_is_let_go_at_the_stop() -> None:
    body = Endless()
    revalidations, _ = await refreshing(body)
    for _ in range(10):
        await asyncio.sleep(0)
    await revalidations.close()
    closed, body.closed = body.closed, True
    assert closed


@pytest.mark.parametrize("how", ["a fault", "the stop"])
async def test_a_revalidation_that_came_to_nothing_is_not_recorded_as_well_done(how: str) -> None:
    async def call(_: Exchange) -> Response:
        if how == "a fault":
            raise RuntimeError("CANARY")
        await asyncio.sleep(60)
        raise AssertionError

    recorded: list[Exchange] = []
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    revalidations = Revalidations(recorded.append, time.monotonic, time.time)
    revalidations.start(call, Exchange("id", "GET", "/contacts", 0.0))
    for _ in range(5):
        await asyncio.sleep(0)
    await revalidations.close()
    assert [exchange.outcome for exchange in recorded] != ["ok"]
    assert not told


# --- explaining


async def explained(house: House, *fields: Pair, path: str = "/contacts") -> dict[str, object]:
    document, _ = await house.cache.explain(Request("GET", path, Headers(fields)), Target(DEV, ACME, path))
    return document


async def test_an_explanation_is_json_also_after_the_clock_went_back() -> None:
    house = House()
    await stored(house)
    house.now -= 3600
    json.dumps(await explained(house), allow_nan=False)


async def test_an_explanation_of_only_if_cached_does_not_say_that_it_would_be_sent() -> None:
    house = House()
    assert (await explained(house, ("Cache-Control", "only-if-cached")))["outcome"] != "miss"


async def test_an_explanation_does_not_count_as_use() -> None:
    now = 1_700_000_000.0
    store = MemoryStore(100_000, lambda: now)
    cache = Cache(lambda _: CachePolicy(lifetimes=Lifetimes(60)), store, lambda: now, 50_000)
    keys = [Key("dev", ACME.handle, path, "", None, None, None, 0.0) for path in ("/a", "/b", "/c", "/d")]
    entry: Entry = replace(PLAIN, body=bytes(30_000), received=now)
    for key in keys[:3]:
        await store.keep(key, (entry,))
    await cache.explain(Request("GET", "/a", Headers()), Target(DEV, ACME, "/a"))
    await store.keep(keys[3], (entry,))
    assert not await store.find(keys[0])


# --- many at once


class Pieces:
    """A body of many pieces."""

    length = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(60):
            yield bytes(16_384)

    async def aclose(self) -> None:
        """Nothing is held."""


async def test_what_is_too_large_to_keep_costs_each_reader_the_same_however_many_there_are() -> None:
    async def seconds(readers: int) -> float:
        filling = Filling(Pieces(), 1000, _never)
        began = time.process_time()

        async def read(reader: AsyncIterator[bytes]) -> None:
            async for _ in reader:
                pass

        await asyncio.gather(*(read(aiter(reader)) for reader in [filling.reader() for _ in range(readers)]))
        return (time.process_time() - began) / readers

    assert await seconds(1000) < 6 * await seconds(50)


async def _never(_: bytes) -> None:
    raise AssertionError("too large")
