"""Conditional requests: what we ask the origin about a stale entry, and what a caller's condition means for a stored one (RFC 9110 §13,
RFC 9111 §4.3)."""

from __future__ import annotations

import re

from gateway.cache.entry import Entry, age_field
from gateway.cache.freshness import http_date
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
    """What a caller gets from ``entry``: the stored 200, or a 304 where it has that already (RFC 9111 §4.3.2). The body is not copied."""
    age = age_field(entry.age(now))
    if not_modified(entry, wanted, now):
        return Response(304, Headers((*(pair for pair in entry.fields if pair[0].lower() in _TELLING), age)))
    return Response(200, Headers((*entry.fields, age)), entry.body)


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
