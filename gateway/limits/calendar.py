"""Calendar days and months in a time zone: N calls from one local midnight to the next, be the day 23, 24 or 25 hours long."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from math import inf
from zoneinfo import ZoneInfo

from gateway.limits.quota import Quota, seconds_until
from gateway.limits.store import State


def period_around(now: float, kind: str, zone: tzinfo) -> tuple[float, float]:
    """First moment of the ``day`` or ``month`` around ``now`` in ``zone``, and of the one after it; all seconds since 1970."""
    first = datetime.fromtimestamp(now, zone).date()
    if kind == "month":
        first = first.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
    else:
        following = first + timedelta(days=1)
    return _midnight(first, zone), _midnight(following, zone)


def zone_of(name: str) -> tzinfo:
    """The time zone called ``name``; UTC even where the system has no time zone database."""
    return UTC if name == "UTC" else ZoneInfo(name)


def _midnight(day: date, zone: tzinfo) -> float:
    # Where midnight is skipped or comes twice, ``fold=0`` is the first moment of the day (PEP 495).
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


class Calendar:
    """The count of one calendar day or month. ``now`` is on the wall clock, which may go back.

    A clock that goes back stays in the period that it was in: no budget is given twice. One that goes back by more than a whole
    period had been wrong before; its period is taken then, and what was used stays used.
    """

    __slots__ = ("_earliest", "_end", "_limit", "_start", "_used", "_zone", "quota")

    def __init__(self, quota: Quota, zone: tzinfo) -> None:
        self.quota = quota
        self._limit = quota.limit
        self._zone = zone
        self._used = 0
        self._start = self._end = -inf
        self._earliest = -inf

    def wait(self, now: float, cost: int = 1) -> float:
        if now >= self._end or now < self._earliest:
            self._turn(now)
        if self._used + cost <= self._limit:
            return 0.0
        further = (self._used + cost - 1 - self._limit) // self._limit  # whole periods more, where so many are to go
        return seconds_until(self._end, now) + further * (self._end - self._start)

    def spend(self, now: float, cost: int = 1) -> State:
        self._used += cost
        return State(self.quota, self._limit - self._used, self._end - now, self._used)

    def refund(self, spent_at: float, cost: int) -> None:
        if spent_at >= self._start:
            self._used = max(0, self._used - cost)

    def hold(self, spent_at: float, cost: int, later: float, answered_in: float) -> None:
        """A call around midnight is the provider's to place."""

    def state(self, now: float) -> State:
        if now >= self._end or now < self._earliest:
            self._turn(now)
        return State(self.quota, self._limit - self._used, seconds_until(self._end, now) if self._used else 0.0, self._used)

    def idle(self, now: float) -> bool:
        return not self._used or now >= self._end

    def _turn(self, now: float) -> None:
        if now >= self._end:
            self._used = 0
        self._start, self._end = period_around(now, self.quota.kind, self._zone)
        self._earliest = self._start - (self._end - self._start)
