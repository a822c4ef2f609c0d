"""What a provider's refusal teaches, through the real limits in virtual time: closed as long as told, then opened carefully."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.limit_laws import LAW
from tests.support.limit_oracle import broken, spent_by
from tests.support.limit_scenes import NOON, Call, Scene, Went

told = st.integers(1, 4000).map(lambda tick: tick / 16)
MILLISECOND = 0.001


def signal(scene: Scene, left_at: float, seconds: float | None, *, until_midnight: bool = False) -> None:
    """The provider refused a call that left at ``left_at``."""
    scene.limits.refused(scene.target(Call()), left_at, seconds, "Retry-After", until_midnight=until_midnight)


def learned(scene: Scene) -> dict[str, object] | None:
    (row,) = scene.limits.report()
    return row["learned"]  # type: ignore[no-any-return]


async def after_some_traffic(scene: Scene, pace: int, seconds: int = 10) -> None:
    """``pace`` calls a second, evenly, for so long that the budget knows its pace."""
    for _ in range(pace * seconds):
        assert await scene.refusal(Call(latency=0.0)) is None
        await asyncio.sleep(1 / pace)


@LAW
@given(st.sampled_from(["1000/1s", "5/2s", "3/1s burst 2"]), told)
def test_a_gate_is_closed_exactly_as_long_as_told(quota: str, seconds: float) -> None:
    scene = Scene(quota)

    async def main() -> None:
        await scene.make(Call())
        closed_at = scene.loop.time()
        signal(scene, closed_at - 0.125, seconds)
        assert await scene.refusal(Call()) == pytest.approx(seconds)
        await scene.loop.sleep_until(closed_at + seconds - MILLISECOND)
        assert await scene.refusal(Call()) is not None
        await scene.loop.sleep_until(closed_at + seconds)
        assert await scene.refusal(Call()) is None

    scene.run(main())


@LAW
@given(st.integers(1, 40), told.filter(lambda seconds: seconds > 1), st.integers(1, 80))
def test_it_opens_to_half_the_pace_and_to_a_twentieth_more_each_second(pace: int, closed_s: float, calls: int) -> None:
    scene = Scene("100000/1s")

    async def main() -> None:
        await after_some_traffic(scene, pace)
        now = scene.loop.time()
        signal(scene, now, closed_s)
        opens = now + closed_s
        went = await scene.all_of([Call(at=now - scene.begin, wait=300, latency=0.0) for _ in range(calls)])
        assert all(one.went is not None and one.went >= opens for one in went)
        times = sorted(one.went or 0.0 for one in went)
        assert times[0] == pytest.approx(opens, abs=MILLISECOND)
        for earlier, later in pairwise(times):
            at_pace = min(max(0.2, pace / 2) + (earlier - opens) * pace / 20, pace)
            assert later - earlier >= 1 / at_pace - MILLISECOND or earlier >= opens + 10
            assert later - earlier <= 1 / at_pace + 2 * MILLISECOND

    scene.run(main())


def test_after_the_old_pace_is_reached_the_gate_is_forgotten() -> None:
    scene = Scene("100000/1s")

    async def main() -> None:
        await after_some_traffic(scene, 8)
        signal(scene, scene.loop.time(), 4.0)
        assert learned(scene) == {"state": "closed", "seconds": 4.0, "pace": 4.0, "refusals": 1, "source": "Retry-After"}
        await asyncio.sleep(5)
        assert learned(scene) == {"state": "reopening", "seconds": 0.0, "pace": 4.4, "refusals": 1, "source": "Retry-After"}
        await asyncio.sleep(9)
        assert scene.limits.report() == []
        assert scene.limits.gates() == {}
        assert [await scene.refusal(Call()) for _ in range(50)] == [None] * 50

    scene.run(main())


@LAW
@given(st.integers(1, 20), st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_while_it_opens_waiting_as_long_as_told_is_enough_for_whatever_it_costs(pace: int, costs: list[int]) -> None:
    scene = Scene("100000/1s")

    async def main() -> None:
        await after_some_traffic(scene, pace)
        signal(scene, scene.loop.time(), 2.0)
        for cost in costs:
            retry_after = await scene.refusal(Call(cost=cost))
            if retry_after is not None:
                await asyncio.sleep(retry_after)
                assert await scene.refusal(Call(cost=cost)) is None

    scene.run(main())


@LAW
@given(st.integers(4, 40), st.integers(0, 60).map(lambda tick: tick / 8))
def test_a_second_signal_while_it_opens_halves_the_pace_reached(pace: int, after: float) -> None:
    scene = Scene("100000/1s")

    async def main() -> None:
        await after_some_traffic(scene, pace)
        signal(scene, scene.loop.time(), 2.0)
        await asyncio.sleep(2.0 + after)
        (before,) = [row["learned"]["pace"] for row in scene.limits.report()]
        now = scene.loop.time()
        signal(scene, now, 2.0)
        assert learned(scene) == {
            "state": "closed",
            "seconds": 2.0,
            "pace": pytest.approx(max(0.2, before / 2), abs=0.002),
            "refusals": 2,
            "source": "Retry-After",
        }

    scene.run(main())


@LAW
@given(st.lists(st.integers(0, 64).map(lambda tick: tick / 16), max_size=20), told)
def test_calls_that_had_left_before_it_closed_teach_nothing(before: list[float], seconds: float) -> None:
    scene = Scene("100000/1s")

    async def main() -> None:
        await after_some_traffic(scene, 8)
        now = scene.loop.time()
        signal(scene, now, seconds)
        first = learned(scene)
        for ago in before:
            signal(scene, now - ago, None)  # each would have closed it anew, and for longer
            signal(scene, now - ago, 1 / 16)
        assert first is not None
        later = learned(scene)
        assert later is not None
        assert (later["state"], later["pace"]) == (first["state"], first["pace"])
        assert later["refusals"] == 1 + 2 * len(before)
        assert later["seconds"] == pytest.approx(max(seconds, 1.0) if before else seconds, abs=MILLISECOND)

    scene.run(main())


@pytest.mark.parametrize("pace", [0, 1, 16])
def test_where_nobody_says_how_long_each_refusal_that_comes_in_spite_of_it_doubles_the_while(pace: int) -> None:
    """A provider that refuses everything for minutes: as soon as a call may leave it does, and is refused."""
    scene = Scene("100000/1s")

    async def main() -> list[float]:
        await after_some_traffic(scene, pace)
        whiles = []
        for _ in range(6):
            signal(scene, scene.loop.time(), None)
            (closed_s,) = [row["learned"]["seconds"] for row in scene.limits.report()]
            whiles.append(closed_s)
            await scene.make(Call(wait=300, latency=0.0))
        return whiles

    assert scene.run(main()) == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])


def test_an_element_without_limits_learns_too() -> None:
    scene = Scene()

    async def main() -> None:
        assert await scene.refusal(Call()) is None
        signal(scene, scene.loop.time(), 7.5)
        assert await scene.refusal(Call()) == 7.5
        assert await scene.refusal(Call(handle="other")) is None
        assert scene.limits.gates() == {("dev", "hubspot"): 2}
        await asyncio.sleep(7.5)
        assert await scene.refusal(Call()) is None
        assert 0 < (await scene.refusal(Call()) or 0) <= 0.201, "nobody knows its pace: it opens at five a second"
        assert scene.limits.gates() == {("dev", "hubspot"): 1}
        await asyncio.sleep(30)
        assert [await scene.refusal(Call()) for _ in range(5)] == [None] * 5

    scene.run(main())
    assert scene.limits.report() == []


@LAW
@given(st.lists(st.sampled_from("aabc"), min_size=2, max_size=20), st.integers(2, 200), st.integers(1, 4))
def test_who_waits_when_it_closes_goes_when_it_opens_and_in_order(callers: list[str], seconds: int, limit: int) -> None:
    scene = Scene(f"{limit}/1s")

    async def main() -> list[Went]:
        playing = asyncio.gather(
            *[scene.come(Call(at=0.25 + number / 64, caller=caller, wait=300)) for number, caller in enumerate(callers)]
        )
        await scene.make(Call(latency=0.0, cost=limit))
        await asyncio.sleep(0.875)
        gone = [one for one in scene.all if one.went is not None]
        assert len(gone) == 1
        signal(scene, 0.0, float(seconds))
        await playing
        return scene.went[1:]

    went = scene.run(main())
    assert len(went) == len(callers)
    assert went[0].went == pytest.approx(0.875 + seconds, abs=MILLISECOND)
    assert not broken(f"{limit}/1s", spent_by(scene.went))
    for caller in "abc":
        mine = [one.came for one in went if one.call.caller == caller]
        assert mine == sorted(mine)
    scene.assert_nothing_is_left()


@LAW
@given(st.integers(1, 20), st.integers(0, 200), st.integers(0, 40))
def test_who_is_refused_at_once_would_not_have_gone_before_its_time_was_up(pace: int, waiting: int, wait: int) -> None:
    """While a gate opens, too: the pace grows as those who wait before it go."""

    def becomes_of(last: Call) -> Went:
        scene = Scene("100000/1s")

        async def main() -> Went:
            await after_some_traffic(scene, pace)
            signal(scene, scene.loop.time(), 2.0)
            now = scene.loop.time() - scene.begin
            *_, went = await scene.all_of([*[Call(at=now, wait=300, latency=0.0) for _ in range(waiting)], last])
            return went

        return scene.run(main())

    last = Call(at=10.015625, latency=0.0, wait=wait)
    went, patient = becomes_of(last), becomes_of(replace(last, wait=300))
    if went.refused is not None and went.ended == went.came:
        assert patient.went is not None
        assert patient.went - patient.came > wait


def test_who_could_not_wait_until_it_opens_is_refused_at_once_and_who_waits_already_when_its_time_is_up() -> None:
    scene = Scene("1/2s")

    async def main() -> None:
        playing = asyncio.gather(*[scene.make(Call(wait=5, caller=caller)) for caller in "ab"])
        await asyncio.sleep(0.5)
        signal(scene, 0.0, 60.0)
        late = await scene.make(Call(wait=30))
        assert late.refused is not None
        assert (late.refused.retry_after or 0.0) >= 60.0
        await playing

    scene.run(main())
    refused = scene.all[1]
    assert refused.refused is not None
    assert refused.ended == pytest.approx(5.0, abs=0.01)
    assert refused.refused.retry_after == pytest.approx(60.5 - refused.ended)
    scene.assert_nothing_is_left()


@LAW
@given(st.sampled_from(["UTC", "Europe/Berlin", "America/Chicago", "Asia/Kathmandu"]), st.integers(0, 200), st.integers(0, 1439))
def test_a_daily_signal_closes_until_midnight_of_the_time_zone(zone: str, day: int, minute: int) -> None:
    scene = Scene("100000/day", timezone=zone, wall=NOON + day * 86400.0 + minute * 60.0)

    async def main() -> None:
        await scene.make(Call(latency=0.0))
        signal(scene, scene.loop.time(), None, until_midnight=True)
        retry_after = await scene.refusal(Call())
        assert retry_after is not None
        opens = datetime.fromtimestamp(scene.wall + scene.loop.time() + retry_after, ZoneInfo(zone))
        assert (opens.hour, opens.minute, opens.second, opens.microsecond) == (0, 0, 0, 0)
        assert retry_after <= 25 * 3600
        assert learned(scene) is not None

    scene.run(main())


def test_a_signal_of_the_platform_s_own_calls_teaches_nothing() -> None:
    scene = Scene("5/1s")

    async def main() -> None:
        where = scene.target(Call())
        where.instance = None
        scene.limits.refused(where, 0.0, 60.0, "Retry-After")

    scene.run(main())
    assert scene.limits.report() == []
