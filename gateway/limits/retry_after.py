"""How long to stay away, as the answer that refused a call says it: in a field, else in the provider's words (API page 2.3, 8.2).

Cloud Elements is known to pass ``Retry-After`` on for one element; whether other fields of providers arrive, no source tells. So
every form is read that providers use, the most trusted first, and what makes no sense is passed over for the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.cache.freshness import http_date
from gateway.exchange import Headers
from gateway.limits.message_times import message_delay
from gateway.limits.moments import delay, number

LONGEST_S = 86_400.0
_LONGEST_FIELD = 1024
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class StayAway:
    """``seconds`` (0 to a day) from now; ``source``: the field that says so, or ``message``."""

    seconds: float
    source: str


def stay_away(headers: Headers, said: str, now: float) -> StayAway | None:
    """What a refusal with these fields and these words of the provider asks for at ``now`` (seconds since 1970); None where nothing
    says it.

    A moment is seen from the answer's own ``Date``, where it has one, so that clocks may differ. What has passed is 0: now; what is
    further away than a day is a day.
    """
    date = http_date(headers.get("date"), now)
    at = now if date is None else date
    for source, name, remaining, read in _FIELDS:
        if name in headers and not _left(headers.get(remaining)):
            delays = [found for line in headers.getall(name) if (found := read(line, at)) is not None]
            if delays:
                return _bounded(max(delays), source)
    found = message_delay(said, at) if said else None
    return None if found is None else _bounded(found, "message")


def _bounded(seconds: float, source: str) -> StayAway:
    return StayAway(min(max(seconds, 0.0), LONGEST_S), source)


def _left(remaining: str | None) -> bool:
    """Whether a quota still has calls: then its reset is not what the refusal is about (GitHub says so of its secondary limits)."""
    return remaining is not None and (number(remaining.strip()) or 0.0) > 0


def _draft(value: str, at: float) -> float | None:
    """``"policy";r=0;t=12`` (draft-ietf-httpapi-ratelimit-headers-10, §4.1), and its older ``limit=9, remaining=0, reset=12`` (-07).

    Of several policies those that are spent count, the longest of them.
    """
    bare = _QUOTED.sub("", value) if len(value) <= _LONGEST_FIELD else '"'
    if '"' in bare:
        return None
    members = [_parameters(member.split(";")) for member in bare.split(",")]
    whole = _parameters(bare.split(","))
    if "reset" in whole:
        members = [{"r": whole.get("remaining", "0"), "t": whole["reset"]}]
    spent = [delay(member["t"], at) for member in members if "t" in member and not _left(member.get("r"))]
    return max((found for found in spent if found is not None), default=None)


def _parameters(parts: list[str]) -> dict[str, str]:
    pairs = [part.partition("=") for part in parts]
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


_FIELDS: tuple[tuple[str, str, str, Callable[[str, float], float | None]], ...] = (
    # as it is told, the field, the one that says how many calls are left, how it reads
    ("Retry-After", "retry-after", "", delay),
    ("RateLimit", "ratelimit", "", _draft),
    ("RateLimit-Reset", "ratelimit-reset", "ratelimit-remaining", delay),
    ("X-RateLimit-Reset-After", "x-ratelimit-reset-after", "x-ratelimit-remaining", delay),
    ("X-RateLimit-Reset", "x-ratelimit-reset", "x-ratelimit-remaining", delay),
    ("X-Rate-Limit-Reset", "x-rate-limit-reset", "x-rate-limit-remaining", delay),
)
