"""Whatever an upstream or a caller writes into the fields that a cache reads: no exception, nothing kept that is forbidden, and nothing
fresh for longer than something in it allows."""

from __future__ import annotations

import re
from email.utils import formatdate, parsedate_to_datetime
from itertools import chain

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.cache import Lifetimes
from gateway.cache.conditional import answer, conditions
from gateway.cache.control import FOREVER_S
from gateway.cache.entry import Entry, Subject, draft, fits, renewed, selected
from gateway.cache.freshness import http_date, wishes
from gateway.exchange import Headers, Pair

NOW = 1_700_000_000.0
CONFIGURED = Lifetimes(60, 30, 90, 10)
SUBJECT = Subject("acme", "hubspot")

NAMES = ["max-age", "s-maxage", "Max-Age", "stale-while-revalidate", "stale-if-error", "no-cache", "no-store", "private", "public", "foo"]
MORE = ["must-revalidate", "must-understand", "proxy-revalidate"]
numbers = st.sampled_from(
    ["0", "1", "60", "-5", "+5", "1.5", "1e9", "2147483648", "99999999999999999999999", "0x10", "٣", "5 5", "5;a=1", "", "∞"]
)
octets = st.text(st.characters(max_codepoint=255), max_size=12)
quoted = st.sampled_from(['"5"', '"', '"a, b"', '"\\""', "'5'", '"no-store"', '"set-cookie"', '""', '"a', 'b"'])
members = st.builds(
    lambda name, sign, value: f"{name}{sign}{value}",
    st.sampled_from(NAMES + MORE) | octets,
    st.sampled_from(["", "=", " = ", "==", ":"]),
    numbers | quoted | octets,
)
lists = st.lists(members | st.just(""), max_size=6).flatmap(
    lambda found: st.sampled_from([", ", ",", " ,\t", ";", " "]).map(lambda comma: comma.join(found))
)
DATES = [formatdate(NOW + offset, usegmt=True) for offset in (-1e9, -100, 0, 100, 1e9)]
ODD_DATES = [
    *("0", "-1", "now", "14 Nov 2023", "Tue, 31 Feb 2023 00:00:00 GMT", "Tue, 14 Nov 0000 22:13:20 GMT", "Tue, 14 Nov 2023 25:61:61 GMT"),
    *("Tuesday, 14-Nov-23 22:13:20 GMT", "Tue Nov 14 22:13:20 2023", "Tue Nov  4 22:13:20 2023", "Tue, 14 Nov 9999 22:13:20 GMT"),
    *("Tue, 14 Nov 2023 22:13:20", "Tue, 14 Nov 2023 22:13:20 +0100", "Tue, 14 Nov 2023 22:13:60 GMT", "Tue, 14 Foo 2023 22:13:20 GMT"),
    *("Tue, 14 Nov 12023 22:13:20 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"),
]
dates = st.sampled_from(DATES + ODD_DATES) | octets
tags = st.sampled_from(['"a"', 'W/"a"', "a", '"', '""', "*", 'w/"a"', '"a", "b"']) | octets
VALUES = {
    "Cache-Control": lists,
    "CDN-Cache-Control": lists,
    "Expires": dates,
    "Date": dates,
    "Last-Modified": dates,
    "Age": numbers | lists,
    "ETag": tags,
    "Vary": st.lists(st.sampled_from(["*", "X-A", "accept-encoding", ""]) | octets, max_size=4).map(",".join),
    "Connection": lists,
    "Content-Length": numbers,
    "Content-Encoding": st.sampled_from(["gzip", "", ","]),
    "Content-Type": st.sampled_from(["application/json", "text/plain;", "", ";", "application/octet-stream"]) | octets,
    "Content-Range": st.sampled_from(["bytes 0-1/2", "bytes */*", ""]) | octets,
}
ASKED = {
    "Cache-Control": lists,
    "Pragma": lists,
    "If-None-Match": tags,
    "If-Modified-Since": dates,
    "Range": st.sampled_from(
        ["bytes=0-1", "bytes=-1", "bytes=1-", "bytes=-", "bytes=2-1", "bytes=0-0,2-3", "bytes=99999999999999999999-", "lines=1-2"]
    )
    | octets,
    "If-Range": tags | dates,
    "X-A": octets,
}


def messages(values: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[Headers]:
    """Any of the fields, any number of times, in any order."""
    one = st.sampled_from(list(values)).flatmap(lambda name: values[name].map(lambda value: (name, value)))
    return st.lists(one, max_size=8).map(Headers)


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from([200, 203, 204, 206, 299, 301, 304, 404, 500, 599]),
    messages(VALUES),
    messages(ASKED),
    messages(VALUES),
    st.floats(-10, 1e9),
)
def test_nothing_raises_and_nothing_is_fresh_for_longer_than_something_allows(
    status: int, said: Headers, asked: Headers, later: Headers, passed: float
) -> None:
    wishes(asked)
    entry = draft(status, said, asked, NOW, NOW, CONFIGURED, SUBJECT)
    if isinstance(entry, str):
        assert re.fullmatch(r"[a-z-]+", entry)
        return
    entry = Entry(**{name: getattr(entry, name) for name in Entry.__slots__} | {"body": b"0123456789"})
    check_lifetime(entry, said)
    assert fits(entry, asked)
    assert selected((entry,), asked) is entry
    conditions(entry)
    whole = answer(entry, asked, NOW + passed)
    assert whole.status in (status, 206, 304, 416)
    assert re.fullmatch(r"\d{1,10}", whole.headers.getall("age")[-1])
    again = renewed(entry, later, Headers(), NOW + passed, NOW + passed, CONFIGURED)
    if again is not None:
        check_lifetime(again, Headers((*said.pairs, *later.pairs)))
        assert again.body == entry.body


