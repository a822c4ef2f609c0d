"""How long an answer may be used, and whether it satisfies a caller (RFC 9111 §4.2, §5.2). Times are seconds, ``now`` is wall time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from gateway.cache.control import FOREVER_S, Control, delta_seconds, directives
from gateway.exchange import Headers

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"
_CLOCK = r"(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)"
# RFC 9110 §5.6.7: IMF-fixdate, RFC 850, asctime. A recipient accepts all three.
_DATE = re.compile(
    rf"{_DAY}, (?:(?P<d>\d\d) (?P<mon>[a-z]{{3}}) (?P<y>\d{{4}})|(?P<d2>\d\d)-(?P<mon2>[a-z]{{3}})-(?P<y2>\d\d)) {_CLOCK} gmt"
    rf"|{_DAY} (?P<mon3>[a-z]{{3}}) (?P<d3>[ \d]\d) {_CLOCK.replace('<', '<x')} (?P<y3>\d{{4}})",
    re.IGNORECASE | re.ASCII,
)


def http_date(value: str | None, now: float) -> float | None:
    """Seconds since the epoch of an HTTP-date (RFC 9110 §5.6.7), None where it is none."""
    # The longest, in RFC 850's form, has 33 characters.
    return _moment(value, datetime.fromtimestamp(now, UTC).year) if value and len(value) < 40 else None


@lru_cache(maxsize=256)
def _moment(value: str, this_year: int) -> float | None:
    match = _DATE.fullmatch(value.strip())
    if not match:
        return None
    part = match.groupdict()
    year = int(part["y"] or part["y2"] or part["y3"])
    if part["y2"]:
        # More than fifty years ahead means the century before.
        year += this_year - this_year % 100
        year -= 100 if year > this_year + 50 else 0
    month = (part["mon"] or part["mon2"] or part["mon3"]).lower()
    day = int(part["d"] or part["d2"] or part["d3"])
    hour, minute, second = (int(part[name] or part["x" + name]) for name in "hms")
    try:
        # A leap second counts as the one before.
        moment = datetime(year, _MONTHS.index(month) + 1, day, hour, minute, second - (second == 60), tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp()


def explicit_lifetime(headers: Headers, control: Control, received: float) -> float | None:
    """What the answer itself allows, counted from its generation (RFC 9111 §4.2.1); None where it says nothing.

    This is a shared cache (several callers of one instance), so ``s-maxage`` goes before ``max-age`` (§5.2.2.10) before
    ``Expires`` less ``Date`` (§5.3). What cannot be read is stale: 0.
    """
    if control.s_maxage is not None:
        return control.s_maxage
    if control.max_age is not None:
        return control.max_age
    lines = () if control.targeted else headers.getall("expires")
    if not lines:
        return None
    expires = http_date(lines[0], received) if len(lines) == 1 else None
    date = http_date(headers.get("date"), received)
    return max(0.0, expires - (received if date is None else date)) if expires is not None else 0.0


def initial_age(headers: Headers, asked: float, received: float) -> tuple[float, float]:
    """(corrected initial age, the part of it that ``Age`` and the way explain) (RFC 9111 §4.2.3).

    ``asked`` and ``received`` are when the request left and when the head of the answer came. Of an ``Age`` with several members
    the first counts, one that cannot be read does not (§5.1).
    """
    stated = delta_seconds((headers.get("age") or "").partition(",")[0].strip()) or 0.0
    corrected = stated + max(0.0, received - asked)
    date = http_date(headers.get("date"), received)
    apparent = 0.0 if date is None else max(0.0, received - date)
    return max(apparent, corrected), corrected


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller demands of a stored answer (RFC 9111 §5.2.1). ``max-stale`` is not among it: callers tighten, never loosen."""

    no_store: bool = False
    no_cache: bool = False
    only_if_cached: bool = False
    max_age: float = FOREVER_S
    min_fresh: float = 0.0

    def allow(self, age: float, lifetime: float) -> bool:
        """Whether a fresh answer of this ``age`` and ``lifetime`` may be used without asking the origin."""
        return not self.no_cache and age <= self.max_age and lifetime - age >= self.min_fresh

    def allow_stale(self, age: float) -> bool:
        """Whether an answer of this ``age`` that is no longer fresh may be used, where policy allows it."""
        return not self.no_cache and age <= self.max_age and not self.min_fresh


ANYTHING = Wishes()


def wishes(headers: Headers) -> Wishes:
    """The caller's wishes. A number that cannot be read is taken at its strictest."""
    value = headers.get("cache-control")
    if value is None:
        # RFC 9111 §5.4: Pragma speaks only where Cache-Control does not.
        pragma = headers.get("pragma")
        return Wishes(no_cache=True) if pragma and "no-cache" in directives(pragma) else ANYTHING
    control = directives(value)
    return Wishes(
        no_store="no-store" in control,
        no_cache="no-cache" in control,
        only_if_cached="only-if-cached" in control,
        max_age=(delta_seconds(control["max-age"]) or 0.0) if "max-age" in control else FOREVER_S,
        min_fresh=_or(delta_seconds(control["min-fresh"]), FOREVER_S) if "min-fresh" in control else 0.0,
    )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
