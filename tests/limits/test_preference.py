"""``Prefer: wait`` through the real limits in virtual time: who is let into the line, what a refusal promises, what shadow lets pass."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.waiting import QueueSettings
from tests.support.limit_laws import LAW
from tests.support.limit_scenes import Call, Scene, Went

ticks = st.integers(0, 160).map(lambda tick: tick / 16)
any_time = st.floats(0, 10, allow_nan=False)
windows = st.builds("{}/{}s".format, st.integers(1, 6), st.integers(1, 4))
even = st.builds("{}/{}s burst {}".format, st.integers(1, 4), st.integers(1, 3), st.integers(1, 4))
calendars = st.builds("{}/{}".format, st.integers(1, 9), st.sampled_from(["day", "month"]))
MILLISECOND = 0.001
WALL_GRAIN = 1e-6  # seconds since 1970 are no finer in a float


@LAW
@given(
    st.lists(windows | even | calendars, min_size=1, max_size=3, unique=True),
    st.lists(windows, max_size=2, unique=True).map(tuple),
    st.lists(st.tuples(any_time, st.integers(0, 5).map(bool)), min_size=1, max_size=30),
    st.floats(0, 1e6),
)
def test_waiting_as_long_as_told_is_enough_and_a_millisecond_less_is_not(
    quotas: list[str], own: tuple[str, ...], history: list[tuple[float, bool]], begin: float
) -> None:
    scene = Scene(*quotas, own={"a": own}, begin=begin)
    grain = WALL_GRAIN if any(text.endswith(("day", "month")) for text in quotas) else 0.0

    async def main() -> None:
        for gap, left in history:
            await asyncio.sleep(gap / 8)
            told_at = scene.loop.time()
            retry_after = await scene.refusal(Call(left=left))
            if retry_after is None:
                continue
            assert retry_after > 0
            if retry_after > MILLISECOND + grain:
                await scene.loop.sleep_until(told_at + retry_after - MILLISECOND)
                again = await scene.refusal(Call())
                assert again == pytest.approx(MILLISECOND, abs=grain + 1e-6)
            await scene.loop.sleep_until(told_at + retry_after + grain)
            assert await scene.refusal(Call(left=left)) is None

    scene.run(main())


def plans(callers: str, most: int = 30) -> st.SearchStrategy[list[Call]]:
    """Calls that wait as long as it takes, that come within a second or so."""
    one = st.builds(Call, at=ticks.map(lambda at: at / 8), caller=st.sampled_from(callers), wait=st.just(300), latency=st.just(0.0))
    return st.lists(one, min_size=1, max_size=most)


def the_last(quota: str, calls: list[Call], last: Call) -> Went:
    """What becomes of ``last`` among ``calls``, after whom nobody comes."""
    scene = Scene(quota, batch="yz")
    return scene.play([*calls, last])[-1]


@LAW
@given(st.builds("{}/{}s".format, st.integers(1, 3), st.integers(1, 3)), plans("abyz"), st.sampled_from("abcyz"), st.integers(0, 20))
def test_who_is_refused_at_once_would_not_have_gone_in_time_and_who_is_let_in_does(
    quota: str, calls: list[Call], caller: str, wait: int
) -> None:
    last = Call(max(call.at for call in calls) + 1 / 64, caller, wait=wait, latency=0.0)
    patient = the_last(quota, calls, replace(last, wait=300))
    assert patient.went is not None
    needed = patient.went - patient.came

    went = the_last(quota, calls, last)

    assert went.came == patient.came
    if went.refused is not None:
        assert went.ended == went.came, "it was let in, and waited for nothing"
        assert needed > wait
    else:
        assert went.went == patient.went
        assert needed <= wait + MILLISECOND


@LAW
@given(windows, plans("a"), st.integers(0, 5))
def test_behind_others_of_its_own_a_refusal_is_exact(quota: str, calls: list[Call], wait: int) -> None:
    """One caller alone: told to come again in so many seconds, it would have gone then, had it waited."""
    last = Call(max(call.at for call in calls) + 1 / 64, "a", wait=wait, latency=0.0)
    went = the_last(quota, calls, last)
    if went.refused is not None:
        patient = the_last(quota, calls, replace(last, wait=300))
        assert patient.went is not None
        assert went.refused.retry_after == pytest.approx(patient.went - patient.came, abs=MILLISECOND)


@LAW
@given(windows, plans("ab", most=20), st.sampled_from("abc"))
def test_who_comes_again_when_told_goes_if_nobody_else_has_come(quota: str, calls: list[Call], caller: str) -> None:
    scene = Scene(quota)

    async def main() -> None:
        playing = asyncio.gather(*[scene.come(call) for call in calls])
        await scene.loop.sleep_until(max(call.at for call in calls) + 1 / 64)
        retry_after = await scene.refusal(Call(caller=caller))
        if retry_after is not None:
            await asyncio.sleep(retry_after + MILLISECOND)
            assert await scene.refusal(Call(caller=caller)) is None
        await playing

    scene.run(main())


@pytest.mark.xfail(reason="while anybody waits for a budget, who would not wait is refused: nothing keeps a turn for it")
def test_a_caller_who_would_not_wait_is_not_starved_by_one_who_does() -> None:
    """It comes again each time it was told to, and another caller's calls wait all the time: it goes, at one time or other."""
    scene = Scene("1/1s")

    async def asking() -> int:
        for number in range(12):
            retry_after = await scene.refusal(Call(caller="b"))
            if retry_after is None:
                return number
            await asyncio.sleep(retry_after)
        return 12

    async def main() -> None:
        noise = [Call(at=max(0, number - 4), caller="noisy", wait=300) for number in range(100)]
        playing = asyncio.ensure_future(scene.all_of(noise))
        await asyncio.sleep(0.5)
        assert await asking() < 12
        await playing

    scene.run(main())


