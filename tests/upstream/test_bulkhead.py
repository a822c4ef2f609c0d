from __future__ import annotations

import heapq

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.upstream.bulkhead import Bulkhead
from gateway.upstream.gradient import Gradient


@pytest.mark.parametrize(("limit", "batch"), [(1, 1), (2, 1), (5, 4), (10, 8), (100, 80), (512, 409)])
def test_batch_fills_four_fifths_and_interactive_the_rest(limit: int, batch: int) -> None:
    bulkhead = Bulkhead(limit)
    assert [bulkhead.enter(batch=True) for _ in range(limit + 1)].count(True) == batch
    assert [bulkhead.enter(batch=False) for _ in range(limit + 1)].count(True) == limit - batch
    assert repr(bulkhead) == f"<Bulkhead {limit} of {limit}>"


def test_batch_has_no_place_kept_where_interactive_takes_all() -> None:
    bulkhead = Bulkhead(10)
    assert all(bulkhead.enter(batch=False) for _ in range(10))
    for _ in range(2):
        bulkhead.leave(0.0, None)
        assert not bulkhead.enter(batch=True)
    bulkhead.leave(0.0, None)
    assert bulkhead.enter(batch=True)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_without_a_place_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match=f"1 or more, not {limit}"):
        Bulkhead(limit)


@pytest.mark.parametrize(("least", "most"), [(0, 5), (6, 5), (-3, -1)])
def test_bounds_with_nothing_between_are_refused(least: int, most: int) -> None:
    with pytest.raises(ValueError, match=f"not {least} and {most}"):
        Gradient(least, most)


def test_the_limit_is_the_smaller_of_the_cap_and_what_was_learned() -> None:
    assert Bulkhead(8, Gradient(1, 100)).limit == 8
    assert Bulkhead(100, Gradient(1, 100)).limit == 20
    assert Bulkhead(100, Gradient(50, 100)).limit == 50


class Upstream:
    """Callers who always want more, through a bulkhead to an upstream that answers ``capacity`` calls at once in ``base_s``; more
    of them share it, so that each takes longer. Virtual time."""

    def __init__(self, bulkhead: Bulkhead, capacity: int, base_s: float, wanted: int = 10_000) -> None:
        self.bulkhead, self.capacity, self.base_s, self.wanted = bulkhead, capacity, base_s, wanted
        self.now = 100.0
        self.ends: list[tuple[float, float]] = []

    def run(self, seconds: float) -> list[int]:
        """The limit after each call that ended."""
        until, limits = self.now + seconds, []
        while self.now < until:
            while len(self.ends) < self.wanted and self.bulkhead.enter(batch=False):
                took = self.base_s * max(1.0, self.bulkhead.in_flight / self.capacity)
                heapq.heappush(self.ends, (self.now + took, took))
            self.now, took = heapq.heappop(self.ends)
            self.bulkhead.leave(self.now, took)
            limits.append(self.bulkhead.limit)
        return limits


def test_it_grows_until_calls_take_longer_and_not_far_beyond() -> None:
    upstream = Upstream(Bulkhead(1000, Gradient(5, 1000)), capacity=60, base_s=0.05)
    first, later = upstream.run(59), upstream.run(240)
    assert first[0] == 20
    assert first[-1] >= 60
    assert max(first + later) <= 60 * 2
    assert sum(limit >= 60 for limit in later) >= 0.98 * len(later)  # the rest are probes


def test_it_grows_to_the_cap_where_nothing_slows_down() -> None:
    assert Upstream(Bulkhead(200, Gradient(5, 100)), capacity=1000, base_s=0.02).run(60)[-1] == 100


def test_it_shrinks_when_capacity_is_lost_and_grows_again_when_it_is_back() -> None:
    upstream = Upstream(Bulkhead(100, Gradient(5, 100)), capacity=100, base_s=0.05)
    assert upstream.run(60)[-1] == 100
    upstream.capacity = 10
    assert upstream.run(15)[-1] <= 55
    assert upstream.run(180)[-1] <= 30
    upstream.capacity = 100
    assert upstream.run(60)[-1] == 100


def test_an_upstream_that_has_become_slower_for_good_is_the_usual_case_after_a_while() -> None:
    upstream = Upstream(Bulkhead(100, Gradient(5, 100)), capacity=1000, base_s=0.05)
    assert upstream.run(60)[-1] == 100
    upstream.base_s = 0.15
    assert min(upstream.run(20)) < 50
    assert upstream.run(180)[-1] == 100


