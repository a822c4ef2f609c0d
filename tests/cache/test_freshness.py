"""Freshness, age and callers' wishes as RFC 9111 has them."""

import pytest

from gateway.cache.control import FOREVER_S, Control, control_of, delta_seconds, directives
from gateway.cache.freshness import ANYTHING, explicit_lifetime, http_date, initial_age, wishes
from gateway.exchange import Headers

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {}),
        ("", {}),
        (",, ,", {}),
        ("max-age=60", {"max-age": "60"}),
        ("Max-Age=60 , NO-STORE", {"max-age": "60", "no-store": None}),
        ('max-age="60"', {"max-age": "60"}),
        ("max-age=1, max-age=2", {"max-age": "1"}),
        ('private="x, no-store", max-age=5', {"private": "x, no-store", "max-age": "5"}),
        ('ext="a\\", no-store"', {"ext": 'a\\", no-store'}),
        ("max-age=", {"max-age": ""}),
        ('no-cache="unclosed, max-age=9', {"no-cache": '"unclosed', "max-age": "9"}),
    ],
)
def test_directives(value: str | None, expected: dict[str, str | None]) -> None:
    assert directives(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("60", 60),
        ("007", 7),
        ("", None),
        (None, None),
        ("-1", None),
        ("1.5", None),
        ("1 ", None),
        ("abc", None),
        ("²", None),
        ("2147483649", FOREVER_S),
        ("9" * 10_000, FOREVER_S),
        ("0" * 10_000 + "5", 5),
    ],
)
def test_delta_seconds(value: str | None, expected: float | None) -> None:
    assert delta_seconds(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (DATE, NOW),
        ("Tuesday, 14-Nov-23 22:13:20 GMT", NOW),
        ("Tue Nov 14 22:13:20 2023", NOW),
        ("Sun Nov  6 08:49:37 1994", 784_111_777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        ("Tue, 14 Nov 2023 22:13:60 GMT", NOW + 39),
        ("0", None),
        ("-1", None),
        ("", None),
        (None, None),
        ("Tue, 14 Nov 2023 22:13:20 AEST", None),
        ("Tue, 14 Nov 2023 22:13:20", None),
        ("Tue, 31 Feb 2023 22:13:20 GMT", None),
        ("Tue, 14 Foo 2023 22:13:20 GMT", None),
        ("Tue, 14 Nov 2023 25:13:20 GMT", None),
        (DATE + ", " + DATE, None),
        ("Mon, 01 Jan 0000 00:00:00 GMT", None),
    ],
)
def test_http_date(value: str | None, expected: float | None) -> None:
    assert http_date(value, NOW) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"Cache-Control": "max-age=60"}, 60),
        ({"Cache-Control": "max-age=60, s-maxage=10"}, 10),
        ({"Cache-Control": "max-age=60", "Expires": DATE}, 60),
        ({"Cache-Control": "max-age=abc"}, 0),
        ({"Cache-Control": "max-age"}, 0),
        ({"Cache-Control": "s-maxage=-5, max-age=60"}, 0),
        ({"Cache-Control": "public"}, None),
        ({"Date": DATE, "Expires": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60),
        ({"Expires": "Tue, 14 Nov 2023 22:14:20 GMT"}, 55),  # without Date, from when it came
        ({"Date": DATE, "Expires": "Tue, 14 Nov 2023 22:12:20 GMT"}, 0),
        ({"Date": DATE, "Expires": "0"}, 0),
        ({"Date": "nonsense", "Expires": "Tue, 14 Nov 2023 22:14:20 GMT"}, 55),
    ],
)
def test_explicit_lifetime(fields: dict[str, str], expected: float | None) -> None:
    headers = Headers(fields.items())
    assert explicit_lifetime(headers, control_of(headers), NOW + 5) == expected


def test_two_expires_are_stale() -> None:
    later = "Tue, 14 Nov 2033 22:14:20 GMT"
    assert explicit_lifetime(Headers([("Expires", later), ("Expires", later)]), Control(), NOW) == 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], (2, 2)),  # the way took two seconds
        ([("Age", "30")], (32, 32)),
        ([("Age", "30"), ("Age", "0")], (32, 32)),
        ([("Age", "-30")], (2, 2)),
        ([("Age", "7200.5")], (2, 2)),
        ([("Age", "99999999999999")], (FOREVER_S + 2, FOREVER_S + 2)),
        ([("Date", "Tue, 14 Nov 2023 22:12:20 GMT")], (60, 2)),
        ([("Date", "Tue, 14 Nov 2033 22:12:20 GMT"), ("Age", "5")], (7, 7)),  # a clock ahead of ours explains nothing
        ([("Date", "Tue, 14 Nov 2023 22:12:20 GMT"), ("Age", "70")], (72, 72)),
    ],
)
def test_initial_age(fields: list[tuple[str, str]], expected: tuple[float, float]) -> None:
    assert initial_age(Headers(fields), NOW - 2, NOW) == expected


@pytest.mark.parametrize(
    ("fields", "age", "lifetime", "allowed"),
    [
        ({}, 59, 60, True),
        ({"Cache-Control": "max-age=10"}, 10, 60, True),
        ({"Cache-Control": "max-age=10"}, 11, 60, False),
        ({"Cache-Control": "max-age=nonsense"}, 1, 60, False),
        ({"Cache-Control": "min-fresh=10"}, 50, 60, True),
        ({"Cache-Control": "min-fresh=10"}, 51, 60, False),
        ({"Cache-Control": "min-fresh=nonsense"}, 1, 60, False),
        ({"Cache-Control": "no-cache"}, 0, 60, False),
        ({"Cache-Control": "max-stale=1000"}, 1, 60, True),
        ({"Pragma": "no-cache"}, 0, 60, False),
        ({"Pragma": "no-cache", "Cache-Control": "max-age=10"}, 0, 60, True),
        ({"Pragma": "other"}, 0, 60, True),
    ],
)
def test_what_a_caller_accepts(fields: dict[str, str], age: float, lifetime: float, allowed: bool) -> None:
    assert wishes(Headers(fields.items())).allow(age, lifetime) is allowed


def test_flags_of_a_caller() -> None:
    wanted = wishes(Headers([("Cache-Control", "no-store, only-if-cached")]))

    assert (wanted.no_store, wanted.only_if_cached, wanted.no_cache) == (True, True, False)
    assert wishes(Headers()) is ANYTHING
