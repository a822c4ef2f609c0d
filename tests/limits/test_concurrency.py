"""So many calls at a time, through the real limits in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.limit_laws import LAW
from tests.support.limit_oracle import crowded
from tests.support.limit_scenes import Call, Scene, Went

ticks = st.integers(0, 96).map(lambda tick: tick / 16)
took = st.integers(0, 32).map(lambda tick: tick / 32)
calls = st.lists(
    st.builds(
        Call,
        at=ticks,
        caller=st.sampled_from("abc"),
        wait=st.just(300),
        latency=took,
        body=took,
        left=st.integers(0, 4).map(bool),
        leaves=st.none() | st.none() | took,
    ),
    min_size=1,
    max_size=40,
)


@LAW
@given(calls, st.integers(1, 4))
def test_a_place_is_never_empty_while_somebody_waits_and_never_taken_twice(calls: list[Call], places: int) -> None:
    scene = Scene(concurrency=places)
    scene.play([replace(call, at=call.at + number / 4096) for number, call in enumerate(calls)])
    assert not crowded(scene.went, places)
    for one in scene.went:
        if one.went != one.came:
            assert _freed_at(scene.went, one.went or 0.0), "it went later than it could"
    scene.assert_nothing_is_left()


def _freed_at(went: list[Went], moment: float) -> bool:
    return any(one.ended == moment for one in went)


@LAW
@given(calls, st.integers(1, 3))
def test_where_one_place_is_kept_for_ever_the_others_are_shared(calls: list[Call], places: int) -> None:
    scene = Scene(concurrency=places + 1)

    async def main() -> None:
        kept = asyncio.ensure_future(scene.make(Call(caller="stuck", latency=1e6)))
        await asyncio.sleep(0)
        await scene.all_of(calls)
        assert not kept.done()
        assert scene.used() == {("instance", "one", "concurrency"): 1}
        kept.cancel()
        await asyncio.gather(kept, return_exceptions=True)

    scene.run(main())
    assert all(one.went is not None for one in scene.all if not one.cancelled)
    assert not crowded(scene.went, places + 1)
    assert scene.used() == {}
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("places", [1, 2, 3])
def test_with_answers_that_take_what_they_took_the_time_told_is_enough(places: int) -> None:
    scene = Scene(concurrency=places)
    calls = [Call(latency=2.0) for _ in range(places)]
    scene.play([*calls, *[replace(call, at=10.0) for call in calls], Call(at=10.0), Call(at=12.0)])
    refused, again = scene.all[-2:]
    assert refused.refused is not None
    assert refused.refused.retry_after == pytest.approx(2.0)
    assert again.went == 12.0


def test_who_would_wait_too_long_by_what_answers_took_is_told_at_once() -> None:
    scene = Scene(concurrency=1)
    scene.play([Call(latency=2.0), *[Call(at=5.0, wait=5, latency=2.0) for _ in range(4)]])
    assert [one.went for one in scene.all] == [0.0, 5.0, 7.0, 9.0, None]
    refused = scene.all[-1]
    assert (refused.ended, refused.refused and refused.refused.retry_after) == (5.0, 6.0)


def test_one_caller_at_one_place_is_served_as_it_came_and_three_in_turn() -> None:
    scene = Scene(concurrency=1)
    scene.play([Call(caller=caller, wait=60, at=at / 16, latency=1.0) for at, caller in enumerate("aaaabbc")])
    assert "".join(one.call.caller for one in scene.went) == "aabcaba"


def test_a_caller_who_leaves_while_its_call_is_under_way_frees_the_place_at_once() -> None:
    scene = Scene(concurrency=1)
    scene.play([Call(latency=60.0, leaves=1.5), Call(at=1.0, wait=10)])
    assert scene.all[1].went == pytest.approx(1.5, abs=1e-9)


@pytest.mark.parametrize("usual", [None, 0.0625])
def test_who_waits_for_a_place_sleeps_until_one_is_free(usual: float | None) -> None:
    scene = Scene(concurrency=1)
    before = [Call(latency=usual)] if usual else []
    scene.play([*before, Call(at=1.0, latency=60.0), Call(at=2.0, wait=100)])
    assert scene.all[-1].went == pytest.approx(61.0, abs=1e-9)
    assert scene.loop.turns < 40


def test_what_is_under_way_shows_in_the_report_and_so_does_who_waits() -> None:
    scene = Scene(concurrency=2)

    async def main() -> None:
        playing = asyncio.gather(scene.all_of([Call(wait=60, latency=4.0) for _ in range(5)]))
        await asyncio.sleep(1)
        (row,) = scene.limits.report()
        assert (row["quota"], row["limit"], row["used"], row["remaining"], row["waiting"]) == ("concurrency", 2, 2, 0, 3)
        await playing

    scene.run(main())
    assert scene.limits.report() == []
