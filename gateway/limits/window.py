"""The sliding window: never more than N calls in any stretch of the period, exactly, by remembering when each call ends to count.

A call at ``t`` counts in ``[t, t + period)``. The price of exactness is eight octets for each call that still counts (at most
sixteen while the log is being tidied): 2 MB for 250,000 a day that slides.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from math import inf

from gateway.limits.quota import Quota, seconds_until
from gateway.limits.store import State

_MOST_HELD = 100  # of the period: a budget is used to 99 % at least


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

    def wait(self, now: float, cost: int = 1) -> float:
        if self._next <= now:
            self._forget(now)
        free = self._limit - len(self._ends) + self._gone
        if cost <= free:
            return 0.0
        if cost <= self._limit:
            return seconds_until(self._ends[self._gone + cost - free - 1], now)
        turns, rest = divmod(cost - 1, self._limit)
        return self.wait(now, rest + 1) + turns * self._period_s

    def spend(self, now: float, cost: int = 1) -> State:
        end = now + self._period_s
        ends = self._ends
        for _ in range(cost):
            if ends and end < ends[-1]:  # a call before it is held longer
                insort(ends, end, self._gone)
            else:
                ends.append(end)
        self._next = min(self._next, end)
        used = len(ends) - self._gone
        return State(self.quota, self._limit - used, self._next - now, used)

    def refund(self, spent_at: float, cost: int) -> None:
        self._take_out(spent_at + self._period_s, cost)

    def hold(self, spent_at: float, cost: int, later: float, answered_in: float) -> None:
        """Let a call count from when it was answered, but at most a hundredth of the period from when it left: the provider counted it
        somewhere in between, and the next ones may reach it quicker."""
        end = spent_at + self._period_s
        for _ in range(self._take_out(end, cost)):
            insort(self._ends, end + later + min(answered_in, self._period_s / _MOST_HELD), self._gone)
        self._next = self._ends[self._gone] if self._gone < len(self._ends) else inf

    def state(self, now: float) -> State:
        if self._next <= now:
            self._forget(now)
        used = len(self._ends) - self._gone
        return State(self.quota, self._limit - used, seconds_until(self._next, now) if used else 0.0, used)

    def idle(self, now: float) -> bool:
        return not self._ends or self._ends[-1] <= now

    def _take_out(self, end: float, cost: int) -> int:
        """Forget ``cost`` calls that count until ``end``; how many of them there still were."""
        ends = self._ends
        first = bisect_left(ends, end, self._gone)
        last = min(bisect_right(ends, end, first), first + cost)
        del ends[first:last]
        self._next = ends[self._gone] if self._gone < len(ends) else inf
        return last - first

    def _forget(self, now: float) -> None:
        # Bisection, because after a pause a quarter of a million calls may have ended to count at once.
        ends = self._ends
        gone = bisect_right(ends, now, self._gone)
        if gone * 2 > len(ends):
            del ends[:gone]
            gone = 0
        self._gone = gone
        self._next = ends[gone] if gone < len(ends) else inf
