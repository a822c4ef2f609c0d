"""Conditions of callers and of our own."""

from dataclasses import replace

import pytest

from gateway.cache.conditional import answer, conditions, not_modified
from gateway.cache.entry import Entry, Subject, draft
from gateway.cache.policy import Lifetimes
from gateway.exchange import Headers, Pair

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE = "Tue, 14 Nov 2023 22:13:19 GMT"
JSON = ("Content-Type", "application/json")


def entry(*fields: Pair) -> Entry:
    made = draft(200, Headers([JSON, ("Date", DATE), *fields]), Headers(), NOW, NOW, Lifetimes(60), Subject("acme", "hubspot"))
    assert isinstance(made, Entry)
    return replace(made, body=b"{}")


@pytest.mark.parametrize(
    ("stored", "wanted", "same"),
    [
        ([], {}, False),
        ([("ETag", '"1"')], {"If-None-Match": '"1"'}, True),
        ([("ETag", '"1"')], {"If-None-Match": 'W/"1"'}, True),
        ([("ETag", 'W/"1"')], {"If-None-Match": '"1"'}, True),
        ([("ETag", '"1"')], {"If-None-Match": '"0", W/"1" ,"2"'}, True),
        ([("ETag", '"1,2"')], {"If-None-Match": '"0", "1,2"'}, True),
        ([("ETag", '"1"')], {"If-None-Match": '"2"'}, False),
        ([("ETag", "bare")], {"If-None-Match": "bare"}, True),
        ([("ETag", '"1"')], {"If-None-Match": "*"}, True),
        ([], {"If-None-Match": "*"}, True),
        ([], {"If-None-Match": '"1"'}, False),
        ([("Last-Modified", DATE)], {"If-Modified-Since": DATE}, True),
        ([("Last-Modified", DATE)], {"If-Modified-Since": BEFORE}, False),
        ([("Last-Modified", DATE)], {"If-Modified-Since": "nonsense"}, False),
        ([], {"If-Modified-Since": DATE}, True),  # Date stands in for Last-Modified
        ([], {"If-Modified-Since": BEFORE}, False),
        ([("Last-Modified", DATE)], {"If-None-Match": "", "If-Modified-Since": DATE}, False),
        ([("ETag", '"1"'), ("Last-Modified", DATE)], {"If-None-Match": '"2"', "If-Modified-Since": DATE}, False),
    ],
)
def test_what_a_caller_has_already(stored: list[Pair], wanted: dict[str, str], same: bool) -> None:
    assert not_modified(entry(*stored), Headers(wanted.items()), NOW) is same


def test_a_304_says_what_a_cache_needs_and_no_more() -> None:
    stored = entry(
        ("ETag", '"1"'), ("Vary", "X"), ("Cache-Control", "max-age=9"), ("Elements-Request-Id", "5f"), ("Content-Location", "/a")
    )

    response = answer(stored, Headers([("If-None-Match", '"1"')]), NOW + 3.9)

    assert (response.status, response.body) == (304, b"")
    assert response.headers.pairs == (
        ("Date", DATE),
        ("ETag", '"1"'),
        ("Vary", "X"),
        ("Cache-Control", "max-age=9"),
        ("Content-Location", "/a"),
        ("Age", "3"),
    )


def test_a_hit_has_the_stored_fields_the_age_and_the_body_itself() -> None:
    stored = entry(("X-A", "1"), ("X-A", "2"), ("Age", "7"))

    response = answer(stored, Headers(), NOW)

    assert response.headers.pairs == (JSON, ("Date", DATE), ("X-A", "1"), ("X-A", "2"), ("Age", "7"))
    assert response.body is stored.body


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ([], ()),
        ([("ETag", 'W/"1"')], (("If-None-Match", 'W/"1"'),)),
        ([("Last-Modified", DATE)], (("If-Modified-Since", DATE),)),
        ([("Last-Modified", DATE), ("ETag", '"1"')], (("If-None-Match", '"1"'), ("If-Modified-Since", DATE))),
    ],
)
def test_what_we_ask_the_origin(stored: list[Pair], asked: tuple[Pair, ...]) -> None:
    assert conditions(entry(*stored)) == asked
