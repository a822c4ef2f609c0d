from __future__ import annotations

from math import nextafter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.limits.quota import Quota, parse_quota, seconds_until


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100/10s", Quota("100/10s", "window", 100, 10, 100)),
        ("100/s", Quota("100/s", "window", 100, 1, 100)),
        ("60/min", Quota("60/min", "window", 60, 60, 60)),
        ("1/5min", Quota("1/5min", "window", 1, 300, 1)),
        ("75000/24h", Quota("75000/24h", "window", 75000, 86400, 75000)),
        ("10/s burst 20", Quota("10/s burst 20", "gcra", 10, 1, 20)),
        ("10/2h  burst  1", Quota("10/2h burst 1", "gcra", 10, 7200, 1)),
        ("250000/day", Quota("250000/day", "day", 250000, 86400, 250000)),
        (" 9/month ", Quota("9/month", "month", 9, 0, 9)),
    ],
)
def test_each_form_of_the_contract_is_understood(text: str, expected: Quota) -> None:
    assert parse_quota(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "100", "100/", "/10s", "0/s", "00/s", "01/s", "-1/s", "1.5/s", "1e3/s", "1000000000/s", "1/0s", "1/1.5h", "1/10",
        "1/m", "1/ms", "1/d", "1/10 s", "1 /s", "1/S", "1/week", "1/2day", "1/1month", "5/day burst 2", "5/month burst 2", "5/s burst 0",
        "5/s burst", "5/s burst -1", "5/sburst 2", "5/s burst2", "5/s burst 2 burst 2", "5/s,6/s", "5/s\nx", "٣/s", "5/s burst 1000000000",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_what_was_found_and_expected(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_quota(text)
    assert '"100/10s"' in str(caught.value)
    assert repr(text) in str(caught.value)


def test_a_long_mistake_is_cut() -> None:
    with pytest.raises(ValueError) as caught:
        parse_quota("9" * 10_000)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("text", "policy", "phrase"),
    [
        ("100/10s", '"100/10s";q=100;w=10', "100 calls in 10 s"),
        ("1/s", '"1/s";q=1;w=1', "1 call in 1 s"),
        ("60/5min", '"60/5min";q=60;w=300', "60 calls in 5 min"),
        ("250000/day", '"250000/day";q=250000;w=86400', "250000 calls a day"),
        ("9/month", '"9/month";q=9', "9 calls a month"),
        ("10/s burst 20", '"10/s burst 20";q=20;w=2', "10 calls in 1 s, at most 20 at once"),
        ("10/s burst 1", '"10/s burst 1";q=1;w=1', "10 calls in 1 s, at most 1 at once"),
        ("3/s burst 10", '"3/s burst 10";q=10;w=4', "3 calls in 1 s, at most 10 at once"),
    ],
)
def test_a_quota_speaks_to_programs_and_to_people(text: str, policy: str, phrase: str) -> None:
    quota = parse_quota(text)
    assert quota.policy == policy
    assert quota.phrase == phrase


@given(st.integers(1, 999_999_999), st.integers(1, 999_999_999), st.sampled_from(["s", "min", "h"]), st.integers(1, 999_999_999))
def test_the_canonical_text_means_the_same(limit: int, count: int, unit: str, burst: int) -> None:
    for text in (f"{limit}/{count}{unit}", f"{limit}/{count}{unit} burst {burst}", f"{limit}/day"):
        quota = parse_quota(text)
        assert quota.text == text
        assert parse_quota(quota.text) == quota


moments = st.floats(0, 1e10, allow_nan=False)


@given(moments, moments)
@example(73.71, 225.79)  # 73.71 + (225.79 - 73.71) < 225.79
def test_waiting_reaches_the_moment_and_hardly_more(one: float, other: float) -> None:
    now, moment = sorted((one, other))
    wait = seconds_until(moment, now)
    assert now + wait >= moment
    assert now + wait <= nextafter(moment, 1e11)
