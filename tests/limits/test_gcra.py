from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.limits.gcra import Gcra
from gateway.limits.quota import parse_quota

gaps = st.lists(st.integers(0, 2048).map(lambda ticks: ticks / 1024), max_size=120)
limits, periods, bursts = st.integers(1, 12), st.integers(1, 7), st.integers(1, 12)
NANOSECOND = Fraction(1, 10**9)


def gcra(limit: int, period: int, burst: int) -> Gcra:
    return Gcra(parse_quota(f"{limit}/{period}s burst {burst}"))


@settings(deadline=None)
@given(gaps, limits, periods, bursts)
def test_no_stretch_ever_sees_more_than_burst_plus_rate(gaps: list[float], limit: int, period: int, burst: int) -> None:
    meter, now, times = gcra(limit, period, burst), 0.0, list[Fraction]()
    for gap in gaps:
        now += gap
        if meter.wait(now) == 0:
            meter.spend(now)
            times.append(Fraction(now))
    for first in range(len(times)):
        for last in range(first, len(times)):
            stretch = times[last] - times[first] + NANOSECOND
            assert last - first + 1 <= burst + stretch * limit / period


@settings(deadline=None)
@given(gaps, limits, periods, bursts)
def test_it_agrees_with_exact_arithmetic(gaps: list[float], limit: int, period: int, burst: int) -> None:
    meter, now = gcra(limit, period, burst), 0.0
    spacing, arrival = Fraction(period, limit), Fraction(0)
    for gap in gaps:
        now += gap
        arrival = max(arrival, Fraction(now))
        due = max(arrival + (1 - burst) * spacing - Fraction(now), Fraction(0))
        wait = meter.wait(now)
        assert abs(Fraction(wait) - due) < NANOSECOND
        if wait == 0:
            arrival += spacing
            meter.spend(now)


@settings(deadline=None)
@given(st.lists(st.floats(0, 2), min_size=1, max_size=60), st.floats(0, 1e7), limits, periods, bursts)
def test_waiting_exactly_as_long_as_told_is_enough_and_less_is_not(
    gaps: list[float], start: float, limit: int, period: int, burst: int
) -> None:
    meter, now = gcra(limit, period, burst), start
    for gap in gaps:
        now += gap
        wait = meter.wait(now)
        if wait:
            assert 0 < wait <= period / limit * 1.000001
            assert meter.wait(now + wait * 0.999) > 0 or now + wait * 0.999 == now + wait
            now += wait
            assert meter.wait(now) == 0
        meter.spend(now)


@settings(deadline=None)
@given(st.lists(st.floats(0, 2), min_size=1, max_size=40), st.floats(0, 1e7), limits, periods, bursts)
def test_remaining_is_how_many_really_pass_and_reset_is_when_one_more_does(
    gaps: list[float], start: float, limit: int, period: int, burst: int
) -> None:
    meter, now = gcra(limit, period, burst), start
    for gap in gaps:
        now += gap
        state = meter.state(now)
        assert state.remaining + state.used == burst
        assert meter.idle(now) == (state.used == 0) == (state.reset_s == 0)
        if state.used:
            assert meter.state(now + state.reset_s).remaining > state.remaining
        for left in reversed(range(state.remaining)):
            assert meter.wait(now) == 0
            assert meter.spend(now).remaining == left
        assert meter.wait(now) > 0


def test_a_day_of_calls_on_end_does_not_drift() -> None:
    meter, now = gcra(3, 1, 2), 1_000_000.1  # a sum of thirds is off by 6e-6 s in the end
    start = now
    for _ in range(259_200):
        now += meter.wait(now)
        meter.spend(now)
    assert abs(now - start - 259_198 / 3) < 1e-9


def test_a_division_that_rounds_up_promises_no_call_too_many() -> None:
    meter = gcra(3, 5, 2)
    for _ in range(2):
        meter.spend(0.1)
    now = 1.7666666666666666  # a float before 0.1 + 5/3
    assert meter.wait(now) > 0
    assert meter.state(now).remaining == 0


def test_from_rest_the_burst_passes_at_once_and_then_one_a_spacing() -> None:
    meter = gcra(10, 1, 5)
    assert [meter.spend(50.0).remaining for _ in range(5) if meter.wait(50.0) == 0] == [4, 3, 2, 1, 0]
    assert abs(meter.wait(50.0) - 0.1) < 1e-9
    assert abs(meter.state(50.0).reset_s - 0.1) < 1e-9
    assert meter.state(50.25).remaining == 2
    assert meter.idle(50.5)
