"""Parts of what is stored (RFC 9110 §14), and what goes before them (RFC 9110 §13.2.2)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.conditional import answer
from gateway.cache.entry import Entry, Subject, draft
from gateway.cache.policy import Lifetimes
from gateway.cache.ranges import if_range_holds, single_range
from gateway.exchange import Headers, Pair
from tests.cache.house import House

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE = "Tue, 14 Nov 2023 22:13:19 GMT"
BODY = b"0123456789"
JSON = ("Content-Type", "application/json")


def entry(*fields: Pair, body: bytes = BODY, status: int = 200) -> Entry:
    made = draft(status, Headers([JSON, ("Date", DATE), *fields]), Headers(), NOW, NOW, Lifetimes(60, negative_ttl=60), Subject("a", "b"))
    assert isinstance(made, Entry)
    return replace(made, body=body)


@pytest.mark.parametrize(
    ("value", "length", "part"),
    [
        ("bytes=0-3", 10, (0, 4)),
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=9-9", 10, (9, 10)),
        ("bytes=9-", 10, (9, 10)),
        ("bytes=4-", 10, (4, 10)),
        ("bytes=4-99", 10, (4, 10)),
        ("bytes=0-999999999999999999", 10, (0, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-10", 10, (0, 10)),
        ("bytes=-99", 10, (0, 10)),
        ("Bytes=1-2", 10, (1, 3)),
        ("bytes= 1-2 ", 10, (1, 3)),
        ("bytes=10-", 10, (10, 10)),  # beyond the end
        ("bytes=10-20", 10, (10, 10)),
        ("bytes=999999999999999999-", 10, (10, 10)),
        ("bytes=-0", 10, (10, 10)),
        ("bytes=0-0", 0, (0, 0)),
        ("bytes=0-1,3-4", 10, None),  # several
        ("bytes=0-1,", 10, None),
        ("bytes=5-3", 10, None),
        ("bytes=-", 10, None),
        ("bytes=", 10, None),
        ("bytes", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=1-2x", 10, None),
        ("bytes=--2", 10, None),
        ("bytes=+1-2", 10, None),
        ("bytes=1.5-2", 10, None),
        ("bytes = 1-2", 10, None),
        ("items=0-3", 10, None),
        ("bytes=0-9999999999999999999", 10, None),  # more digits than anything has octets: not worth reading
        ("", 10, None),
        (None, 10, None),
    ],
)
def test_one_range_of_octets(value: str | None, length: int, part: tuple[int, int] | None) -> None:
    found = single_range(value, length)
    assert (found if found is None else (found.start, found.stop)) == part


@given(st.integers(0, 30), st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_a_part_is_what_slicing_gives(length: int, first: int, last: int, suffix: bool) -> None:
    body = bytes(range(length))
    found = single_range(f"bytes=-{last}" if suffix else f"bytes={first}-{last}", length)
    if suffix:
        assert found is not None
        assert body[found] == (body[-last:] if last else b"")
    elif last < first:
        assert found is None
    else:
        assert found is not None
        assert body[found] == body[first : last + 1]


@pytest.mark.parametrize(("value", "octets", "place"), [("bytes=2-4", b"234", "bytes 2-4/10"), ("bytes=-2", b"89", "bytes 8-9/10")])
def test_a_part(value: str, octets: bytes, place: str) -> None:
    response = answer(entry(("ETag", '"1"')), Headers([("Range", value)]), NOW + 5)

    assert (response.status, response.body, response.headers.get("content-range")) == (206, octets, place)
    assert (response.headers.get("etag"), response.headers.get("age"), response.headers.get("content-type")) == ('"1"', "5", JSON[1])


@pytest.mark.parametrize("value", ["bytes=10-", "bytes=-0", "bytes=10-10"])
def test_what_is_beyond_the_end(value: str) -> None:
    response = answer(entry(), Headers([("Range", value)]), NOW)

    assert (response.status, response.body, response.headers.get("content-range")) == (416, b"", "bytes */10")
    assert "etag" not in response.headers


@pytest.mark.parametrize("value", ["bytes=0-1,3-4", "bytes=5-3", "pages=1", "bytes=x"])
def test_what_is_not_served_in_part_is_served_whole(value: str) -> None:
    response = answer(entry(), Headers([("Range", value)]), NOW)

    assert (response.status, response.body) == (200, BODY)
    assert "content-range" not in response.headers


def test_only_a_200_has_parts() -> None:
    response = answer(entry(status=404), Headers([("Range", "bytes=0-1")]), NOW)
    assert (response.status, response.body) == (404, BODY)


@pytest.mark.parametrize(
    ("stored", "condition", "holds"),
    [
        ([("ETag", '"1"')], '"1"', True),
        ([("ETag", '"1"')], '"2"', False),
        ([("ETag", 'W/"1"')], 'W/"1"', False),  # a strong comparison
        ([("ETag", '"1"')], 'W/"1"', False),
        ([("ETag", 'W/"1"')], '"1"', False),
        ([], '"1"', False),
        ([("Last-Modified", BEFORE)], BEFORE, True),
        ([("Last-Modified", BEFORE)], DATE, False),
        ([("Last-Modified", DATE)], DATE, False),  # changed in the second of the answer: no strong validator
        ([], BEFORE, False),
        ([("Last-Modified", BEFORE)], "nonsense", False),
        ([("Last-Modified", "nonsense")], "nonsense", False),
        ([("ETag", "1")], "1", False),
    ],
)
def test_if_range(stored: list[Pair], condition: str, holds: bool) -> None:
    kept, wanted = entry(*stored), Headers([("Range", "bytes=0-1"), ("If-Range", condition)])

    assert if_range_holds(kept, wanted, NOW) is holds
    assert (answer(kept, wanted, NOW).status, answer(kept, wanted, NOW).body) == ((206, b"01") if holds else (200, BODY))


def test_without_if_range_nothing_is_asked() -> None:
    assert if_range_holds(entry(), Headers(), NOW)


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (("If-None-Match", '"1"'), 304),
        (("If-None-Match", '"2"'), 206),
        (("If-Modified-Since", DATE), 304),
        (("If-Modified-Since", "Tue, 14 Nov 2022 22:13:19 GMT"), 206),
    ],
)
def test_conditions_go_before_ranges(condition: Pair, status: int) -> None:
    kept = entry(("ETag", '"1"'), ("Last-Modified", BEFORE))
    assert answer(kept, Headers([("Range", "bytes=0-1"), condition]), NOW).status == status


class TestThroughTheCache:
    async def test_a_hit_gives_a_part_and_a_miss_asks_past_the_cache(self) -> None:
        house = House()
        asking = house.start(1, "/contacts", ("Range", "bytes=0-1"))
        (await house.left(1))[0].answer(("Content-Range", "bytes 0-1/3"), status=206, body=b"[1")
        response, exchange = await asking[0]
        assert (response.status, exchange.cache_status) == (206, "gateway; fwd=bypass; detail=range")

        asking = house.start(1)
        (await house.left(2))[1].answer()
        await asking[0]
        response, exchange = await house.get("/contacts", ("Range", "bytes=0-1"))
        assert (response.status, response.body, exchange.cache_status) == (206, b"[1", "gateway; hit; ttl=60")

    async def test_a_head_is_the_origins_to_answer(self) -> None:
        house = House()
        asking = asyncio.create_task(house.get())
        (await house.left(1))[0].answer()
        await asking
        head = asyncio.create_task(house.get("/contacts", ("Range", "bytes=0-1"), method="HEAD"))
        (await house.left(2))[1].answer(("Content-Length", "3"), body=b"")
        response, exchange = await head
        assert (response.status, exchange.cache_status) == (200, "gateway; fwd=method")

    async def test_who_asks_for_a_part_waits_for_nobody(self) -> None:
        house = House()
        asking = [*house.start(1), *house.start(2, "/contacts", ("Range", "bytes=0-1"))]
        await house.left(3)
        for task in asking:
            task.cancel()
