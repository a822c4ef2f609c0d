"""Faults that an adversarial reading of the cache found: each test fails until its fault is mended, and stays to keep it away.

Who gets what, and fields. The others stand in ``test_found_writes.py``, ``test_found_bounds.py`` and ``tests/raw/test_found_interim.py``.
"""

from __future__ import annotations

import asyncio

import pytest

from gateway.cache import Lifetimes
from gateway.cache.control import control_of
from gateway.exchange import Headers, Pair, Response
from tests.cache.house import House
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
