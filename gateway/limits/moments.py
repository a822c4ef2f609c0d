"""Moments as providers write them into fields: so many seconds, a count since 1970, an HTTP-date, a date of RFC 3339."""

from __future__ import annotations

import re
from datetime import datetime

from gateway.cache.freshness import http_date

LONGEST_VALUE = 100
_TEN_YEARS_S = 315_576_000.0
_MILLISECONDS_FROM = 1e11  # as seconds that were the year 5138
# More digits than milliseconds of this and the next centuries have are no time at all.
_NUMBER = re.compile(r"[+-]?(?:\d{1,13}(?:\.\d{0,9})?|\.\d{1,9})", re.ASCII)
# RFC 3339 §5.6, and the ways in which it is commonly missed. Without a zone it says nothing: whose ten o'clock?
_TIMESTAMP = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[Tt ](?P<clock>\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(?P<zone>[Zz]|UTC|GMT|[+-]\d\d:?\d\d)",
    re.ASCII | re.IGNORECASE,
)


def number(value: str) -> float | None:
    """A plain decimal number, None for anything else: no exponent, no NaN, no foreign digits."""
    return float(value) if len(value) <= LONGEST_VALUE and _NUMBER.fullmatch(value) else None


def by_size(value: float, now: float) -> float:
    """Seconds from ``now`` (seconds since 1970): below ten years ``value`` is a delay, else a count since 1970, of milliseconds where it
    is that large."""
    if value < _TEN_YEARS_S:
        return value
    return (value / 1000 if value > _MILLISECONDS_FROM else value) - now


def timestamp(value: str) -> float | None:
    """Seconds since 1970 of a date and time with its zone (RFC 3339), None for anything else."""
    match = _TIMESTAMP.fullmatch(value) if len(value) <= LONGEST_VALUE else None
    if match is None:
        return None
    zone = match["zone"] if match["zone"][0] in "+-" else "+00:00"
    try:
        return datetime.fromisoformat(f"{match['day']}T{match['clock']}{zone}").timestamp()
    except ValueError:
        return None


def delay(value: str, now: float) -> float | None:
    """Seconds from ``now`` until what ``value`` says in any of these forms, negative where that has passed; None where it is none."""
    value = value.strip(" \t").strip('"')
    amount = number(value)
    if amount is not None:
        return by_size(amount, now)
    moment = http_date(value, now)
    if moment is None:
        moment = timestamp(value)
    return None if moment is None else moment - now