def test_it_neither_grows_nor_shrinks_while_it_keeps_nobody_away() -> None:
    upstream = Upstream(Bulkhead(100, Gradient(5, 100)), capacity=1000, base_s=0.02, wanted=9)
    assert set(upstream.run(60)) == {20}
    upstream.base_s = 0.2
    assert set(upstream.run(10)) == {20}


def test_neither_shrinking_nor_a_probe_goes_below_the_least() -> None:
    limits = Upstream(Bulkhead(100, Gradient(30, 100)), capacity=2, base_s=0.05).run(130)
    assert min(limits) == 30


def test_nobody_is_kept_away_for_a_probe_where_the_limit_is_not_reached() -> None:
    upstream = Upstream(Bulkhead(100, Gradient(5, 100)), capacity=1000, base_s=0.02, wanted=60)
    assert upstream.run(59)[-1] == 100
    assert set(upstream.run(120)) == {100}


def windows(gradient: Gradient, *samples: tuple[float, float, int]) -> Gradient:
    """Ten calls for each ``(now, seconds, in_flight)``."""
    for now, seconds, in_flight in samples:
        for _ in range(10):
            gradient.learn(now, seconds, in_flight)
    return gradient


def test_a_slow_window_costs_a_tenth_at_most() -> None:
    assert windows(Gradient(5, 100), (0.0, 0.1, 20), (1.0, 60.0, 20)).limit >= 18


def test_under_load_what_is_usual_falls_where_calls_take_less_than_half_of_it() -> None:
    gradient = windows(Gradient(5, 100), (0.0, 1.0, 20), (3.0, 0.4, 20))
    assert repr(gradient).endswith(", 0.880 s is usual>")


def test_after_load_what_is_usual_is_learned_again() -> None:
    gradient = windows(Gradient(5, 100), (0.0, 1.0, 20), (3.0, 0.8, 1))
    assert repr(gradient).endswith(", 0.960 s is usual>")


def test_who_left_teaches_nothing() -> None:
    bulkhead = Bulkhead(100, Gradient(5, 100))
    for step in range(10_000):
        bulkhead.enter(batch=False)
        bulkhead.leave(step / 10, None)
    assert repr(bulkhead._gradient) == "<Gradient 20 of 5..100, 0.000 s is usual>"


def test_what_is_usual_is_learned_while_calls_are_few_and_a_window_at_a_time() -> None:
    gradient = windows(Gradient(5, 100), (0.0, 0.1, 1), (1.0, 0.6, 1), (3.0, 5.0, 20))
    assert repr(gradient).endswith(", 0.200 s is usual>")


@settings(deadline=None)
@given(
    st.integers(1, 50),
    st.integers(0, 50),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 600), st.integers(1, 200)), max_size=400),
)
def test_never_below_and_never_above_its_bounds(least: int, more: int, samples: list[tuple[float, float, int]]) -> None:
    gradient, now = Gradient(least, least + more), 0.0
    for gap, seconds, in_flight in samples:
        now += gap
        before = gradient.limit
        looked = gradient.learn(now, seconds, in_flight)
        assert looked or gradient.limit == before
        assert least <= gradient.limit <= least + more


class Places(RuleBasedStateMachine):
    """Whatever comes and goes, ``in_flight`` is what has entered and not left, and nobody enters above the limit."""

    @initialize(limit=st.integers(1, 30), adaptive=st.booleans())
    def begin(self, limit: int, adaptive: bool) -> None:
        self.bulkhead = Bulkhead(limit, Gradient(1, 30) if adaptive else None)
        self.most, self.inside, self.now = limit, 0, 0.0

    @rule(batch=st.booleans(), count=st.integers(1, 12))
    def come(self, batch: bool, count: int) -> None:
        for _ in range(count):
            limit = max(1, self.bulkhead.limit * 4 // 5) if batch else self.bulkhead.limit
            entered = self.bulkhead.enter(batch)
            assert entered == (self.inside < limit)
            self.inside += entered

    @precondition(lambda self: self.inside)
    @rule(gap=st.floats(0, 1), seconds=st.none() | st.floats(0, 100), count=st.integers(1, 12))
    def go(self, gap: float, seconds: float | None, count: int) -> None:
        self.now += gap
        for _ in range(min(count, self.inside)):
            self.bulkhead.leave(self.now, seconds)
            self.inside -= 1

    @invariant()
    def nothing_leaks(self) -> None:
        assert self.bulkhead.in_flight == self.inside >= 0
        assert 1 <= self.bulkhead.limit <= self.most


TestPlaces = Places.TestCase
TestPlaces.settings = settings(deadline=None, max_examples=60)
