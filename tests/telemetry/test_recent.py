"""The last calls, the newest first, and what is unknown left out."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Exchange
from gateway.telemetry import Telemetry
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent, as_json


def exchange(number: int = 0) -> Exchange:
    return Exchange(f"id-{number}", "GET", "/x", 0.0, 1_700_000_000.0)


def filled(count: int, size: int = 100) -> Recent:
    recent = Recent(size)
    for number in range(count):
        recent.add(exchange(number))
    return recent


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 60))
def test_the_newest_come_first_and_the_oldest_go(size: int, count: int, limit: int) -> None:
    recent = filled(count, size)

    assert [one["request_id"] for one in recent.last(limit)] == [f"id-{number}" for number in reversed(range(count))][: min(size, limit)]


def test_decisions_come_with_their_reasons() -> None:
    made = exchange()
    made.note("cache", "bypass", "no-store")
    made.note("limits", "allowed")

    assert as_json(made)["decisions"] == [
        {"room": "cache", "decision": "bypass", "reason": "no-store"},
        {"room": "limits", "decision": "allowed", "reason": ""},
    ]


def test_what_is_unknown_is_left_out() -> None:
    record = as_json(exchange())

    assert record.keys() == {"time", "request_id", "method", "path", "status", "outcome", "phase", "cache", "ms", "decisions"}
    assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize(
    ("name", "shown"), [("customer", "customer"), ("handle", "instance"), ("problem", "problem"), ("limited", "limited")]
)
def test_what_is_known_is_shown(name: str, shown: str) -> None:
    made = exchange()
    setattr(made, name, "something")

    assert as_json(made)[shown] == "something"


def test_a_call_is_in_flight_until_it_is_recorded() -> None:
    telemetry, made = Telemetry(Metrics(), None, Recent()), exchange()
    telemetry.begin(made)
    assert made in telemetry.metrics.live
    telemetry.record(made)

    assert made not in telemetry.metrics.live
    assert telemetry.recent.last(9)[0]["request_id"] == "id-0"


@given(st.integers(1, 12), st.integers(0, 40), st.integers(1, 5), st.sampled_from([1, 2, 3]))
def test_page_by_page_every_wanted_call_comes_once(size: int, count: int, limit: int, each: int) -> None:
    recent = filled(count, size)
    found: list[str] = []
    before = None
    while True:
        rows, before = recent.page(limit, before, lambda one: int(one.request_id[3:]) % each == 0)
        found += [row["request_id"] for row in rows]
        if before is None:
            break
        assert len(rows) == limit
    kept = list(range(count))[-size:]
    assert found == [f"id-{number}" for number in reversed(kept) if number % each == 0]


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=8), st.sampled_from([1, 2, 3]))
def test_a_follower_sees_every_wanted_call_once_or_is_told_that_it_missed_some(size: int, looks: list[tuple[int, int]], each: int) -> None:
    recent, made, seen, missed, found = Recent(size), 0, 0, 0, []
    for more, limit in [*looks, *[(0, 5)] * 8]:
        for _ in range(more):
            recent.add(exchange(made))
            made += 1
        news = recent.since(seen, limit, lambda one: int(one.request_id[3:]) % each == 0)
        assert len(news.calls) <= limit
        assert news.seen >= seen
        seen, missed = news.seen, missed + news.missed
        found += [int(call.request_id[3:]) for call in news.calls]
    wanted = [number for number in range(made) if number % each == 0]
    assert seen == recent.added == made
    assert found == sorted(set(found))
    assert set(found) <= set(wanted)
    assert len(wanted) - len(found) <= missed
    if not missed:
        assert found == wanted


@pytest.mark.parametrize("number", [-(10**40), -1, 0, 1, 7, 10**40])
def test_a_number_of_nobody_s_does_no_harm(number: int) -> None:
    recent = filled(9, 4)
    news = recent.since(number, 100)
    assert 0 <= news.missed <= 5
    assert news.seen == 9
    assert len(recent.page(100, number)[0]) <= 4


async def test_who_waits_is_woken_by_the_next_call() -> None:
    recent = filled(3)
    waiting = [asyncio.ensure_future(recent.wait(3, 20)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(one.done() for one in waiting)
    recent.add(exchange())
    assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [True] * 3


async def test_nobody_waits_for_what_is_there_or_longer_than_said() -> None:
    recent = filled(3)
    assert await recent.wait(2, 20)
    assert not await recent.wait(3, 0)
    assert not await recent.wait(3, 0.01)
    recent.add(exchange())
    assert await recent.wait(3, 20)


async def test_one_who_gave_up_keeps_nobody_else_from_hearing() -> None:
    recent = filled(0)
    patient, hasty = (asyncio.ensure_future(recent.wait(0, seconds)) for seconds in (20, 0.01))
    assert not await hasty
    recent.add(exchange())
    assert await asyncio.wait_for(patient, 5)


def test_another_process_is_another_run() -> None:
    assert Recent().run != Recent().run


def test_the_gateway_s_own_time_is_what_is_left() -> None:
    made = exchange()
    made.started, made.answering, made.total_seconds = 10.0, 10.5, 1.0
    made.queue_seconds, made.upstream_seconds = 0.1, 0.3
    record = as_json(made)
    assert (record["ms"], record["own_ms"], record["queue_ms"], record["upstream_ms"]) == (1000.0, 100.0, 100.0, 300.0)


def test_the_trace_s_id_is_shown() -> None:
    made = Exchange("id", "GET", "/x", 0.0, 1.0, f"00-{'4b' * 16}-{'0f' * 8}-01")
    assert as_json(made)["trace_id"] == "4b" * 16
