"""Conditional requests: what we ask the origin about a stale entry, and what a caller's condition means for a stored one (RFC 9110 §13,
RFC 9111 §4.3); what a caller gets from an entry."""

from __future__ import annotations

import re

from gateway.cache.entry import Entry, age_field
from gateway.cache.freshness import http_date
from gateway.cache.ranges import if_range_holds, single_range
from gateway.exchange import Headers, Pair, Response

_ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')
# RFC 9110 §15.4.5. Last-Modified guides a caller's own cache where there is no ETag.
_TELLING = frozenset({"content-location", "date", "etag", "vary", "cache-control", "expires", "last-modified"})


def conditions(entry: Entry) -> tuple[Pair, ...]:
    """The fields that ask the origin whether ``entry`` still holds (RFC 9111 §4.3.1); they stand in for the caller's own conditions."""
    asked = []
    if entry.etag is not None:
        asked.append(("If-None-Match", entry.etag))
    if entry.last_modified is not None:
        asked.append(("If-Modified-Since", entry.last_modified))
    return tuple(asked)


def answer(entry: Entry, wanted: Headers, now: float) -> Response:
    """What a caller gets from ``entry``: the stored answer, the part of it that ``Range`` asks for, or a 304 where the caller has it
    already (RFC 9111 §4.3.2; RFC 9110 §13.2.2: conditions go before ranges). The body is not copied, except a part of it."""
    age = age_field(entry.age(now))
    if entry.status == 200:
        if ("if-none-match" in wanted or "if-modified-since" in wanted) and not_modified(entry, wanted, now):
            return Response(304, Headers((*(pair for pair in entry.fields if pair[0].lower() in _TELLING), age)))
        if "range" in wanted and if_range_holds(entry, wanted, now):
            return _part(entry, wanted, age)
    return Response(entry.status, Headers((*entry.fields, age)), entry.body, entry.reason)


def _part(entry: Entry, wanted: Headers, age: Pair) -> Response:
    whole = len(entry.body)
    part = single_range(wanted.get("range"), whole)
    if part is None:
        return Response(200, Headers((*entry.fields, age)), entry.body, entry.reason)
    if part.start >= part.stop:
        return Response(416, Headers([("Content-Range", f"bytes */{whole}"), age]))
    place = ("Content-Range", f"bytes {part.start}-{part.stop - 1}/{whole}")
    return Response(206, Headers((*entry.fields, place, age)), entry.body[part])


def not_modified(entry: Entry, wanted: Headers, now: float) -> bool:
    """Whether the caller's own condition says that it has this representation.

    ``If-None-Match`` compares weakly (RFC 9110 §13.1.2) and, where it is there, silences ``If-Modified-Since`` (§13.1.3).
    """
    tags = wanted.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or _names(tags, entry.etag)
    since = wanted.get("if-modified-since")
    if since is None:
        return False
    moment = http_date(since, now)
    return moment is not None and _changed(entry, now) <= moment


def _names(tags: str, etag: str | None) -> bool:
    if etag is None:
        return False
    opaque = etag.removeprefix("W/")
    return tags.strip() == etag or any(tag.removeprefix("W/") == opaque for tag in _ENTITY_TAG.findall(tags))


def _changed(entry: Entry, now: float) -> float:
    """When the representation changed at the latest: Last-Modified, else Date, else when it came (RFC 9111 §4.3.2)."""
    for value in (entry.last_modified, Headers(entry.fields).get("date")):
        moment = http_date(value, now)
        if moment is not None:
            return moment
    return entry.received
