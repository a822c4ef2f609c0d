"""The laws of the limits in virtual time, whatever comes: never above, never far below, nothing left behind."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.limits.waiting import QueueSettings
from tests.support.limit_oracle import broken, crowded, soonest, spent_by, used
from tests.support.limit_scenes import Call, Scene, Went

LAW = settings(deadline=None, derandomize=True, max_examples=60, database=None)

ticks = st.integers(0, 160).map(lambda tick: tick / 16)
short = st.integers(0, 48).map(lambda tick: tick / 16)
windows = st.builds("{}/{}s".format, st.integers(1, 6), st.integers(1, 4))
even = st.builds("{}/{}s burst {}".format, st.integers(1, 4), st.integers(1, 3), st.integers(1, 4))
calendars = st.builds("{}/{}".format, st.integers(3, 12), st.sampled_from(["day", "month"]))
several = st.lists(windows | even | calendars, min_size=1, max_size=3, unique=True)
slid = st.lists(windows, min_size=1, max_size=3, unique=True)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/Chicago", "Asia/Kathmandu"])
# A minute or less before a midnight, a month's end, a change to and from summer time; in one or other of the zones.
walls = st.sampled_from([(2026, 3, 28, 22, 59), (2026, 3, 31, 21, 59), (2026, 10, 31, 4, 59), (2026, 11, 1, 5, 59), (2026, 5, 7, 18, 14)])


def _calls(costs: st.SearchStrategy[int], leaves: bool) -> st.SearchStrategy[list[Call]]:
    gone = st.none() | short | st.sampled_from([0.0, 1.0, 2.0, 3.0])
    one = st.builds(
        Call,
        at=ticks,
        caller=st.sampled_from("abc"),
        cost=costs,
        wait=st.sampled_from([None, 0, 1, 2, 5, 60]),
        latency=short,
        body=short,
        left=st.integers(0, 5).map(bool),
        leaves=gone if leaves else st.none(),
        octets=st.integers(0, 9),
    )
    return st.lists(one, min_size=1, max_size=40)


def assert_never_above(scene: Scene, quotas: list[str], timezone: str, places: int | None) -> None:
    spent = spent_by(scene.went)
    wrong = [broken(text, spent, scene.wall, timezone) for text in quotas]
    for caller, own in scene.own.items():
        wrong += [broken(text, spent_by(one for one in scene.went if one.call.caller == caller), scene.wall, timezone) for text in own]
    assert not any(wrong), wrong
    if places is not None:
        assert not crowded(scene.went, places)


@LAW
@given(several, st.none() | st.integers(1, 3), st.dictionaries(st.sampled_from("ab"), slid.map(tuple)), zones, walls,
       _calls(st.integers(1, 3), leaves=True))  # fmt: skip
def test_no_window_no_calendar_period_and_no_number_of_places_is_ever_exceeded(
    quotas: list[str], places: int | None, own: dict[str, tuple[str, ...]], timezone: str, wall: tuple[int, ...], calls: list[Call]
) -> None:
    at = datetime(*wall, 50, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]
    scene = Scene(*quotas, concurrency=places, own=own, timezone=timezone, batch="c", wall=at)

    scene.play(calls)

    assert_never_above(scene, quotas, timezone, places)
    scene.assert_nothing_is_left()


@LAW
@given(slid, slid.map(tuple), _calls(st.integers(1, 3), leaves=True))
def test_what_was_refused_gone_or_never_sent_has_spent_in_no_budget(quotas: list[str], own: tuple[str, ...], calls: list[Call]) -> None:
    scene = Scene(*quotas, own={"a": own})

    async def main() -> None:
        playing = asyncio.ensure_future(scene.all_of([_told_of_at_once(call) for call in calls]))
        while not playing.done():
            await asyncio.sleep(0.46875)  # between the ticks: who is under way has left, or is counted all the same
            assert_report_is_right(scene, quotas, own)
        await playing

    scene.run(main())
    assert_report_is_right(scene, quotas, own)


def _told_of_at_once(call: Call) -> Call:
    """All answers begin at once: nothing is held longer for having been slow."""
    return Call(call.at, call.caller, call.cost, call.wait, 0.0, call.body, call.left, call.leaves)


def assert_report_is_right(scene: Scene, quotas: list[str], own: tuple[str, ...]) -> None:
    now = scene.loop.time()
    mine = [one for one in scene.went if one.call.caller == "a"]
    right = {("instance", "one", text): used(text, spent_by(scene.went), now) for text in quotas}
    right |= {("caller", "a", text): used(text, spent_by(mine), now) for text in own}
    assert scene.used() == {budget: number for budget, number in right.items() if number}


@LAW
@given(slid | st.lists(even, min_size=1, max_size=1), st.none() | st.integers(1, 4), st.sampled_from([0.0, 0.0625, 0.5, 2.0]))
def test_while_there_is_demand_every_call_goes_as_soon_as_it_may(quotas: list[str], places: int | None, latency: float) -> None:
    scene, calls = Scene(*quotas, concurrency=places), 80

    scene.run(_demand(scene, calls, [latency] * calls, 8 + round(8 * latency)))

    times = sorted(one.went or 0.0 for one in scene.went)
    assert times == pytest.approx(soonest(quotas, calls, latency, places), abs=0.001)


@LAW
@given(slid, st.lists(st.integers(0, 32).map(lambda tick: tick / 64), min_size=80, max_size=80))
def test_answers_of_uneven_latency_cost_no_more_than_a_hundredth(quotas: list[str], latencies: list[float]) -> None:
    scene, calls = Scene(*quotas), len(latencies)

    scene.run(_demand(scene, calls, latencies, 16))

    assert_never_above(scene, quotas, "UTC", None)
    times = sorted(one.went or 0.0 for one in scene.went)
    for went, optimum in zip(times, soonest(quotas, calls), strict=True):
        assert went * 0.99 <= optimum + 0.001


async def _demand(scene: Scene, calls: int, latencies: list[float], workers: int) -> None:
    """``calls`` calls by callers of whom some always wait, and who come again once answered."""
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            went = await scene.make(Call(wait=300, latency=latencies[number], caller=f"{number % 3}"))
            assert went.refused is None

    await asyncio.gather(*[work() for _ in range(workers)])


@LAW
@given(several, st.none() | st.integers(1, 3), _calls(st.integers(1, 3), leaves=True), st.integers(1, 6))
def test_when_all_is_over_nothing_is_left_however_they_left(quotas: list[str], places: int | None, calls: list[Call], queue: int) -> None:
    scene = Scene(*quotas, concurrency=places, own={"b": ("1/3s",)}, batch="c", queue=QueueSettings(queue, 30))

    async def main() -> None:
        await scene.all_of(calls)
        for _ in range(3):
            await asyncio.sleep(0)  # whoever served has seen that nobody waits
        scene.assert_nothing_is_left()
        scene.loop.now += 40 * 86400.0
        assert scene.limits.report() == []

    scene.run(main())


@LAW
@given(windows, st.lists(st.tuples(ticks, short), min_size=2, max_size=30))
def test_who_leaves_in_the_very_moment_of_being_let_go_gives_it_back(quota: str, times: list[tuple[float, float]]) -> None:
    """Every call's caller leaves just when the first budget opens again, or a little before or after."""
    period = int(quota.partition("/")[2].rstrip("s"))
    rush = [Call(at=0.0, wait=60, latency=0.0) for _ in range(6)]
    leavers = [Call(at=at / 16, wait=60, leaves=period - at / 16 + (after - 1.5) / 1024, left=False) for at, after in times]
    scene = Scene(quota)

    scene.play([*rush, *leavers])

    times_of_rush = [one.went for one in scene.all if one.call.left]
    assert times_of_rush == pytest.approx(soonest([quota], 6), abs=0.002)
    scene.assert_nothing_is_left()


