from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.limits.calendar import Calendar, period_around, zone_of
from gateway.limits.quota import parse_quota

CHICAGO = ZoneInfo("America/Chicago")
HOUR = 3600


def at(zone: str, *moment: int) -> float:
    return datetime(*moment, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("zone", "inside", "hours"),
    [
        ("America/Chicago", (2026, 3, 7, 12), 24),
        ("America/Chicago", (2026, 3, 8, 12), 23),
        ("America/Chicago", (2026, 11, 1, 1), 25),
        ("America/Chicago", (2026, 11, 1, 23, 59), 25),
        ("America/Havana", (2026, 3, 8, 12), 23),  # midnight itself is skipped
        ("America/Havana", (2026, 11, 1, 12), 25),  # midnight itself comes twice
        ("Australia/Lord_Howe", (2026, 10, 4, 12), 23.5),
        ("Pacific/Apia", (2011, 12, 29, 12), 24),  # the 30th never came
        ("UTC", (2026, 3, 8, 12), 24),
    ],
)
def test_a_day_is_as_long_as_it_is_there(zone: str, inside: tuple[int, ...], hours: float) -> None:
    moment = at(zone, *inside)
    start, end = period_around(moment, "day", ZoneInfo(zone))
    assert end - start == hours * HOUR
    assert start <= moment < end


def test_both_hours_that_are_called_one_belong_to_the_same_day() -> None:
    first = at("America/Chicago", 2026, 11, 1, 1, 30)
    assert period_around(first, "day", CHICAGO) == period_around(first + HOUR, "day", CHICAGO)


@pytest.mark.parametrize(
    ("inside", "days"), [((2026, 2, 15), 28), ((2028, 2, 29), 29), ((2026, 12, 31, 23), 31), ((2026, 4, 1), 30), ((2026, 1, 31), 31)]
)
def test_a_month_is_as_long_as_it_is(inside: tuple[int, ...], days: int) -> None:
    start, end = period_around(at("UTC", *inside), "month", UTC)
    assert end - start == days * 24 * HOUR


def test_a_month_with_a_clock_change_is_an_hour_off() -> None:
    start, end = period_around(at("America/Chicago", 2026, 3, 20), "month", CHICAGO)
    assert end - start == 31 * 24 * HOUR - HOUR


@settings(deadline=None)
@given(st.integers(0, 4_000_000_000), st.sampled_from(["America/Chicago", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "UTC"]))
def test_every_moment_is_in_its_period_and_periods_touch(moment: int, zone: str) -> None:
    for kind in ("day", "month"):
        start, end = period_around(moment, kind, zone_of(zone))
        assert start <= moment < end
        assert period_around(end, kind, zone_of(zone))[0] == end
        assert period_around(start, kind, zone_of(zone)) == (start, end)


@pytest.mark.parametrize(
    ("kind", "moment", "hours_left"),
    [("day", (2026, 3, 8, 0, 30), 22.5), ("day", (2026, 11, 1, 0, 30), 24.5), ("month", (2026, 3, 31, 23, 30), 0.5)],
)
def test_the_budget_lasts_until_local_midnight_and_not_longer(kind: str, moment: tuple[int, ...], hours_left: float) -> None:
    meter, now = Calendar(parse_quota(f"2/{kind}"), CHICAGO), at("America/Chicago", *moment)
    assert meter.wait(now) == 0
    assert meter.spend(now).remaining == 1
    assert meter.wait(now) == 0
    assert meter.spend(now).reset_s == hours_left * HOUR
    assert meter.wait(now) == hours_left * HOUR
    assert not meter.idle(now + hours_left * HOUR - 1)
    assert meter.wait(now + hours_left * HOUR - 1) == 1
    assert meter.idle(now + hours_left * HOUR)
    assert meter.wait(now + hours_left * HOUR) == 0
    assert meter.state(now + hours_left * HOUR).remaining == 2


@pytest.mark.parametrize("back", [1, HOUR, 13 * HOUR, 24 * HOUR, 36 * HOUR, 48 * HOUR, 400 * 24 * HOUR])
def test_a_clock_that_goes_back_gives_no_second_budget(back: float) -> None:
    meter, now = Calendar(parse_quota("1/day"), UTC), at("UTC", 2026, 5, 20, 12)
    assert meter.wait(now) == 0
    meter.spend(now)
    assert meter.wait(now - back) > 0
    assert meter.state(now - back).used == 1


@pytest.mark.parametrize("back", [1, HOUR, 24 * HOUR, 36 * HOUR])
def test_a_clock_that_goes_back_and_forth_gives_no_second_budget(back: float) -> None:
    meter, now = Calendar(parse_quota("1/day"), UTC), at("UTC", 2026, 5, 20, 12)
    for moment in (now, now - back, now):
        if meter.wait(moment) == 0:
            meter.spend(moment)
    assert meter.state(now).used == 1


def test_a_clock_that_goes_back_over_midnight_stays_in_the_later_day() -> None:
    midnight = at("UTC", 2026, 5, 20)
    meter = Calendar(parse_quota("1/day"), UTC)
    for now in (midnight - 5, midnight + 5):
        assert meter.wait(now) == 0
        meter.spend(now)
    assert meter.wait(midnight - 5) == 24 * HOUR + 5
    assert meter.wait(midnight + 10) == 24 * HOUR - 10


def test_a_clock_that_was_a_year_ahead_does_not_block_for_a_year() -> None:
    now = at("UTC", 2026, 5, 20, 12)
    meter = Calendar(parse_quota("1/day"), UTC)
    assert meter.wait(now + 365 * 24 * HOUR) == 0
    meter.spend(now + 365 * 24 * HOUR)
    assert meter.wait(now) == 12 * HOUR
    assert meter.wait(now + 12 * HOUR) == 0


@settings(deadline=None)
@given(st.lists(st.integers(-20, 100).map(lambda minutes: minutes * 60.0), max_size=100), st.integers(1, 5))
def test_no_day_ever_sees_more_than_the_limit_whatever_the_clock_does(steps: list[float], limit: int) -> None:
    meter, now, days = Calendar(parse_quota(f"{limit}/day"), CHICAGO), at("America/Chicago", 2026, 10, 31, 22), dict[float, int]()
    newest = now
    for step in steps:
        now += step
        newest = max(newest, now)
        if meter.wait(now) == 0:
            meter.spend(now)
            day = period_around(newest, "day", CHICAGO)[0]
            days[day] = days.get(day, 0) + 1
    assert all(calls <= limit for calls in days.values())


@settings(deadline=None)
@given(st.floats(1e9, 3e9), st.sampled_from(["day", "month"]))
def test_waiting_exactly_as_long_as_told_is_enough(now: float, kind: str) -> None:
    meter = Calendar(parse_quota(f"1/{kind}"), CHICAGO)
    assert meter.wait(now) == 0
    meter.spend(now)
    wait = meter.wait(now)
    assert wait > 0
    assert meter.wait(now + wait) == 0
