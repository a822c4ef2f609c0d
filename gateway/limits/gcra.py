"""GCRA, the generic cell rate algorithm (ITU-T I.371): N calls a period, evenly, and at most B at once from rest.

The usual state is one number, the theoretical arrival time, to which each call adds ``period / N``; a third of a second has no
exact float, so the sum drifts. Here the state is when the busy stretch began and how many calls it has had; every time is computed
from these two, so an error is one rounding and never grows.
"""

from __future__ import annotations

from math import floor, inf

from gateway.limits.quota import Quota, seconds_until
from gateway.limits.store import State


class Gcra:
    """The state of one evenly spaced quota. ``now`` never goes back (monotonic clock)."""

    __slots__ = ("_burst", "_calls", "_last", "_limit", "_period_s", "_start", "quota")

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._limit = quota.limit
        self._period_s = quota.period_s
        self._burst = quota.most
        self._start = self._last = -inf
        self._calls = 0

    def wait(self, now: float, cost: int = 1) -> float:
        if cost > self._burst and self.idle(now):  # a busy stretch would begin now
            return (cost - self._burst) * self._period_s / self._limit
        opens = self._start + (self._calls + cost - self._burst) * self._period_s / self._limit
        return seconds_until(opens, now) if opens > now else 0.0

    def spend(self, now: float, cost: int = 1) -> State:
        if self.idle(now):
            self._start = now
            self._calls = 0
        self._last = now
        self._calls += cost
        return self.state(now)

    def refund(self, spent_at: float, cost: int) -> None:
        if spent_at >= self._start:
            self._calls = max(0, self._calls - cost)
            # Without it, the busy stretch may have paused until the last call: that long at most.
            self._start += min(cost * self._period_s / self._limit, self._last - spent_at)

    def hold(self, spent_at: float, cost: int, later: float, answered_in: float) -> None:
        """Its evenness leaves room for what comes late."""

    def state(self, now: float) -> State:
        # Written out, as two are asked for each call: ``opens(n)`` is when the busy stretch's call number n, from 0, may go.
        start, calls, burst, limit, period_s = self._start, self._calls, self._burst, self._limit, self._period_s
        if start + calls * period_s / limit <= now:  # idle
            return State(self.quota, burst, 0.0, 0)
        remaining = burst - calls + floor((now - start) * limit / period_s)
        remaining = 0 if remaining < 0 else burst - 1 if remaining >= burst else remaining
        # The division rounds; the times decide, so that this number is how many calls really pass now.
        while remaining and start + (calls + remaining - burst) * period_s / limit > now:
            remaining -= 1
        while (opens := start + (calls + remaining + 1 - burst) * period_s / limit) <= now:
            remaining += 1
        return State(self.quota, remaining, seconds_until(opens, now), burst - remaining)

    def idle(self, now: float) -> bool:
        return self._start + self._calls * self._period_s / self._limit <= now
