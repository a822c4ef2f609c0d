"""What may be kept, and which of its fields (RFC 9111 §3, §3.1, §5.2.2)."""

from __future__ import annotations

import pytest

from gateway.cache.control import control_of
from gateway.cache.entry import Entry, Subject, draft
from gateway.cache.policy import Lifetimes
from gateway.cache.storability import NOT_STORED, refusal_to_store, storable_fields
from gateway.exchange import Headers, Pair

NOW = 1_700_000_000.0
JSON = ("Content-Type", "application/json")
CONFIGURED = Lifetimes(60, negative_ttl=9)


def refusal(status: int, *fields: Pair) -> str | None:
    headers = Headers(fields)
    return refusal_to_store(status, headers, control_of(headers))


def kept(status: int, *fields: Pair, lifetimes: Lifetimes = CONFIGURED) -> float | str:
    """For how long, or why not."""
    entry = draft(status, Headers(fields), Headers(), NOW, NOW, lifetimes, Subject("acme", "hubspot"))
    return entry.lifetime if isinstance(entry, Entry) else entry


@pytest.mark.parametrize("status", [100, 101, 102, 103, 199, 206, 304, 401, 403, 407, 416, 429])
def test_never_kept_whatever_they_say(status: int) -> None:
    assert refusal(status) == "status"
    assert kept(status, JSON, ("Cache-Control", "public, max-age=60, s-maxage=60")) == "status"


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308])
def test_kept_as_long_as_the_operator_says(status: int) -> None:
    assert kept(status, JSON) == 60


@pytest.mark.parametrize("status", [404, 405, 410, 414, 501])
def test_kept_as_long_as_the_operator_says_of_errors(status: int) -> None:
    assert kept(status, JSON) == 9
    assert kept(status, JSON, lifetimes=Lifetimes(60)) == "status"
    assert kept(status, JSON, ("Cache-Control", "public"), lifetimes=Lifetimes(60)) == "status"


@pytest.mark.parametrize("status", [201, 202, 205, 207, 299, 302, 303, 307, 400, 402, 409, 422, 451, 500, 502, 503, 504, 599])
def test_kept_only_where_the_answer_itself_says_how_long_or_that_it_is_public(status: int) -> None:
    assert kept(status, JSON) == "status"
    assert kept(status, JSON, ("Cache-Control", "max-age=5")) == 5
    assert kept(status, JSON, ("Cache-Control", "public")) == 60


@pytest.mark.parametrize(
    ("value", "status", "outcome"),
    [
        ("no-store, max-age=5", 200, "no-store"),
        ("must-understand, no-store, max-age=5", 200, 5),
        ("must-understand, no-store, max-age=5", 404, 5),
        ("must-understand, no-store, max-age=5", 299, "must-understand"),
        ("must-understand, max-age=5", 299, "must-understand"),
        ("must-understand, max-age=5", 200, 5),
        ("max-age=5", 299, 5),
        ("must-understand, no-store, private, max-age=5", 200, "private"),
        ("must-understand, max-age=5", 206, "status"),
    ],
)
def test_must_understand(value: str, status: int, outcome: float | str) -> None:
    assert kept(status, JSON, ("Cache-Control", value)) == outcome


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (("Cache-Control", "private"), "private"),
        (("Cache-Control", 'private="x"'), None),
        (("Cache-Control", "no-store"), "no-store"),
        (("CDN-Cache-Control", "no-store"), "no-store"),
        (("CDN-Cache-Control", "private"), "private"),
        (("Set-Cookie", "a=b"), "set-cookie"),
        (("Content-Disposition", "inline"), "content-disposition"),
        (("Pragma", "no-cache"), None),  # a request's field (RFC 9111 §5.4)
        (("X-Other", "no-store"), None),
    ],
)
def test_what_forbids_keeping(field: Pair, reason: str | None) -> None:
    assert refusal(200, field) == reason


def test_the_targeted_field_may_allow_what_the_general_one_forbids() -> None:
    """RFC 9213 §2.2: so an origin keeps browsers from storing, and not us."""
    assert kept(200, JSON, ("Cache-Control", "no-store"), ("CDN-Cache-Control", "max-age=60")) == 60
    assert kept(200, JSON, ("Cache-Control", "max-age=60"), ("CDN-Cache-Control", "no-store")) == "no-store"
    assert kept(200, JSON, ("CDN-Cache-Control", "no-cache")) == "no-freshness"
    assert kept(200, JSON, ("CDN-Cache-Control", "public"), ("Expires", "0")) == 60


def stored(*fields: Pair) -> list[str]:
    headers = Headers(fields)
    return [name for name, _ in storable_fields(headers, control_of(headers))]


@pytest.mark.parametrize("name", [spelled for name in sorted(NOT_STORED) for spelled in (name, name.upper())])
def test_fields_of_one_hop_or_one_message_are_not_stored(name: str) -> None:
    assert stored(("X-A", "1"), (name, "x"), ("X-B", "2")) == ["X-A", "X-B"]


def test_warnings_ages_and_lengths_are_among_them() -> None:
    assert {"warning", "age", "content-length", "connection", "transfer-encoding", "set-cookie", "proxy-authenticate"} <= NOT_STORED


@pytest.mark.parametrize(
    "field",
    [
        ("Connection", "x-a"),
        ("Connection", "close, X-A ,x-c"),
        ("connection", "X-A,"),
        ("Cache-Control", 'no-cache="X-A"'),
        ("Cache-Control", 'private="x-a, x-c"'),
        ("Cache-Control", "no-cache=X-A"),
        ("CDN-Cache-Control", 'private="x-a"'),
    ],
)
def test_fields_that_are_named_are_not_stored(field: Pair) -> None:
    left = stored(("X-A", "1"), ("X-B", "1"), field, ("x-a", "2"))
    assert [name for name in left if name.startswith(("X", "x"))] == ["X-B"]


def test_what_one_names_and_the_other_names_are_both_left_out() -> None:
    assert stored(("Cache-Control", 'no-cache="x-a", private="x-b"'), ("Connection", "x-c"), ("X-A", ""), ("X-B", ""), ("X-C", "")) == [
        "Cache-Control"
    ]


def test_what_is_stored_keeps_order_spelling_and_lines() -> None:
    pairs = [("x-b", "1"), ("X-A", "\xe4"), ("X-B", "2"), ("x-b", "")]
    assert list(storable_fields(Headers(pairs), control_of(Headers(pairs)))) == pairs
