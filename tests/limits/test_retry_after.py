"""How long to stay away: every form in which a refusal says it, and that no form of nonsense does harm."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate
from time import perf_counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.exchange import Headers
from gateway.limits.retry_after import LONGEST_S, StayAway, stay_away

MOMENT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
NOW = MOMENT.timestamp() - 12
DAY_S = 86_400.0


def asked(*fields: tuple[str, str], said: str = "", now: float = NOW) -> tuple[str, float] | None:
    found = stay_away(Headers(fields), said, now)
    return (found.source, round(found.seconds, 3)) if found else None


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("Retry-After", "17", 17),
        ("Retry-After", "1.25", 1.25),
        ("Retry-After", " 5 ", 5),
        ("retry-after", "0", 0),
        ("Retry-After", "-3", 0),
        ("Retry-After", "90000", DAY_S),
        ("Retry-After", "1795341600", 12),  # a moment where a delay belongs
        ("Retry-After", "Sun, 22 Nov 2026 10:00:00 GMT", 12),
        ("Retry-After", "Sunday, 22-Nov-26 10:00:00 GMT", 12),
        ("Retry-After", "Sun Nov 22 10:00:00 2026", 12),
        ("Retry-After", "Sun, 22 Nov 2026 09:00:00 GMT", 0),
        ("Retry-After", "Fri, 01 Jan 2027 00:00:00 GMT", DAY_S),
        ("Retry-After", "2026-11-22T10:00:00Z", 12),
        ("RateLimit", '"x";r=0;t=12', 12),
        ("RateLimit", '"ten;t=99,";r=0;t=12', 12),
        ("RateLimit", '"min";r=0;t=12, "day";r=0;t=900;pk=:cGs=:', 900),
        ("RateLimit", '"min";r=0;t=12, "day";r=70;t=900', 12),
        ("RateLimit", "default;t=3 ; r=0", 3),
        ("RateLimit", "limit=100, remaining=0, reset=7", 7),
        ("RateLimit-Reset", "12", 12),
        ("X-RateLimit-Reset", "1795341600", 12),
        ("X-RateLimit-Reset", "1795341600123", 12.123),
        ("X-RateLimit-Reset", "30", 30),
        ("X-RateLimit-Reset", "315575999", DAY_S),
        ("X-RateLimit-Reset", "1795341000", 0),
        ("X-RateLimit-Reset", "2026-11-22T12:00:00+02:00", 12),
        ("X-RateLimit-Reset", "2026-11-22 10:00:00.5 UTC", 12.5),
        ("X-RateLimit-Reset", "2026-11-22t10:00z", 12),
        ("X-Rate-Limit-Reset", "Sun, 22 Nov 2026 10:00:00 GMT", 12),
        ("X-RateLimit-Reset-After", "0.75", 0.75),
    ],
)
def test_a_field_says_when(name: str, value: str, seconds: float) -> None:
    found = asked((name, value))

    assert found is not None
    assert (found[0].lower(), found[1]) == (name.lower(), seconds)


@pytest.mark.parametrize(
    "value",
    ["soon", "", "NaN", "inf", "1e3", "0x10", "١٧", "1,5", "9" * 14, "9" * 5000, "1 minute", "2026-11-22", "2026-11-22T10:00:00",
     "2026-13-22T10:00:00Z", "2026-11-22T25:00:00Z", "Sun, 31 Feb 2026 10:00:00 GMT", "²", "--5", "5-", "."],
)  # fmt: skip
@pytest.mark.parametrize("name", ["Retry-After", "RateLimit", "RateLimit-Reset", "X-RateLimit-Reset", "X-RateLimit-Reset-After"])
def test_nonsense_is_passed_over_for_the_next_form(name: str, value: str) -> None:
    assert asked((name, value)) is None
    assert asked((name, value), ("X-Rate-Limit-Reset", "9")) == ("X-Rate-Limit-Reset", 9)
    assert asked((name, value), said="try again in 4 seconds") == ("message", 4)


@pytest.mark.parametrize(
    "value",
    ['"x"', '"x";r=0', '"x";r=5;t=12', '"x";t=soon', '"x";t=' + "1" * 40, '"x;t=5', '"\\' * 600, "remaining=0", "remaining=3, reset=9"],
)
def test_a_policy_that_does_not_say_when_says_nothing(value: str) -> None:
    assert asked(("RateLimit", value)) is None


def test_fields_are_trusted_in_order() -> None:
    fields = [
        ("Retry-After", "1"),
        ("RateLimit", '"x";r=0;t=2'),
        ("RateLimit-Reset", "3"),
        ("X-RateLimit-Reset-After", "4"),
        ("X-RateLimit-Reset", "5"),
        ("X-Rate-Limit-Reset", "6"),
    ]

    for first, (name, _) in enumerate(fields):
        assert asked(*reversed(fields[first:]), said="retry after 7 s") == (name, first + 1)
    assert asked(said="retry after 7 s") == ("message", 7)
    assert asked() is None
    assert asked(("X-MinLimit-Remaining", "0"), ("X-DayLimit-Remaining", "7"), ("X-Rate-Limit-Problem", "minute")) is None


def test_of_several_lines_the_longest_counts() -> None:
    assert asked(("Retry-After", "3"), ("Retry-After", "soon"), ("Retry-After", "8"), ("Retry-After", "5")) == ("Retry-After", 8)


@pytest.mark.parametrize("prefix", ["RateLimit", "X-RateLimit", "X-Rate-Limit"])
def test_a_quota_with_calls_left_is_not_what_refused(prefix: str) -> None:
    reset = (f"{prefix}-Reset", "1795341600")

    assert asked(reset, (f"{prefix}-Remaining", "4999")) is None
    assert asked(reset, (f"{prefix}-Remaining", "0")) == (reset[0], 12)
    assert asked(reset, (f"{prefix}-Remaining", "none")) == (reset[0], 12)


@pytest.mark.parametrize("skew", [-4000, -3, 0, 3, 4000])
@pytest.mark.parametrize(
    ("field", "value"),
    [("Retry-After", formatdate(NOW + 60, usegmt=True)), ("X-RateLimit-Reset", str(int(NOW + 60))), ("Retry-After", "60")],
)
def test_a_moment_is_seen_from_the_answer_s_own_date(field: str, value: str, skew: float) -> None:
    assert asked((field, value), ("Date", formatdate(NOW, usegmt=True)), now=NOW + skew) == (field, 60)


def test_the_message_s_moment_is_too() -> None:
    dated = ("Date", formatdate(NOW, usegmt=True))

    assert asked(dated, said="try again at 2026-11-22T10:00:00Z", now=NOW - 500) == ("message", 12)
    assert asked(("Date", "yesterday"), said="try again at 2026-11-22T10:00:00Z") == ("message", 12)


MESSAGES = {
    "retry after 17 seconds": 17,
    "Retry after 17 second(s).": 17,
    "try again in 2 minutes": 120,
    "wait 30s": 30,
    "retryAfter: 5": 5,
    "Please try again after 2026-11-22T10:00:00Z": 12,
    "Please try again after 2026-11-22 10:00 UTC.": 12,
    "User-rate limit exceeded.  Retry after 2026-11-22T10:00:00.500Z": 12.5,  # Gmail
    "Request was throttled. Expected available in 12 seconds.": 12,  # Django REST framework
    "Rate limit reached on requests per min. Limit: 3 / min. Please try again in 20s.": 20,
    "Please try again in 1m26.4s.": 86.4,
    "Try again in 320ms": 0.32,
    "try your request again in about 5 minutes": 300,
    "Please wait at least 10 seconds before you call again": 10,
    "You must wait for another 1 minute and 30 seconds": 90,
    "wait time is 30 seconds": 30,
    "wait until Sun, 22 Nov 2026 10:00:00 GMT": 12,
    "Retry in a minute": 60,
    "retry your call in one hour": 3600,
    "Your limit resets in 2 hours, 5 minutes": 7500,
    "The quota will be renewed at 1795341600": 12,
    "resets at 1795341600000": 12,
    "retry after 1795341600": 12,
    "Retry-After: 1,000 seconds": 1000,
    "Too many calls\n retry\tafter   3\n seconds": 3,
    "Too many. Try again later, in 7 minutes": 420,
    '{"error": {"retry_after": 1.5, "code": 9}}': 1.5,
    '{\\"retryAfter\\":\\"8\\"}': 8,
    "{'retry_after_ms': 1500}": 1.5,
    '"retryAfterSeconds":7,"requestId":"4"': 7,
    "<error><retryAfter>30</retryAfter></error>": 30,
    '"resetAt":"2026-11-22T10:00:00+00:00"': 12,
    "retryAfter: -4": 0,
    "retry after 40 hours": DAY_S,
    "retry after 3 days": DAY_S,
    "100 calls per 60 seconds; retry after 4 seconds": 4,
}


@pytest.mark.parametrize("said", MESSAGES)
def test_a_message_says_when(said: str) -> None:
    assert asked(said=said) == ("message", MESSAGES[said])
    assert asked(said=said.upper()) == ("message", MESSAGES[said])
    assert asked(said=f"Request failed. {said}") == ("message", MESSAGES[said])


@pytest.mark.parametrize(
    "said",
    [
        "soon",
        "Too many requests",
        "100 calls per 60 seconds",
        "Max rate limit '100' exceeded with in '20' secs",
        "You have reached your ten_secondly_rolling limit. - RATE_LIMITS - TEN_SECONDLY_ROLLING",
        "try again later",
        "Please try again tomorrow",
        "wait as long as you like",
        "wait a few minutes",
        "Wait time exceeded 30 seconds",
        "He waited 30 s",
        "retry after 5 attempts",
        "retry after 17 percent",
        "retry after 12:30",
        "retry after 2026-11-22",
        "retry after 2026-11-22T10:00:00",  # whose ten o'clock?
        "retry after 2026-11-42T10:00:00Z",
        "retry after 5 months",
        "retry after ٣ seconds",
        "retry after NaN seconds",
        "retry after 99999999999999999999",
        "retry after 99999999999999999999 seconds",
        "Limit resets every 60 seconds",
        "preset in 5 seconds",
        "Your token expires in 1 hour",
        "x" * 4096 + " retry after 5 seconds",
    ],
)
def test_no_time_is_read_into_a_message(said: str) -> None:
    assert asked(said=said) is None


WORDS = [*MESSAGES, "retry", "after", "try again in", "wait", "9", "-", "1.5", "minutes", "s", ":", '"', "an", "and", "NaN"]
texts = st.one_of(st.text(max_size=300), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
values = st.one_of(texts, st.floats().map(str), st.integers().map(str), st.from_regex(r'"[a-z]*";r=\d{1,3};t=-?\d{1,15}', fullmatch=True))
names = st.sampled_from(["Retry-After", "RateLimit", "RateLimit-Reset", "X-RateLimit-Reset", "X-RateLimit-Reset-After", "Date",
                         "X-RateLimit-Remaining"])  # fmt: skip


@given(st.lists(st.tuples(names, values), max_size=4), texts, st.floats(0, 4e9))
@example([("Retry-After", "9999999999999"), ("Date", "Thu, 01 Jan 1970 00:00:00 GMT")], "", NOW)
def test_whatever_is_said_it_is_a_time_within_a_day_or_nothing(fields: list[tuple[str, str]], said: str, now: float) -> None:
    found = stay_away(Headers(fields), said, now)

    assert found is None or (isinstance(found, StayAway) and 0 <= found.seconds <= LONGEST_S)


SLOW = [
    "try " * 2000,
    "try in " + "for " * 2000,
    "retry after " * 1000,
    "retry after sun, " + "1 " * 3000,
    "resets a b c d e at " * 300,
    "wait 1s" + ", 1s" * 2000,
    '"\\' * 4000,
    '"\\' * 500,
    " " * 9000,
]


@pytest.mark.parametrize("text", SLOW, ids=range(len(SLOW)))
def test_no_text_takes_long_to_read(text: str) -> None:
    started = perf_counter()
    stay_away(Headers([("RateLimit", text), ("Retry-After", text), ("X-RateLimit-Reset", text)]), text, NOW)

    assert perf_counter() - started < 0.5  # some milliseconds; a runaway expression needs hours
