"""Calls that cost more than one, and calls that turn out to have cost nothing, through the real limits in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.limit_laws import LAW
from tests.support.limit_oracle import broken, spent_by
from tests.support.limit_scenes import MOST, Call, Scene

ticks = st.integers(0, 96).map(lambda tick: tick / 16)
costs = st.integers(1, MOST)
roomy = st.builds("{}/{}s".format, st.integers(MOST, 12), st.integers(1, 4))
tight = st.builds("{}/{}s".format, st.integers(1, 12), st.integers(1, 4))
even = st.builds("{}/{}s burst {}".format, st.integers(1, 4), st.integers(1, 3), st.integers(1, 12))
MILLISECOND = 0.001


@LAW
@given(st.lists(tight | even, min_size=1, max_size=3, unique=True), st.lists(roomy, max_size=2, unique=True).map(tuple),
       st.lists(st.tuples(ticks, costs), min_size=1, max_size=30), costs)  # fmt: skip
def test_waiting_as_long_as_told_is_enough_for_whatever_it_costs(
    quotas: list[str], own: tuple[str, ...], history: list[tuple[float, int]], cost: int
) -> None:
    scene = Scene(*quotas, own={"a": own})

    async def main() -> None:
        for gap, before in history:
            await asyncio.sleep(gap / 8)
            await scene.refusal(Call(cost=before))
            told_at = scene.loop.time()
            retry_after = await scene.refusal(Call(cost=cost))
            if retry_after is None:
                continue
            if retry_after > MILLISECOND:
                await scene.loop.sleep_until(told_at + retry_after - MILLISECOND)
                assert await scene.refusal(Call(cost=cost)) == pytest.approx(MILLISECOND, abs=1e-6)
            await scene.loop.sleep_until(told_at + retry_after)
            assert await scene.refusal(Call(cost=cost)) is None

    scene.run(main())
    assert not any(broken(text, spent_by(scene.went)) for text in [*quotas, *own])


@LAW
@given(st.lists(tight | even, min_size=1, max_size=3, unique=True), st.lists(roomy, max_size=2, unique=True).map(tuple),
       st.lists(st.tuples(ticks, costs), min_size=1, max_size=40))  # fmt: skip
def test_who_is_refused_changes_nothing_that_is_reported(quotas: list[str], own: tuple[str, ...], history: list[tuple[float, int]]) -> None:
    scene = Scene(*quotas, concurrency=2, own={"a": own})

    async def main() -> None:
        for gap, cost in history:
            await asyncio.sleep(gap / 8)
            before = scene.used()
            if await scene.refusal(Call(cost=cost)) is not None:
                assert scene.used() == before

    scene.run(main())


@LAW
@given(tight | even, st.lists(st.builds(Call, at=ticks, cost=costs, caller=st.sampled_from("ab"), wait=st.just(300)), max_size=30))
def test_whoever_waits_long_enough_goes_whatever_the_others_cost(quota: str, calls: list[Call]) -> None:
    scene = Scene(quota)
    went = scene.play(calls)
    assert all(one.went is not None for one in went if one.ended != one.came)
    assert not broken(quota, spent_by(scene.went))


@pytest.mark.parametrize("own", ["2/1s", "2/1s burst 2", "2/day"])
def test_a_call_that_costs_more_than_its_caller_may_spend_at_once_takes_all_of_it(own: str) -> None:
    scene = Scene("9/1s", own={"a": (own,)})
    scene.play([Call(cost=3), Call(at=30.0, cost=1)])
    assert scene.all[0].refused is None, "it can never go: no time that it is told will do"
    assert scene.all[0].went == 0.0


@pytest.mark.parametrize("quota", ["2/1s", "2/1s burst 2", "2/day"])
def test_a_call_that_costs_more_than_its_element_allows_at_once_takes_all_of_it(quota: str) -> None:
    scene = Scene(quota)
    scene.play([Call(cost=3), Call(at=0.25)])
    assert [one.went for one in scene.all] == [0.0, None]


def test_a_caller_whose_calls_cost_more_goes_less_often() -> None:
    scene = Scene("3/1s")
    scene.play([Call(cost=3), *[Call(caller=caller, cost=cost, wait=300) for _ in range(8) for caller, cost in (("a", 3), ("b", 1))]])
    order = "".join(one.call.caller for one in scene.went[1:])
    assert order[:8] == "bbabbbab"


# From rest, calls at these times, each of which turns out, after so long, to have left or not.
moments = st.lists(st.tuples(st.integers(0, 16).map(lambda tick: tick / 16), st.booleans(), st.integers(1, 16)), min_size=2, max_size=12)


@LAW
@given(st.builds("{}/{}s burst {}".format, st.integers(1, 2), st.integers(1, 3), st.integers(2, 4)), moments)
def test_what_never_left_does_not_make_room_for_more_than_an_even_quota_allows(quota: str, times: list[tuple[float, bool, int]]) -> None:
    scene = Scene(quota)
    scene.play([Call(at=at, wait=300, left=left, latency=0.0 if left else took / 16) for at, left, took in times])
    assert not broken(quota, spent_by(scene.went))


@LAW
@given(tight, moments)
def test_what_never_left_has_cost_a_window_nothing(quota: str, times: list[tuple[float, bool, int]]) -> None:
    scene = Scene(quota)
    scene.play([Call(at=at / 4, left=False, latency=0.0625) for at, _, _ in times])

    assert scene.used() == {}
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("quota", ["2/1s burst 1", "1/4s", "1/day"])
def test_what_never_left_opens_the_way_for_who_waits(quota: str) -> None:
    scene = Scene(quota)
    scene.play([Call(left=False, latency=0.125), Call(caller="b", wait=300, latency=0.0)] if quota != "1/day" else
               [Call(left=False, latency=0.125), Call(at=0.25, caller="b", latency=0.0)])  # fmt: skip
    assert scene.all[1].went == (0.125 if quota != "1/day" else 0.25)
