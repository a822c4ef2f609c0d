"""Faults that an adversarial reading found in what writes do to answers that are stored or on their way.

Each test fails until its fault is mended, and stays to keep it away.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from gateway.cache import Bypass, Cache, CachePolicy, Lifetimes
from gateway.cache.memory import MemoryStore
from gateway.errors import StoreUnavailable, UpstreamUnreachable
from gateway.exchange import Exchange, Headers, Instance, Pair, Request, Response, Target
from gateway.paths import without_hub
from tests.cache.house import ACME, DEV, JSON, House
from tests.cache.test_found_defects import STALE, stored


@pytest.mark.parametrize("end", ["fails", "cannot be shared"])
async def test_what_a_write_dropped_is_not_given_by_one_who_waited_meanwhile(end: str) -> None:
    house = House(CachePolicy(lifetimes=STALE))
    await stored(house, ("ETag", '"1"'))
    house.now += 100
    leader, waiter = house.start(2)
    (call,) = await house.left(1)
    await house.cache.drop_instance("dev", ACME.handle)
    if end == "fails":
        call.done.set_exception(UpstreamUnreachable())
    else:
        call.answer(("Cache-Control", "no-store"))
    (await house.left(2))[1].answer(status=503)
    await asyncio.gather(leader, return_exceptions=True)
    response, _ = await waiter
    assert response.status == 503


async def test_a_write_during_a_call_does_not_let_all_who_wait_for_it_leave() -> None:
    house = House()
    asking = house.start(50)
    (call,) = await house.left(1)
    await house.cache.drop_instance("dev", ACME.handle)
    call.answer()
    for _ in range(20):
        await asyncio.sleep(0)
    left = len(house.calls)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert left <= 3


async def test_a_posted_answer_that_a_later_write_overtook_is_not_stored() -> None:
    house = House()
    post = asyncio.create_task(house.get("/contacts/7", method="POST"))
    await house.left(1)
    patch = asyncio.create_task(house.get("/contacts/7", method="PATCH"))
    (await house.left(2))[1].answer(body=b"{}")
    await patch
    house.calls[0].answer(("Content-Location", "/elements/api-v2/contacts/7"), ("Cache-Control", "max-age=60"), body=b"old")
    await post
    asking = house.start(1, "/contacts/7")
    await house.left(3)
    asking[0].cancel()


async def test_a_head_that_a_write_overtook_renews_nothing() -> None:
    house = House()
    head = asyncio.create_task(house.get("/contacts/7", method="HEAD"))
    await house.left(1)
    patch = asyncio.create_task(house.get("/contacts/7", method="PATCH"))
    (await house.left(2))[1].answer(body=b"{}")
    await patch
    get = asyncio.create_task(house.get("/contacts/7"))
    (await house.left(3))[2].answer(("X-Revision", "2"))
    await get
    house.calls[0].answer(("X-Revision", "1"), body=b"")
    await head
    assert (await house.get("/contacts/7"))[0].headers.get("x-revision") == "2"


@pytest.mark.parametrize("method", ["HEAD", "POST"])
async def test_the_way_counts_as_age(method: str) -> None:
    """RFC 9111 §4.2.3: the age begins when the request left."""
    house = House()
    if method == "HEAD":
        await stored(house)
    asking = asyncio.create_task(house.get(method=method))
    (call,) = await house.left(1)
    house.now += 10
    call.answer(
        ("Content-Location", "/elements/api-v2/contacts"), ("Cache-Control", "max-age=60"), body=b"" if method == "HEAD" else b"[1]"
    )
    await asking
    assert (await house.get())[0].headers.get("age") == "10"


def numbered(handles: dict[int, str]) -> tuple[Cache, MemoryStore]:
    async def look(_: str, number: int) -> tuple[str, ...]:
        return (handles[number],) if number in handles else ()

    store = MemoryStore(1_000_000, time.time)
    return Cache(lambda _: CachePolicy(lifetimes=Lifetimes(60)), store, time.time, 10_000, look), store


async def call(cache: Cache, method: str, path: str, instance: Instance | None, *fields: Pair) -> None:
    request, target, exchange = (
        Request(method, path, Headers()),
        Target(DEV, instance, without_hub(path)),
        Exchange("id", method, path, 0.0),
    )
    found = await cache.look_up(request, target, exchange)
    await cache.settle(request, target, found, Response(200, Headers([JSON, *fields]), b"[1]"), exchange)


async def test_a_write_on_another_instance_through_an_element_call_drops_that_ones_answers() -> None:
    """With an Element token too Cloud Elements serves /instances/{id} as the platform's own (``permissions.is_platform_path``)."""
    bolt = replace(ACME, handle="gwi_bolt0001", customer="bolt")
    cache, store = numbered({5: bolt.handle})
    await call(cache, "GET", "/contacts", bolt)
    await call(cache, "PATCH", "/instances/5", ACME)
    assert store.entries == 0


async def test_what_a_platform_write_names_below_a_hub_is_dropped() -> None:
    cache, store = numbered({})
    await call(cache, "GET", "/hubs/crm/elements", None)
    await call(cache, "POST", "/accounts", None, ("Location", f"{DEV.base_url}/hubs/crm/elements"))
    assert store.entries == 0


async def test_a_hub_however_it_is_spelled_is_left_out_of_what_a_write_touches() -> None:
    """As kinds of resources are (``paths.families``): a lenient server takes ``/HUBS`` for ``/hubs``."""
    cache, store = numbered({})
    for hub in ("/HUBS/crm", "/%68ubs/crm"):
        await call(cache, "GET", "/contacts/7", ACME)
        await call(cache, "PATCH", f"{hub}/contacts/7", ACME)
        assert store.entries == 0


async def test_a_lost_database_takes_nobody_the_answer_to_a_write() -> None:
    """It was made; told 503, its caller would make it again. Nor may it take the place of what went wrong."""

    async def lost(_: str, __: int) -> tuple[str, ...]:
        raise StoreUnavailable

    cache = Cache(lambda _: CachePolicy(), MemoryStore(1_000_000, time.time), time.time, 10_000, lost)
    await call(cache, "DELETE", "/instances/5", None)
    request, exchange = Request("DELETE", "/instances/5", Headers()), Exchange("id", "DELETE", "/instances/5", 0.0)
    exchange.upstream_calls = 1
    assert await cache.failed(request, Target(DEV, None, "/instances/5"), Bypass("DELETE"), asyncio.CancelledError(), exchange) is None


async def test_a_caller_who_leaves_as_its_write_is_answered_does_not_keep_what_it_changed() -> None:
    """The write was made; which mappings the number has is still being looked up when the call is cancelled."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(_: str, __: int) -> tuple[str, ...]:
        asked.set()
        await go_on.wait()
        return (ACME.handle,)

    store = MemoryStore(1_000_000, time.time)
    cache = Cache(lambda _: CachePolicy(lifetimes=Lifetimes(60)), store, time.time, 10_000, slowly)
    await call(cache, "GET", "/contacts", ACME)
    write = asyncio.create_task(call(cache, "PATCH", "/instances/5", None))
    await asked.wait()
    write.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(write, return_exceptions=True)
    for _ in range(5):
        await asyncio.sleep(0)
    assert store.entries == 0
