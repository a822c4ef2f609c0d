"""What the limits must come to, the slow and obvious way: from a plain list of what left, every stretch looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from gateway.limits.quota import Quota, parse_quota
from tests.support.limit_scenes import Went

_NANOSECOND = Fraction(1, 10**9)

Spent = tuple[float, int]
"""When, by the monotonic clock, and how much."""


def spent_by(went: Iterable[Went]) -> list[Spent]:
    """What reached the provider, in the order in which it left."""
    return sorted((one.went or 0.0, one.cost) for one in went if one.counts)


def broken(text: str, spent: Sequence[Spent], wall: float = 0.0, timezone: str = "UTC") -> str:
    """Where ``spent`` goes beyond the quota ``text``; empty if nowhere. ``wall`` is what the wall clock shows at 0."""
    quota = parse_quota(text)
    if quota.kind == "window":
        return _window(quota, spent)
    if quota.kind == "gcra":
        return _gcra(quota, spent)
    return _calendar(quota, spent, wall, timezone)


def crowded(went: Iterable[Went], places: int) -> str:
    """When more than ``places`` calls were under way at once; empty if never."""
    moments = sorted(moment for one in went if one.went is not None for moment in ((one.ended, -1), (one.went, 1)))
    under_way = 0
    for moment, change in moments:
        under_way += change
        if under_way > places:
            return f"{under_way} at {moment}"
    return ""


def used(text: str, spent: Iterable[Spent], now: float) -> int:
    """What of the window ``text`` is used at ``now``."""
    quota = parse_quota(text)
    return sum(cost for moment, cost in spent if moment + quota.period_s > now)


def soonest(quotas: Sequence[str], calls: int, latency: float = 0.0, places: int | None = None) -> list[float]:
    """When ``calls`` calls that cost 1, all there from 0 on, go if each goes as soon as it may (windows and evenly spaced quotas)."""
    times: list[float] = []
    for number in range(calls):
        earliest = times[-1] if times else 0.0
        for quota in map(parse_quota, quotas):
            if quota.kind == "window" and number >= quota.limit:
                earliest = max(earliest, times[number - quota.limit] + quota.period_s)
            if quota.kind == "gcra":
                earliest = max(earliest, (number + 1 - quota.most) * quota.period_s / quota.limit)
        if places is not None and number >= places:
            earliest = max(earliest, times[number - places] + latency)
        times.append(earliest)
    return times


def _window(quota: Quota, spent: Sequence[Spent]) -> str:
    for begin, _ in spent:
        total = sum(cost for moment, cost in spent if begin <= moment < begin + quota.period_s)
        if total > quota.limit:
            return f"{total} from {begin} on, {quota.text} allows {quota.limit}"
    return ""


def _gcra(quota: Quota, spent: Sequence[Spent]) -> str:
    for number, (begin, _) in enumerate(spent):
        total = 0
        for moment, cost in spent[number:]:
            total += cost
            stretch = Fraction(moment) - Fraction(begin) + _NANOSECOND
            if total > quota.most + stretch * quota.limit / quota.period_s:
                return f"{total} from {begin} to {moment}, {quota.text} allows less"
    return ""


def _calendar(quota: Quota, spent: Sequence[Spent], wall: float, timezone: str) -> str:
    form = "%Y-%m" if quota.kind == "month" else "%Y-%m-%d"
    periods: Counter[str] = Counter()
    for moment, cost in spent:
        periods[datetime.fromtimestamp(wall + moment, ZoneInfo(timezone)).strftime(form)] += cost
    return "".join(f"{total} in {period}, {quota.text}" for period, total in periods.items() if total > quota.limit)