def test_a_call_whose_time_is_up_just_when_it_may_go_goes() -> None:
    scene = Scene("1/10s")
    scene.play([Call(), Call(wait=10)])
    assert [one.went for one in scene.all] == [0.0, 10.0]


@pytest.mark.parametrize(
    ("wait", "element", "longest", "applied", "went"),
    [
        (None, 0.0, 300.0, "", None),
        (None, 5.0, 300.0, "", 4.0),
        (None, 3.0, 300.0, "", None),
        (0, 5.0, 300.0, "wait=0", None),
        (5, 0.0, 300.0, "wait=5", 4.0),
        (3, 5.0, 300.0, "wait=3", None),
        (900, 0.0, 5.0, "wait=5", 4.0),
        (900, 0.0, 3.0, "wait=3", None),
    ],
)
def test_what_a_call_says_counts_before_what_its_element_says(
    wait: int | None, element: float, longest: float, applied: str, went: float | None
) -> None:
    scene = Scene("1/4s", wait_s=element, queue=QueueSettings(longest_s=longest))
    _, call = scene.play([Call(), Call(wait=wait)])
    assert call.went == pytest.approx(went, abs=MILLISECOND)
    assert call.exchange.preference == applied
    assert call.exchange.queue_seconds == pytest.approx(went or 0.0, abs=MILLISECOND)
    assert call.exchange.limited == ("rejected" if went is None else "queued")


def test_who_has_waited_is_refused_with_what_it_would_have_taken_more() -> None:
    scene = Scene("9/1s", concurrency=1)
    slow = [Call(latency=0.5), Call(at=1.0, latency=10.0), Call(at=2.0, wait=3)]
    waited = scene.play(slow)[-1]
    assert waited.refused is not None
    assert waited.ended == pytest.approx(5.0, abs=0.01)
    assert waited.exchange.queue_seconds == pytest.approx(3.0, abs=0.01)
    assert waited.exchange.decisions[-1][:2] == ("limits", "refused")
    assert waited.exchange.decisions[-1][2].endswith("the call waited 3.0 s")


@LAW
@given(
    st.lists(windows | even, min_size=1, max_size=2, unique=True),
    st.none() | st.integers(1, 2),
    st.lists(
        st.builds(Call, at=ticks, cost=st.integers(1, 3), wait=st.sampled_from([None, 60]), latency=st.just(0.1)),
        min_size=1,
        max_size=30,
        unique_by=lambda call: call.at,  # of those that come at once, any may be first
    ),
)
def test_shadow_lets_all_pass_at_once_and_counts_whom_it_would_have_refused(
    quotas: list[str], places: int | None, calls: list[Call]
) -> None:
    shadow, strict = Scene(*quotas, concurrency=places, shadow=True), Scene(*quotas, concurrency=places)

    shadow.play(calls)
    strict.play([replace(call, wait=None) for call in calls])

    assert all(one.went == one.came for one in shadow.all)
    assert [one.exchange.limited for one in shadow.all] == ["shadow" if one.refused else "" for one in strict.all]
    shadow.assert_nothing_is_left()
