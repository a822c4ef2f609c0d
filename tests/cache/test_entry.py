"""What may be stored, how it ages, how a 304 renews it, which variant fits."""

import math

import pytest

from gateway.cache.entry import MAX_VARIANTS, STALE_KEPT_S, Entry, Subject, draft, renewed, selected, with_variant
from gateway.cache.policy import Lifetimes
from gateway.exchange import Headers, Pair

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
JSON = ("Content-Type", "application/json;charset=UTF-8")
ACME = Subject("acme", "hubspot")
MINUTE = Lifetimes(60)


def made(*fields: Pair, ttl: float = 60.0, wanted: Headers | None = None, asked: float = NOW, received: float = NOW) -> Entry:
    entry = draft(200, Headers([JSON, *fields]), wanted or Headers(), asked, received, Lifetimes(ttl), ACME)
    assert isinstance(entry, Entry), entry
    return entry


@pytest.mark.parametrize(
    ("fields", "ttl", "outcome"),
    [
        ([JSON], 60, 60),
        ([JSON], 0, "no-freshness"),
        ([JSON, ("ETag", '"1"')], 0, 0),
        ([JSON, ("Cache-Control", "max-age=5")], 60, 5),
        ([JSON, ("Cache-Control", "max-age=0")], 60, "no-freshness"),
        ([JSON, ("Cache-Control", "max-age=0"), ("Last-Modified", DATE)], 60, 0),
        ([JSON, ("Cache-Control", "no-cache, max-age=60"), ("ETag", '"1"')], 60, 0),
        ([JSON, ("Cache-Control", "no-cache")], 60, "no-freshness"),
        ([JSON, ("Cache-Control", "no-store, max-age=60")], 60, "no-store"),
        ([JSON, ("Cache-Control", "private, max-age=60")], 60, "private"),
        ([JSON, ("Cache-Control", 'private="x"')], 60, 60),  # but for the field x
        ([JSON, ("Cache-Control", 'no-cache="x"')], 60, 60),
        ([JSON, ("Set-Cookie", "CESESSIONID=1")], 60, "set-cookie"),
        ([JSON, ("Content-Disposition", "attachment")], 60, "content-disposition"),
        ([JSON, ("Vary", "*")], 60, "vary"),
        ([JSON, ("Vary", "Accept, *")], 60, "vary"),
        ([JSON, ("Vary", "traceparent")], 60, "vary"),
        ([JSON, ("Cache-Control", "max-age=60"), ("Age", "60")], 0, "no-freshness"),
        ([], 60, "content-type"),
        ([("Content-Type", "application/pdf")], 60, "content-type"),
        ([("Content-Type", "application/pdf"), ("Cache-Control", "max-age=60")], 0, 60),
        ([("Content-Type", "text/csv")], 60, 60),
        ([("Content-Type", "application/problem+json")], 60, 60),
        ([("Content-Type", "application/xml")], 60, 60),
    ],
)
def test_what_may_be_stored(fields: list[Pair], ttl: float, outcome: float | str) -> None:
    entry = draft(200, Headers(fields), Headers(), NOW, NOW, Lifetimes(ttl), ACME)

    assert (entry if isinstance(entry, str) else entry.lifetime) == outcome


def test_age_counts_what_the_answer_says_and_what_passed() -> None:
    entry = made(("Cache-Control", "max-age=60"), ("Age", "10"), asked=NOW - 2)

    assert [entry.age(NOW), entry.age(NOW + 30)] == [12, 42]
    assert entry.is_fresh(NOW + 47)
    assert not entry.is_fresh(NOW + 48)


def test_the_configured_lifetime_counts_from_arrival_whatever_the_upstreams_clock_says() -> None:
    behind = made(("Date", "Tue, 14 Nov 2023 21:13:20 GMT"))
    assert behind.is_fresh(NOW + 59)
    assert not behind.is_fresh(NOW + 60)

    aged = made(("Age", "50"))
    assert aged.is_fresh(NOW + 9)
    assert not aged.is_fresh(NOW + 10)


def test_a_clock_that_went_back_makes_nothing_fresh() -> None:
    entry = made()

    assert entry.age(NOW - 7200) == math.inf
    assert not entry.is_fresh(NOW - 7200)
    assert entry.age(NOW - 0.01) == 0