@LAW
@given(_calls(st.integers(1, 2), leaves=True), st.integers(1, 5), st.integers(5, 30))
def test_never_more_wait_than_there_are_places(calls: list[Call], places: int, octets: int) -> None:
    scene = Scene("1/4s", batch="c", queue=QueueSettings(places, octets))
    seen: list[tuple[int, int]] = []

    async def main() -> None:
        playing = asyncio.ensure_future(scene.all_of(calls))
        while not playing.done():
            seen.append((sum(scene.limits.waiting().values()), _octets_waiting(scene)))
            await asyncio.sleep(1 / 32)

    scene.run(main())
    assert all(waiting <= places and held <= octets for waiting, held in seen)


def _octets_waiting(scene: Scene) -> int:
    return sum(one.call.octets for one in scene.all if one.went is None and one.ended > scene.loop.time())


def test_the_gauge_counts_who_waits() -> None:
    scene = Scene("1/4s")

    async def main() -> None:
        playing = asyncio.ensure_future(scene.all_of([Call(wait=60) for _ in range(5)]))
        counts = []
        for _ in range(5):
            await asyncio.sleep(3.5)
            counts.append(scene.limits.waiting().get(("dev", "hubspot"), 0))
        await playing
        assert counts == [4, 3, 2, 1, 0]

    scene.run(main())
