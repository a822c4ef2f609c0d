"""One limit as the configuration writes it (contract 3, end): ``"100/10s"``, ``"10/s burst 20"``, ``"250000/day"``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf, nextafter
from typing import Literal

Kind = Literal["window", "gcra", "day", "month"]

_UNITS_S = {"s": 1, "min": 60, "h": 3600}
_COUNT = r"[1-9][0-9]{0,8}"  # nine digits: far from the fifteen that a structured field's integer may have (RFC 9651 §3.3.1)
_FORM = re.compile(rf"({_COUNT})/(?:({_COUNT})?(s|min|h)(?: +burst +({_COUNT}))?|(day|month))")
_EXPECTED = 'a limit such as "100/10s", "10/s burst 20" (units s, min, h), "250000/day" or "9/month", each number from 1 to 999999999'


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit. ``most`` calls may come at once from rest; ``limit`` calls a ``period_s`` (seconds) in the long run.

    ``kind`` is ``window`` (sliding), ``gcra`` (even, with a burst), ``day`` or ``month`` (calendar; ``period_s`` is nominal for
    a day and 0 for a month, which has no length of its own). ``most`` equals ``limit`` but for ``gcra``, where it is the burst.
    ``text`` is the canonical spelling; it is also the policy's name in ``RateLimit-Policy``.
    """

    text: str
    kind: Kind
    limit: int
    period_s: int
    most: int

    @property
    def policy(self) -> str:
        """This quota as a member of ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers §3).

        For GCRA it is the burst and the time in which all of it comes back, so that what ``RateLimit`` says never exceeds it.
        """
        member = f'"{self.text}";q={self.most}'
        if self.kind == "month":
            return member
        return f"{member};w={-(-self.period_s * self.most // self.limit)}"

    @property
    def phrase(self) -> str:
        """For people: ``100 calls in 10 s``."""
        calls = f"{self.limit} call{'s' if self.limit > 1 else ''}"
        if self.kind in ("day", "month"):
            return f"{calls} a {self.kind}"
        period = re.sub(r"(?<=\d)(?=[a-z])", " ", self.text.partition("/")[2].partition(" ")[0])
        span = f"{calls} in {period if period[0].isdigit() else '1 ' + period}"
        return f"{span}, at most {self.most} at once" if self.kind == "gcra" else span

    def __str__(self) -> str:
        return self.text


def parse_quota(text: str) -> Quota:
    """The quota that ``text`` describes; ``ValueError`` with what was found and what was expected."""
    found = _FORM.fullmatch(text.strip())
    if not found:
        shown = text if len(text) <= 40 else f"{text[:39]}…"
        raise ValueError(f"{_EXPECTED}, not {shown!r}")
    limit = int(found[1])
    if found[5]:
        kind: Kind = "day" if found[5] == "day" else "month"
        return Quota(f"{limit}/{kind}", kind, limit, 86400 if kind == "day" else 0, limit)
    name = f"{limit}/{found[2] or ''}{found[3]}"
    period_s = int(found[2] or 1) * _UNITS_S[found[3]]
    if found[4]:
        return Quota(f"{name} burst {found[4]}", "gcra", limit, period_s, int(found[4]))
    return Quota(name, "window", limit, period_s, limit)


def seconds_until(moment: float, now: float) -> float:
    """How long to wait at ``now`` so that ``now`` plus the wait, as floats add, is not before the later ``moment``."""
    wait = moment - now
    while now + wait < moment:
        wait = nextafter(wait, inf)
    return wait
