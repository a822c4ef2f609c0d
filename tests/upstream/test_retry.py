from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.upstream.retry import IDEMPOTENT, RETRIED_STATUSES, RetryBudget, may_repeat, pause_before

# What comes when: ticks of 2**-6 s since the last one, and whether it is a retry that asks.
runs = st.lists(st.tuples(st.one_of(st.integers(0, 64), st.integers(0, 2000)), st.booleans()), max_size=200)


@settings(deadline=None)
@given(runs, st.sampled_from([0.0, 0.2, 0.5]), st.integers(0, 4))
def test_it_agrees_with_lists_that_forget_nothing(run: list[tuple[int, bool]], ratio: float, minimum: int) -> None:
    budget, calls, retries, now = RetryBudget(ratio, 10.0, minimum), list[float](), list[float](), 5.0
    for ticks, retry in run:
        now += ticks / 64
        if not retry:
            budget.call(now)
            calls.append(now)
            continue
        counted_calls, counted_retries = (sum(now // 1 - time // 1 < 10 for time in times) for times in (calls, retries))
        due = counted_retries < max(minimum, ratio * counted_calls)
        assert budget.may(now) == due
        if due:
            retries.append(now)


@settings(deadline=None)
@given(runs, st.sampled_from([0.1, 0.2, 1.0]), st.integers(0, 4))
def test_over_any_run_retries_are_the_share_of_the_calls_or_the_minimum_a_window(
    run: list[tuple[int, bool]], ratio: float, minimum: int
) -> None:
    budget, calls, retries, now = RetryBudget(ratio, 10.0, minimum), 0, list[float](), 0.0
    for ticks, retry in run:
        now += ticks / 64
        if not retry:
            calls += 1
            budget.call(now)
        elif budget.may(now):
            retries.append(now)
    windows, end = 0, float("inf")
    for time in reversed(retries):
        if time // 1 <= end - 10:
            windows, end = windows + 1, time // 1
        elif end == float("inf"):
            windows, end = 1, time // 1
    assert len(retries) <= ratio * calls + (minimum + 1) * windows


def test_a_storm_of_failures_is_not_doubled() -> None:
    budget, retries = RetryBudget(), 0
    for step in range(10_000):
        budget.call(step / 100)
        retries += budget.may(step / 100)
    assert 1950 <= retries <= 2003


def test_where_calls_are_few_the_minimum_may_go_and_again_a_window_later() -> None:
    budget = RetryBudget(ratio=0.2, window_s=10, minimum=3)
    budget.call(0.0)
    assert [budget.may(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert not budget.may(9.99)
    assert budget.may(10.0)
    assert repr(budget) == "<RetryBudget 1 retries, 0 calls>"


def test_no_retries_where_the_budget_is_nothing() -> None:
    budget = RetryBudget(ratio=0, minimum=0)
    budget.call(0.0)
    assert not budget.may(0.0)


@pytest.mark.parametrize(("attempt", "most"), [(0, 0.02), (1, 0.04), (2, 0.08), (5, 0.64), (6, 1.0), (60, 1.0), (10_000, 1.0)])
def test_pauses_double_up_to_a_cap_and_are_anything_below(attempt: int, most: float) -> None:
    assert pause_before(attempt, lambda: 0.0) == 0
    assert pause_before(attempt, lambda: 0.5) == most / 2
    chance = random.Random(1)
    assert all(0 <= pause_before(attempt, chance.random) < most for _ in range(1000))


REPEATED = [
    # method, Idempotency-Key, replayable, never left: may it go again?
    *[(method, False, True, False, True) for method in sorted(IDEMPOTENT)],
    *[(method, False, True, False, False) for method in ("POST", "PATCH", "LOCK", "get", "")],
    ("POST", True, True, False, True),
    ("POST", False, True, True, True),
    ("PATCH", True, True, True, True),
    ("GET", False, False, False, False),
    ("PUT", True, False, True, False),
    ("POST", True, False, False, False),
    ("POST", False, False, True, False),
]


@pytest.mark.parametrize(("method", "key", "replayable", "never_left", "may"), REPEATED)
def test_what_may_be_sent_again(method: str, key: bool, replayable: bool, never_left: bool, may: bool) -> None:
    assert may_repeat(method, has_idempotency_key=key, replayable_body=replayable, never_left=never_left) == may


def test_the_statuses_that_are_tried_again_are_those_of_gateways() -> None:
    assert {502, 503, 504} == RETRIED_STATUSES
