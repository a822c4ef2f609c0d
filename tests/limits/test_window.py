from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.limits.quota import parse_quota
from gateway.limits.store import State
from gateway.limits.window import Window

# Multiples of 2**-10 s, so that the law can be stated without rounding.
gaps = st.lists(st.integers(0, 4096).map(lambda ticks: ticks / 1024), max_size=120)


def passed(window: Window, gaps: list[float], start: float = 0.0) -> list[float]:
    now, times = start, []
    for gap in gaps:
        now += gap
        if window.wait(now) == 0:
            window.spend(now)
            times.append(now)
    return times


@settings(deadline=None)
@given(gaps, st.integers(1, 12), st.integers(1, 5))
def test_no_stretch_of_the_period_ever_sees_more_than_the_limit(gaps: list[float], limit: int, period: int) -> None:
    times = passed(Window(parse_quota(f"{limit}/{period}s")), gaps)
    assert all(later - earlier >= period for earlier, later in zip(times, times[limit:], strict=False))


@settings(deadline=None)
@given(gaps, st.integers(1, 12), st.integers(1, 5))
def test_it_agrees_with_a_list_that_forgets_nothing(gaps: list[float], limit: int, period: int) -> None:
    window, times, now = Window(parse_quota(f"{limit}/{period}s")), list[float](), 0.0
    for gap in gaps:
        now += gap
        counting = [time for time in times if now < time + period]
        assert window.idle(now) == (not counting)
        reset_s = counting[0] + period - now if counting else 0.0
        assert window.state(now) == State(window.quota, limit - len(counting), reset_s, len(counting))
        wait = window.wait(now)
        assert (wait == 0) == (len(counting) < limit)
        if wait == 0:
            times.append(now)
            assert window.spend(now) == window.state(now)


@settings(deadline=None)
@given(st.lists(st.floats(0, 3), min_size=1, max_size=60), st.floats(0, 1e7), st.integers(1, 6), st.integers(1, 7))
def test_waiting_exactly_as_long_as_told_is_enough_and_less_is_not(gaps: list[float], start: float, limit: int, period: int) -> None:
    window = Window(parse_quota(f"{limit}/{period}s"))
    now = start
    for gap in gaps:
        now += gap
        wait = window.wait(now)
        if wait:
            assert 0 < wait <= period + 1e-8
            assert window.wait(now + wait * 0.999) > 0 or now + wait * 0.999 == now + wait
            now += wait
            assert window.wait(now) == 0
        window.spend(now)


def test_a_call_counts_up_to_but_not_at_the_end_of_its_period() -> None:
    window = Window(parse_quota("1/10s"))
    window.spend(5.0)
    assert window.wait(14.5) == 0.5
    assert window.wait(15.0) == 0


def test_memory_is_two_numbers_a_counting_call_at_most() -> None:
    window = Window(parse_quota("500/s"))
    for step in range(20_000):
        now = step / 1000
        if window.wait(now) == 0:
            window.spend(now)
        assert len(window._ends) <= 2 * 500 + 1
    assert window.state(1e6).used == 0
    assert len(window._ends) == 0


def test_a_quarter_of_a_million_calls_are_held_in_two_megabytes() -> None:
    window = Window(parse_quota("250000/24h"))
    for step in range(250_000):
        assert window.wait(step / 10) == 0
        window.spend(step / 10)
    assert window.wait(25_000.0) == 86_400 - 25_000
    assert window._ends.buffer_info()[1] * window._ends.itemsize == 2_000_000
    assert window.state(25_000.0 + 86_400 - 1).used == 9
