"""The laws of the limits in virtual time, whatever comes: never above, never far below, nothing left behind."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.waiting import QueueSettings
from tests.support.limit_laws import LAW
from tests.support.limit_oracle import broken, crowded, soonest, spent_by, used
from tests.support.limit_scenes import Call, Scene

ticks = st.integers(0, 160).map(lambda tick: tick / 16)
short = st.integers(0, 48).map(lambda tick: tick / 16)
windows = st.builds("{}/{}s".format, st.integers(1, 6), st.integers(1, 4))
even = st.builds("{}/{}s burst {}".format, st.integers(1, 4), st.integers(1, 3), st.integers(1, 4))
calendars = st.builds("{}/{}".format, st.integers(3, 9), st.sampled_from(["day", "month"]))
several = st.lists(windows | even | calendars, min_size=1, max_size=3, unique=True)
own_windows = st.builds("{}/{}s".format, st.integers(3, 6), st.integers(1, 6))  # room for the dearest call
owns = st.lists(own_windows, min_size=1, max_size=2, unique=True).map(tuple)
slid = st.lists(windows, min_size=1, max_size=3, unique=True)
# Five seconds before a midnight: of a day with a change to or from summer time, of a month's end, of a zone with an odd offset.
midnights = st.sampled_from(
    [
        ("UTC", datetime(2026, 2, 28, 23, 59, 55, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 3, 28, 22, 59, 55, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 3, 31, 21, 59, 55, tzinfo=UTC)),
        ("America/Chicago", datetime(2026, 11, 1, 4, 59, 55, tzinfo=UTC)),
        ("America/Chicago", datetime(2026, 11, 2, 5, 59, 55, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 5, 7, 18, 14, 55, tzinfo=UTC)),
    ]
)


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
@given(several, st.none() | st.integers(1, 3), st.dictionaries(st.sampled_from("ab"), owns), midnights,
       _calls(st.integers(1, 3), leaves=True))  # fmt: skip
def test_no_window_no_calendar_period_and_no_number_of_places_is_ever_exceeded(
    quotas: list[str], places: int | None, own: dict[str, tuple[str, ...]], midnight: tuple[str, datetime], calls: list[Call]
) -> None:
    timezone, before = midnight
    scene = Scene(*quotas, concurrency=places, own=own, timezone=timezone, batch="c", wall=before.timestamp())

    scene.play(calls)

    assert_never_above(scene, quotas, timezone, places)
    scene.assert_nothing_is_left()


@LAW
@given(slid, owns, _calls(st.integers(1, 3), leaves=True))
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
    optimum = soonest(quotas, calls, latency, places)
    if not latency:
        assert times == pytest.approx(optimum, abs=0.001)
    # Each call counts until it was answered, at most a hundredth of the period longer.
    assert all(best - 0.001 <= went <= best / 0.99 + 0.001 for went, best in zip(times, optimum, strict=True))


@LAW
@given(slid, st.lists(st.integers(0, 32).map(lambda tick: tick / 64), min_size=80, max_size=80))
def test_answers_of_uneven_latency_cost_no_more_than_a_hundredth(quotas: list[str], latencies: list[float]) -> None:
    scene, calls = Scene(*quotas), len(latencies)

    scene.run(_demand(scene, calls, latencies, 16))

    assert_never_above(scene, quotas, "UTC", None)
    times = sorted(one.went or 0.0 for one in scene.went)
    for went, optimum in zip(times, soonest(quotas, calls), strict=True):
        assert went * 0.99 <= optimum + 0.001


@LAW
@given(st.integers(1, 6), st.lists(st.integers(0, 64).map(lambda tick: tick / 6400), min_size=40, max_size=40))
def test_what_the_provider_counts_when_it_answers_is_within_its_window_too(limit: int, jitter: list[float]) -> None:
    """As long as they take no more than a hundredth of the period."""
    scene = Scene(f"{limit}/1s")

    scene.run(_demand(scene, len(jitter), jitter, 2 * limit))

    counted = sorted((one.went or 0.0) + one.call.latency for one in scene.went)
    for earlier, later in zip(counted, counted[limit:], strict=False):
        assert later - earlier >= 1 - 1e-9


@LAW
@given(
    midnights, st.integers(1, 9), st.sampled_from(["day", "month"]), st.lists(st.integers(0, 79).map(lambda tick: tick / 16), min_size=1)
)
def test_what_is_too_much_for_a_day_goes_at_midnight(midnight: tuple[str, datetime], limit: int, period: str, times: list[float]) -> None:
    timezone, before = midnight
    ends = (
        period == "day"
        or before.astimezone(ZoneInfo(timezone)).month != (before + timedelta(seconds=5)).astimezone(ZoneInfo(timezone)).month
    )
    scene = Scene(f"{limit}/{period}", timezone=timezone, wall=before.timestamp())

    went = scene.play([Call(at=at, wait=60) for at in times])

    at_once = [one for one in went if one.went == one.came]
    at_midnight = [one for one in went if one.went == pytest.approx(5.0, abs=0.001)]
    assert len(at_once) == min(len(times), limit)
    assert len(at_midnight) == (min(len(times) - len(at_once), limit) if ends else 0)
    assert all(one.ended == one.came for one in went if one.went is None)


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
@given(windows, st.lists(st.tuples(st.integers(1, 15), st.integers(0, 6), st.sampled_from([0, 0, -1, 1])), min_size=2, max_size=20))
def test_who_leaves_in_the_very_moment_of_being_let_go_gives_it_back(quota: str, leavers: list[tuple[int, int, int]]) -> None:
    """Callers who leave just when the budget opens again, so many turns of the loop after, or a millisecond before or after."""
    period = float(quota.partition("/")[2].rstrip("s"))
    scene = Scene(quota)
    first = [Call(cost=scene.most, latency=0.0)]
    gone = [
        Call(
            at=tick / 16, wait=300, leaves=period - tick / 16 + beside / 1024, turns=turns, latency=1.0, left=False, caller=f"{number % 3}"
        )
        for number, (tick, turns, beside) in enumerate(leavers)
    ]
    rest = [Call(at=0.96875, caller="rest", wait=300, latency=0.0) for _ in range(6)]

    scene.play([*first, *gone, *rest])

    times = [one.went for one in scene.all if one.call.caller == "rest"]
    assert times == pytest.approx([period + moment for moment in soonest([quota], 6)], abs=0.003)
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("turns", range(8))
def test_who_waits_behind_one_who_leaves_just_then_goes_at_once(turns: int) -> None:
    scene = Scene("1/4s")
    leaver = Call(at=1.0, wait=60, leaves=3.0, turns=turns, latency=1.0, left=False)
    scene.play([Call(), leaver, Call(at=2.0, wait=60, caller="b")])
    assert scene.all[-1].went == pytest.approx(4.0, abs=0.001)


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

    async def counted() -> list[int]:
        counts = []
        for _ in range(5):
            await asyncio.sleep(3.5)
            counts.append(scene.limits.waiting().get(("dev", "hubspot"), 0))
        return counts

    async def main() -> None:
        _, counts = await asyncio.gather(scene.all_of([Call(wait=60) for _ in range(5)]), counted())
        assert counts == [4, 3, 2, 1, 0]

    scene.run(main())
