"""A part of a stored whole (RFC 9110 §14, RFC 9111 §3.3): pure. Only one range of octets is served; whatever else is asked goes up."""

from __future__ import annotations

import re

from gateway.cache.entry import Entry
from gateway.cache.freshness import http_date
from gateway.exchange import Headers

_RANGE = re.compile(r"bytes=[ \t]*(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))[ \t]*", re.IGNORECASE)


def single_range(value: str | None, length: int) -> slice | None:
    """The octets that a ``Range`` asks for of ``length`` ones; an empty slice where none of them exist (416), None where the value is
    not one range of octets (RFC 9110 §14.1.2, §14.2)."""
    match = _RANGE.fullmatch(value) if value else None
    if not match:
        return None
    if match[3] is not None:
        suffix = int(match[3])
        return slice(max(0, length - suffix), length) if suffix else slice(length, length)
    first, last = int(match[1]), int(match[2] or 10**18)
    if last < first:
        return None
    return slice(first, min(length, last + 1)) if first < length else slice(length, length)


def if_range_holds(entry: Entry, wanted: Headers, now: float) -> bool:
    """Whether the caller's ``If-Range`` means the stored representation: compared strongly (RFC 9110 §13.1.5)."""
    condition = wanted.get("if-range")
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return condition == entry.etag and not condition.startswith("W/")
    moment = http_date(condition, now)
    changed = http_date(entry.last_modified, now)
    dated = http_date(Headers(entry.fields).get("date"), now)
    # A date is a strong validator only where the change was well before the answer (RFC 9110 §8.8.2.2).
    return moment is not None and changed == moment and dated is not None and dated - changed >= 1.0
