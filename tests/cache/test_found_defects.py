"""Faults that an adversarial reading of the cache found: each test fails until its fault is mended, and stays to keep it away.

Who gets what, writes and calls on their way, fields. What is bounded stands in ``test_found_bounds.py``.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from gateway.cache import Bypass, Cache, CachePolicy, Lifetimes
from gateway.cache.control import control_of
from gateway.cache.memory import MemoryStore
from gateway.errors import StoreUnavailable, UpstreamUnreachable
from gateway.exchange import Exchange, Headers, Instance, Pair, Request, Response, Target
from gateway.paths import without_hub
from tests.cache.house import ACME, DEV, JSON, House
from tests.test_pipeline import house as corridor
from tests.test_pipeline import ok

STALE = Lifetimes(60, stale_while_revalidate=30, stale_if_error=600)
HANDLED = ("Gateway-Customer", "acme")


async def stored(house: House, *fields: Pair, path: str = "/contacts", asks: tuple[Pair, ...] = (), body: bytes = b"[1]") -> None:
    (asking,) = house.start(1, path, *asks)
    (call,) = await house.left(1)
    call.answer(*fields, body=body)
    await asking
    house.calls.clear()


# --- a caller who gets what is not his


@pytest.mark.parametrize("name", ["Accept", "Elements-Version", "Elements-As-Team-Member"])
async def test_a_field_that_connection_names_is_not_sent_so_it_may_not_choose_the_key(name: str) -> None:
    """The origin gives its default; it was stored as what the field asks for, and given to all who ask for that."""
    fresh = "Cache-Control: max-age=60"
    async with corridor(ok(b"[0]", fresh), ok(b"[1]", fresh)) as here:
        await here.ask("/contacts", HANDLED, ("Connection", name), (name, "m1"))
        assert b"m1" not in here.heads[0]
        _, body, exchange = await here.ask("/contacts", HANDLED, (name, "m1"))
        assert (body, exchange.cache) == (b"[1]", "miss")


async def test_a_field_that_connection_names_may_not_choose_the_variant() -> None:
    lines = ("Cache-Control: max-age=60", "Vary: X-Shape")
    async with corridor(ok(b"[0]", *lines), ok(b"[1]", *lines)) as here:
        await here.ask("/contacts", HANDLED, ("Connection", "x-shape"), ("X-Shape", "a"))
        assert (await here.ask("/contacts", HANDLED, ("X-Shape", "a")))[1] == b"[1]"


async def test_a_304_that_brings_a_vary_narrows_whom_the_answer_fits() -> None:
    """RFC 9111 §3.2, §4.1: what is stored now varies by the language, and is that of who asked."""
    house = House()
    await stored(house, ("ETag", '"1"'))
    house.now += 61
    (asking,) = house.start(1, "/contacts", ("Accept-Language", "en"))
    (await house.left(1))[0].done.set_result(Response(304, Headers([("ETag", '"1"'), ("Vary", "Accept-Language")])))
    await asking
    german = house.start(1, "/contacts", ("Accept-Language", "de"))
    await house.left(2)
    german[0].cancel()


async def test_blanks_inside_quotes_tell_variants_apart() -> None:
    """RFC 9111 §4.1 evens out only what a field's own grammar says is the same."""
    house = House()
    await stored(house, ("Vary", "X-Filter"), asks=(("X-Filter", 'name="a  b, c"'),))
    for number, value in enumerate(('name="a b, c"', 'name="a  b,c"'), 1):
        asking = house.start(1, "/contacts", ("X-Filter", value))
        await house.left(number)
        asking[0].cancel()


# --- writes and calls on their way


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


# --- fields


@pytest.mark.parametrize("name", ["no-cache", "private"])
def test_of_two_the_stricter_counts(name: str) -> None:
    both = control_of(Headers([("Cache-Control", f'{name}="x-a", {name}, max-age=60')]))
    assert (both.no_cache, both.private) == (name == "no-cache", name == "private")


@pytest.mark.parametrize("name", ["no-cache", "private"])
def test_two_lists_of_names_are_one(name: str) -> None:
    both = control_of(Headers([("Cache-Control", f'{name}="x-a"'), ("Cache-Control", f'{name}="x-b"')]))
    assert both.no_cache_fields | both.private_fields == {"x-a", "x-b"}


def test_an_inner_list_is_a_proper_member_of_a_targeted_field() -> None:
    """RFC 8941 §3.2: so is not the whole field ignored, but the extension."""
    said = control_of(Headers([("Cache-Control", "max-age=60"), ("CDN-Cache-Control", 'no-store, ext=("a" "b");q=1')]))
    assert (said.no_store, said.targeted) == (True, True)


async def test_a_coding_that_no_cache_names_is_not_taken_off_a_coded_body() -> None:
    house = House()
    await stored(house, ("Content-Encoding", "gzip"), ("Cache-Control", 'max-age=60, no-cache="content-encoding"'))
    asking = house.start(1)
    for _ in range(20):
        await asyncio.sleep(0)
    if house.calls:  # it was not stored: that will do
        asking[0].cancel()
    else:
        assert "content-encoding" in (await asking[0])[0].headers
