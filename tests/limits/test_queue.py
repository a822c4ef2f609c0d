"""Who goes next of those that wait, and who has to leave when all places are taken, through the real limits in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.waiting import QueueSettings
from tests.support.limit_laws import LAW
from tests.support.limit_scenes import Call, Scene, Went

DEAREST = 4
between = st.integers(0, 150).map(lambda tick: tick / 16)
costs = st.integers(1, DEAREST)


def calls_of(callers: str, cost: st.SearchStrategy[int]) -> st.SearchStrategy[list[Call]]:
    one = st.builds(Call, at=between, caller=st.sampled_from(callers), cost=cost, wait=st.just(300), latency=st.just(0.0))
    return st.lists(one, min_size=10, max_size=60)


def played(quota: str, calls: list[Call], **how: object) -> Scene:
    """``calls``, of whom nobody comes in the moment in which others go."""
    scene = Scene(quota, **how)  # type: ignore[arg-type]
    first = Call(caller="x", cost=scene.most, latency=0.0)
    went = scene.play([first, *[replace(call, at=call.at + (number + 1) / 4096) for number, call in enumerate(calls)]])
    assert all(one.went is not None for one in went)
    return scene


def services(scene: Scene, of: Callable[[Went], bool]) -> Iterator[Went]:
    return (one for one in scene.went[1:] if of(one))


def wait_at(scene: Scene, number: int, whose: Callable[[Went], bool]) -> bool:
    """Whether any call of ``whose`` waited when call ``number`` was let go, that one included."""
    now = scene.went[number].went or 0.0
    return any(one.came <= now for one in scene.went[number:] if whose(one))


def stretches(scene: Scene, one: Callable[[Went], bool], other: Callable[[Went], bool]) -> Iterator[list[Went]]:
    """What was let go of ``one`` and ``other`` in each stretch in which both waited all the time."""
    stretch: list[Went] = []
    for number in range(1, len(scene.went)):
        if wait_at(scene, number, one) and wait_at(scene, number, other):
            if one(scene.went[number]) or other(scene.went[number]):
                stretch.append(scene.went[number])
        else:
            yield stretch
            stretch = []
    yield stretch


def by(caller: str) -> Callable[[Went], bool]:
    return lambda one: one.call.caller == caller


@LAW
@given(
    st.lists(
        st.builds(
            Call,
            at=st.integers(0, 100).map(lambda tick: tick / 16),
            caller=st.sampled_from("abc"),
            cost=costs,
            wait=st.sampled_from([None, 2, 60]),
            leaves=st.none() | st.integers(0, 40).map(lambda tick: tick / 16),
        ),
        max_size=60,
    ),
    st.sampled_from([["4/1s"], ["2/1s", "9/5s"], ["3/1s burst 2"]]),
    st.none() | st.integers(1, 3),
)  # fmt: skip
def test_within_one_caller_whoever_comes_first_goes_first(calls: list[Call], quotas: list[str], places: int | None) -> None:
    scene = Scene(*quotas, concurrency=places, own={"a": ("5/2s",)}, batch="b")
    scene.play(calls)
    came = {id(one): number for number, one in enumerate(scene.all)}
    for caller in "abc":
        order = [came[id(one)] for one in scene.went if one.call.caller == caller]
        assert order == sorted(order)


@LAW
@given(calls_of("abc", costs), st.integers(1, DEAREST))
def test_while_two_callers_wait_they_are_served_alike(calls: list[Call], dearest: int) -> None:
    """Of what the calls cost, the one gets at most 1 + 2 × (dearest − 1) more than the other (Shreedhar and Varghese, lemma 2)."""
    scene = played(f"{DEAREST}/1s", [replace(call, cost=min(call.cost, dearest)) for call in calls])
    for one, other in ("ab", "bc", "ac"):
        for stretch in stretches(scene, by(one), by(other)):
            ahead = 0
            for service in stretch:
                ahead += service.cost if by(one)(service) else -service.cost
                assert abs(ahead) <= 1 + 2 * (dearest - 1)


@LAW
@given(st.lists(between, max_size=4), st.integers(1, 3), st.integers(1, 3))
def test_a_caller_with_ten_times_the_calls_delays_another_by_one_call_each(times: list[float], noisy: int, limit: int) -> None:
    """Of whoever waits with ever so many calls, one goes before a call of a caller who had none waiting."""
    flood = [Call(caller=f"noisy{number % noisy}", wait=300, latency=0.0, at=0.03125) for number in range(10 * noisy * (len(times) + 1))]
    scene = played(f"{limit}/1s", [*flood, *[Call(at=at, caller="b", wait=300, latency=0.0) for at in times]])
    previous = 0.0
    for mine in services(scene, by("b")):
        if mine.came > previous:  # none of its own waited
            before = Counter(one.call.caller for one in scene.went[: scene.went.index(mine)] if (one.went or 0.0) > mine.came)
            assert all(count <= 1 for count in before.values()), before
        previous = mine.went or 0.0


@LAW
@given(calls_of("abyz", st.just(1)), st.sampled_from([0, 10, 25, 50]), st.integers(1, 3))
def test_interactive_goes_before_batch_but_for_the_share_that_batch_keeps(calls: list[Call], percent: int, limit: int) -> None:
    scene = played(f"{limit}/1s", calls, batch="yz", queue=QueueSettings(batch_percent=percent))

    def batch(one: Went) -> bool:
        return one.call.caller in "yz"

    for stretch in stretches(scene, lambda one: not batch(one), batch):
        for number in range(1, len(stretch) + 1):
            served = sum(map(batch, stretch[:number]))
            assert abs(served - number * percent / 100) <= 1


@LAW
@given(st.lists(st.sampled_from("aaaabcyyz"), min_size=1, max_size=40), st.integers(1, 8))
def test_where_all_places_are_taken_the_fattest_caller_pays_with_its_newest_call(callers: list[str], places: int) -> None:
    scene = Scene("1/1h", batch="yz", queue=QueueSettings(places, 10**6, longest_s=100_000.0))
    waiting: list[Went] = []

    def count(caller: str) -> int:
        return sum(one.call.caller == caller for one in waiting)

    async def main() -> None:
        tasks = [asyncio.ensure_future(scene.make(Call(caller="x")))]
        await asyncio.sleep(1)
        for number, caller in enumerate(callers):
            tasks.append(asyncio.ensure_future(scene.make(Call(caller=caller, wait=90_000))))
            await asyncio.sleep(0.001)
            waiting.append(scene.all[-1])
            gone = [one for one in waiting if one.refused]
            waiting[:] = [one for one in waiting if not one.refused]
            assert len(gone) == (number >= places)
            assert sum(scene.limits.waiting().values()) == len(waiting)
            for one in gone:
                assert_paid_rightly(one)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def assert_paid_rightly(paid: Went) -> None:
        mine = paid.call.caller
        assert paid.refused is not None
        assert (paid.refused.retry_after or 0.0) > 3598
        assert all(one.came < paid.came for one in waiting if one.call.caller == mine)
        if mine not in "yz":
            assert not count("y") + count("z")
        rivals = "yz" if mine in "yz" else "abc"
        assert all(count(rival) <= count(mine) + 1 for rival in rivals)

    scene.run(main())
    scene.assert_nothing_is_left()


def waiting_for_an_hour(*calls: Call, octets: int) -> list[Went]:
    """What became of ``calls`` before any could go, of whose bodies ``octets`` may wait."""
    scene = Scene("1/1h", queue=QueueSettings(100, octets, longest_s=100_000.0))

    async def main() -> list[Went]:
        tasks = [asyncio.ensure_future(scene.make(call)) for call in [Call(caller="x"), *calls]]
        await asyncio.sleep(1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return scene.all[1:]

    return scene.run(main())


def test_where_there_is_no_room_for_its_octets_the_fattest_caller_makes_it() -> None:
    fat = [Call(caller="a", wait=90_000, octets=10) for _ in range(5)]
    came = waiting_for_an_hour(*fat, Call(caller="b", wait=90_000, octets=20), octets=50)
    assert [one.refused is not None for one in came] == [False, False, False, True, True, False]


def test_a_call_for_which_there_can_be_no_room_pushes_nobody_out() -> None:
    fat = [Call(caller="a", wait=90_000, octets=10) for _ in range(5)]
    came = waiting_for_an_hour(*fat, Call(caller="b", wait=90_000, octets=60), octets=50)
    assert [one.refused is not None for one in came] == [False] * 5 + [True]


def test_who_has_spent_its_own_quota_holds_up_nobody_else() -> None:
    scene = Scene("2/1s", own={"a": ("1/20s",)})
    scene.play([*[Call(caller="a", wait=100) for _ in range(4)], *[Call(at=0.5, caller="b", wait=100) for _ in range(6)]])
    assert [one.went for one in scene.all if one.call.caller == "a"] == [0.0, 20.0, 40.0, 60.0]
    assert [one.went for one in scene.all if one.call.caller == "b"] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.5, 3.0], abs=0.001)


@pytest.mark.parametrize("wait", [None, 0, 30])
def test_who_has_spent_its_own_quota_holds_up_nobody_who_would_not_wait(wait: int | None) -> None:
    scene = Scene("9/1s", own={"a": ("1/20s",)})
    scene.play([*[Call(caller="a", wait=100) for _ in range(4)], Call(at=0.5, caller="b", wait=wait)])
    assert scene.all[-1].went == 0.5
