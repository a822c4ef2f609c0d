"""When to come back, as a provider's message says it in prose or in a member: "Please try again in 2 minutes", ``"retryAfter": 5``.

A time counts only behind words that mean coming back: the 60 seconds of "100 calls per 60 seconds" are no delay. Every repetition
is bounded, so that no text takes long to read.
"""

from __future__ import annotations

import re

from gateway.cache.freshness import http_date
from gateway.limits.moments import by_size, timestamp

MOST_SIGNS = 4096

_FILLER = r"(?: (?:about|around|approximately|roughly|at least|another|for|until|up to|time|period|is|of|waiting|additional)){0,4}?"
_ASIDE = r"(?:,? [a-z]{1,12}){0,5}?"
_PROSE = (
    rf"(?:(?:try|retry|retried|retrying){_ASIDE},? (?:in|after|at)"
    rf"|(?:available|resets?|lifted|unlocked|renewed|replenished){_ASIDE},? (?:in|after|at|on)"
    rf"|wait){_FILLER}"
)
_NAMES = (
    r"(?:retry[-_ ]?after(?:[-_ ]?(?:in[-_ ]?)?(?P<unit>ms|millis|milliseconds|s|secs?|seconds|minutes))?"
    r"|(?:retry|reset)s?[-_ ]?(?:at|on|time))(?![a-z])"
)
_BETWEEN = r"[\"'\\:=>~( ]{0,6}"

_UNIT = r"(?:milliseconds?|millis|msecs?|ms|second(?:s|\(s\))?|secs?|s|minute(?:s|\(s\))?|mins?|m|hour(?:s|\(s\))?|hrs?|h|days?|d)(?![a-z])"
_AMOUNT = rf"(?:\d{{1,9}}(?:,\d{{3}}){{0,2}}(?:\.\d{{1,6}})?[ -]?{_UNIT}|(?:an?|one) (?:second|minute|hour|day)(?![a-z]))"
_MOMENT = (
    r"(?P<stamp>\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)? ?(?:(?:z|utc|gmt)(?![a-z])|[+-]\d\d:?\d\d))"
    r"|(?P<date>(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}, [a-z0-9 :-]{15,25}? gmt)"
    rf"|(?P<span>{_AMOUNT}(?:(?:,| and|, and)? ?{_AMOUNT}){{0,3}})"
)
_ENDS = r"(?![.,]?\d)(?![a-z_%:-]| [a-z])"

# A name may be followed by a bare number, prose only by one that can be nothing but a count since 1970.
_NAMED = re.compile(rf"(?<![a-z]){_NAMES}{_BETWEEN}(?:{_MOMENT}|(?P<bare>-?\d{{1,13}}(?:\.\d{{1,9}})?){_ENDS})", re.ASCII)
_SPOKEN = re.compile(rf"(?<![a-z]){_PROSE}{_BETWEEN}(?:{_MOMENT}|(?P<bare>1\d{{9}}(?:\d{{3}})?){_ENDS})", re.ASCII)
_PART = re.compile(rf"(?P<count>\d[\d.,]*|(?:an?|one) )[ -]?(?P<unit>{_UNIT})", re.ASCII)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def message_delay(said: str, now: float) -> float | None:
    """Seconds from ``now`` (since 1970) until what ``said`` names, None where it names no time. Its first 4,096 signs are looked at."""
    text = " ".join(said[:MOST_SIGNS].lower().split())
    for form in (_NAMED, _SPOKEN):
        for match in form.finditer(text):
            found = _delay(match.groupdict(), now)
            if found is not None:
                return found
    return None


def _delay(part: dict[str, str | None], now: float) -> float | None:
    if part["span"]:
        return sum(_amount(amount) for amount in _PART.finditer(part["span"]))
    if part["bare"]:
        value, unit = float(part["bare"]), part.get("unit")
        return value * _unit_s(unit) if unit else by_size(value, now)
    moment = timestamp(part["stamp"]) if part["stamp"] else http_date(part["date"], now)
    return None if moment is None else moment - now


def _amount(part: re.Match[str]) -> float:
    count = part["count"].replace(",", "")
    return (float(count) if count[0].isdigit() else 1.0) * _unit_s(part["unit"])


def _unit_s(unit: str) -> float:
    return 0.001 if unit.startswith(("ms", "milli")) else _SECONDS[unit[0]]
