"""The sliding window: never more than N calls in any stretch of the period, exactly, by remembering when each call ends to count.

A call at ``t`` counts in ``[t, t + period)``. The price of exactness is eight octets for each call that still counts (at most
sixteen while the log is being tidied): 2 MB for 250,000 a day that slides.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from math import inf

from gateway.limits.quota import Quota, seconds_until
from gateway.limits.store import State


class Window:
    """The log of one sliding window. ``now`` never goes back (monotonic clock)."""

    __slots__ = ("_ends", "_gone", "_limit", "_next", "_period_s", "quota")

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._limit = quota.limit
        self._period_s = quota.period_s
        self._ends = array("d")  # when each call ends to count, oldest first; the first ``_gone`` have
        self._gone = 0
        self._next = inf  # when the oldest call that counts ends to

    def wait(self, now: float) -> float:
        if self._next <= now:
            self._forget(now)
        if len(self._ends) - self._gone < self._limit:
            return 0.0
        return seconds_until(self._next, now)

    def spend(self, now: float) -> State:
        end = now + self._period_s
        self._ends.append(end)
        if self._next == inf:
            self._next = end
        used = len(self._ends) - self._gone
        return State(self.quota, self._limit - used, self._next - now, used)

    def state(self, now: float) -> State:
        if self._next <= now:
            self._forget(now)
        used = len(self._ends) - self._gone
        return State(self.quota, self._limit - used, seconds_until(self._next, now) if used else 0.0, used)

    def idle(self, now: float) -> bool:
        return not self._ends or self._ends[-1] <= now

    def _forget(self, now: float) -> None:
        # Bisection, because after a pause a quarter of a million calls may have ended to count at once.
        ends = self._ends
        gone = bisect_right(ends, now, self._gone)
        if gone * 2 > len(ends):
            del ends[:gone]
            gone = 0
        self._gone = gone
        self._next = ends[gone] if gone < len(ends) else inf