def check_lifetime(entry: Entry, said: Headers) -> None:
    """Each run of digits in what speaks of caching counts as a number of seconds, each date that Python can read as a moment."""
    seconds = [float(run) for name in ("cache-control", "cdn-cache-control") for run in re.findall(r"\d+", said.get(name) or "")]
    moments = list(chain.from_iterable(moment(value) for value in said.getall("expires")))
    origins = [entry.received, *chain.from_iterable(moment(value) for value in said.getall("date"))]
    explained = entry.initial_age  # a configured lifetime counts from the arrival, so how old it was by Date comes on top
    allowed = [0.0, *seconds, *(until - origin for until in moments for origin in origins), CONFIGURED.ttl + explained]
    assert entry.lifetime <= min(max(allowed), max(FOREVER_S, max(moments, default=0.0) * 2 + explained + CONFIGURED.ttl))
    assert entry.initial_age >= 0
    assert 0 <= entry.while_revalidating <= max([CONFIGURED.stale_while_revalidate, *seconds])
    assert 0 <= entry.if_error <= max([CONFIGURED.stale_if_error, *seconds])


def moment(value: str) -> list[float]:
    try:
        return [parsedate_to_datetime(value.strip()).timestamp()]
    except (ValueError, OverflowError):
        # RFC 9110 §5.6.7 lets a leap second be; Python does not.
        return moment(value.replace(":60 ", ":59 ")) if ":60 " in value else []


STORABLE = (("Content-Type", "application/json"), ("ETag", '"a"'))  # and so kept for the configured time where nothing forbids it
noise = st.lists(
    st.sampled_from(["foo", "max-age=60", "bar=1", 'x="a, b"', "max-age", "=", "a b", "", "public", "s-maxage=9999"]), max_size=5
)
unclosed = st.sampled_from(["", 'x="', '"', "x='", 'x="\\'])


@settings(deadline=None)
@given(st.sampled_from(["no-store", "private", "No-Store", "PRIVATE"]), noise, unclosed, noise, st.booleans())
def test_what_forbids_is_found_between_any_others(word: str, before: list[str], odd: str, after: list[str], apart: bool) -> None:
    """An opening quote that is never closed opens nothing."""
    after = [member for member in after if '"' not in member]
    lines = [", ".join([*before, odd]), word, ", ".join(after)]
    fields: list[Pair] = [("Cache-Control", line) for line in lines] if apart else [("Cache-Control", ", ".join(lines))]
    assert isinstance(draft(200, Headers([*fields, *STORABLE]), Headers(), NOW, NOW, CONFIGURED, SUBJECT), str)


@settings(deadline=None)
@given(noise, unclosed, st.sampled_from(["no-cache", "no-cache=", "NO-CACHE"]))
@example([], "", 'no-cache=""')
def test_what_is_to_be_asked_for_each_time_is_never_fresh(before: list[str], odd: str, word: str) -> None:
    fields = Headers([("Cache-Control", ", ".join([*before, odd, word])), *STORABLE])
    entry = draft(200, fields, Headers(), NOW, NOW, CONFIGURED, SUBJECT)
    assert isinstance(entry, str) or (entry.lifetime == 0 and entry.while_revalidating == 0 and entry.if_error == 0)


@pytest.mark.parametrize("names", ['"x-a', "@", '"x-a, @"', '"x a"'])
@pytest.mark.parametrize("word", ["no-cache", "private"])
def test_a_list_of_names_that_is_none_means_the_whole_answer(word: str, names: str) -> None:
    """RFC 9111 §4.2.1: what is in doubt is stale. Which fields were meant nobody knows, so all of them are."""
    entry = draft(200, Headers([("Cache-Control", f"{word}={names}"), *STORABLE]), Headers(), NOW, NOW, CONFIGURED, SUBJECT)
    assert isinstance(entry, str) or (entry.lifetime == 0 and word == "no-cache")


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["X-A", "", " ", "a b", "**", "accept"]), max_size=4),
    st.lists(st.sampled_from(["X-B", ""]), max_size=3),
    st.booleans(),
)
def test_a_star_anywhere_in_vary_fits_nobody(before: list[str], after: list[str], apart: bool) -> None:
    names = [*before, " * ", *after]
    fields = [("Vary", name) for name in names] if apart else [("Vary", ",".join(names))]
    assert draft(200, Headers([*fields, ("Cache-Control", "max-age=60")]), Headers(), NOW, NOW, CONFIGURED, SUBJECT) == "vary"


@given(st.integers(0, 253_402_300_799))
def test_each_of_the_three_forms_of_a_date_is_read(seconds: int) -> None:
    text = formatdate(seconds, usegmt=True)
    day, number, month, year, clock, _ = text.replace(",", "").split()
    assert http_date(text, NOW) == seconds
    assert http_date(f"{day} {month} {int(number):2} {clock} {year}", NOW) == seconds
    if 1973 < int(year) < 2073:  # RFC 9110 §5.6.7: fifty years around now are certain
        assert http_date(f"{day}day, {number}-{month}-{year[2:]} {clock} GMT".replace("Wedday", "Wednesday"), NOW) == seconds
