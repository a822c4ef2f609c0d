"""What an upstream's refusal teaches: stay away until it says, then come back carefully (additive increase, multiplicative decrease).

A budget whose provider refused a call has a gate. It is closed for as long as the provider asked, or for a while that doubles with
each refusal that comes in spite of it. Then it opens to half the pace at which calls left before, and to a little more each second,
until that pace is reached again and the gate is forgotten. Calls that had left before it closed are refused for the same reason, and
teach nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

DECREASE = 0.5
STEPS = 20  # seconds in which the whole of the old pace would be added
SLOWEST = 0.2  # calls a second: a gate that lets nothing through learns nothing
FIRST_S, LONGEST_S = 1.0, 300.0
UNKNOWN_PACE = 10.0  # calls a second, where nobody counted them before
_DOUBLINGS = 16

GateState = Literal["closed", "reopening"]


@dataclass(frozen=True, slots=True)
class Learned:
    """A gate for people: for how many more seconds it is ``closed``, at how many calls a second it opens, after how many refusals, and
    from what in the answer that was read."""

    state: GateState
    seconds: float
    pace: float
    refusals: int
    source: str


class Gate:
    """One budget's gate. ``now`` is monotonic seconds, a pace calls a second."""

    __slots__ = ("_away", "_closed_at", "_next", "_opens", "_pace", "_streak", "_target", "refusals", "source")

    def __init__(self) -> None:
        self._closed_at = self._opens = self._next = float("-inf")
        self._pace = self._target = self._away = 0.0
        self._streak = 0
        self.refusals = 0
        self.source = ""

    def refused(self, now: float, left_at: float, seconds: float | None, source: str, pace: float) -> bool:
        """A call that left at ``left_at`` was refused for ``seconds`` (None: nobody said); calls left at ``pace`` until now. Whether it
        is news."""
        self.refusals += 1
        self.source = source
        news = left_at > self._closed_at
        if news:
            before = pace if self.done(now) or not self._streak else self._pace_at(now)
            self._target = max(SLOWEST, before, self._target if self._streak else 0.0)
            self._pace = max(SLOWEST, before * DECREASE)
            self._streak += 1
            self._closed_at = now
        away = min(FIRST_S * 2.0 ** min(self._streak - 1, _DOUBLINGS), LONGEST_S) if seconds is None else seconds
        self._away = away
        self._opens = max(self._opens, now + away) if not news or seconds is None else now + away
        self._next = max(self._next, self._opens)
        return news

    def wait(self, now: float, ahead: int = 0) -> float:
        """Seconds until a call may leave before which others leave that cost ``ahead``, 0 for now."""
        if self.done(now):
            return 0.0
        start = max(now, self._next)
        if not ahead:
            return start - now
        # The pace grows while they go: they are gone when its integral has come to ``ahead``, or when the gate is.
        pace, growth = self._pace_at(start), self._target / STEPS
        gone = start + (sqrt(pace * pace + 2 * growth * ahead) - pace) / growth
        return max(start, min(gone, self._opens + (self._target - self._pace) / growth)) - now

    def spend(self, now: float, cost: int = 1) -> None:
        """A call leaves. Only right after ``wait`` gave 0."""
        self._next = max(now, self._next) + cost / self._pace_at(now)

    def done(self, now: float) -> bool:
        """Whether it holds nobody back any more."""
        return now >= self._opens and self._pace_at(now) >= self._target

    def forgettable(self, now: float) -> bool:
        """Whether the next refusal would have nothing to do with the last."""
        return self.done(now) and now >= max(self._opens, self._next) + self._away

    def learned(self, now: float) -> Learned:
        """For people."""
        closed = now < self._opens
        return Learned("closed" if closed else "reopening", max(0.0, self._opens - now), self._pace_at(now), self.refusals, self.source)

    def _pace_at(self, now: float) -> float:
        return self._pace + max(0.0, now - self._opens) * self._target / STEPS


class Pace:
    """How many calls a second left lately: over the last five to ten seconds, whole calls only."""

    __slots__ = ("_before", "_calls", "_since")
    SPAN_S = 5.0

    def __init__(self) -> None:
        self._calls = self._before = 0
        self._since = float("-inf")

    def count(self, now: float, cost: int = 1) -> None:
        if now - self._since >= self.SPAN_S:
            self._turn(now)
        self._calls += cost

    def at(self, now: float) -> float:
        """Calls a second."""
        if now - self._since >= self.SPAN_S:
            self._turn(now)
        elapsed = now - self._since
        return max(self._calls, (self._calls + self._before * (1 - elapsed / self.SPAN_S))) / self.SPAN_S

    def _turn(self, now: float) -> None:
        self._before = self._calls if now - self._since < 2 * self.SPAN_S else 0
        self._calls = 0
        self._since = now