def test_kept_past_freshness_only_with_a_validator() -> None:
    assert made().keep_until == NOW + 60
    assert made(("ETag", '"1"')).keep_until == NOW + 60 + STALE_KEPT_S


def test_fields_of_one_hop_and_one_message_are_not_stored() -> None:
    entry = made(
        ("Connection", "close, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "5"),
        ("Age", "1"),
        ("Date", DATE),
        ("Elements-Request-Id", "5f"),
    )

    assert entry.fields == (JSON, ("Date", DATE), ("Elements-Request-Id", "5f"))


def test_an_answer_without_a_date_gets_that_of_its_arrival() -> None:
    assert made().fields == (JSON, ("Date", DATE))


class TestVariants:
    def test_a_coded_answer_belongs_to_its_accept_encoding_without_vary(self) -> None:
        coded = made(("Content-Encoding", "gzip"), wanted=Headers([("Accept-Encoding", "gzip")]))

        assert selected((coded,), Headers([("Accept-Encoding", "gzip")])) is coded
        assert selected((coded,), Headers([("Accept-Encoding", "br")])) is None
        assert selected((coded,), Headers()) is None

    def test_vary_compares_with_blanks_evened_out(self) -> None:
        entry = made(("Vary", "X-Lang,  Authorization"), wanted=Headers([("X-Lang", "a, b")]))

        assert entry.varies == (("x-lang", "a,b"),)
        assert selected((entry,), Headers([("x-lang", "a"), ("X-Lang", "b")])) is entry
        assert selected((entry,), Headers([("X-Lang", "b,a")])) is None

    def test_the_newest_that_fits_is_taken_and_their_number_is_bounded(self) -> None:
        entries: tuple[Entry, ...] = ()
        for n in range(MAX_VARIANTS + 3):
            entries = with_variant(entries, made(("Vary", "X-N"), wanted=Headers([("X-N", str(n))])))
        plain = made()
        entries = with_variant(entries, plain)

        assert len(entries) == MAX_VARIANTS
        assert selected(entries, Headers([("X-N", str(MAX_VARIANTS))])) is plain

    def test_a_newer_one_takes_the_place_of_its_like(self) -> None:
        old, new = made(), made(("ETag", '"2"'))

        assert with_variant((old,), new) == (new,)


class TestRenewal:
    def test_a_304_updates_fields_and_age_but_not_the_bodys_length_and_coding(self) -> None:
        entry = made(("ETag", '"1"'), ("Date", "Tue, 14 Nov 2023 22:03:20 GMT"), ("X-A", "1"), ("X-A", "2"), ("X-B", "1"))
        answer = Headers(
            [
                ("ETag", 'W/"1"'),
                ("X-A", "3"),
                ("Content-Type", "text/plain"),
                ("Content-Length", "0"),
                ("Content-Encoding", "gzip"),
                ("Age", "5"),
            ]
        )

        fresh = renewed(entry, answer, Headers(), NOW + 99, NOW + 100, MINUTE)

        assert fresh is not None
        plain = ("Content-Type", "text/plain")
        assert fresh.fields == (("X-B", "1"), ("ETag", 'W/"1"'), ("X-A", "3"), plain, ("Date", "Tue, 14 Nov 2023 22:15:00 GMT"))
        assert fresh.age(NOW + 100) == 6
        assert fresh.is_fresh(NOW + 150)

    @pytest.mark.parametrize("field", [("ETag", '"2"'), ("Cache-Control", "no-store"), ("Vary", "*"), ("Set-Cookie", "a=b")])
    def test_a_304_that_speaks_of_something_else_or_forbids_keeping(self, field: Pair) -> None:
        assert renewed(made(("ETag", '"1"')), Headers([field]), Headers(), NOW, NOW, MINUTE) is None

    def test_the_body_and_the_secondary_key_stay(self) -> None:
        entry = made(("ETag", '"1"'), ("Vary", "X-N"), wanted=Headers([("X-N", "7")]))
        fresh = renewed(entry, Headers(), Headers([("X-N", "7")]), NOW, NOW, MINUTE)

        assert fresh is not None
        assert (fresh.body, fresh.varies) == (entry.body, entry.varies)
