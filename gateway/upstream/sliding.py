"""Counting over a window that slides, at the price of an addition a call.

Counters only ever grow; what they stood at when the window began is taken off. The window moves on in ten steps, so that an event
counts for nine tenths of it at least and for the whole at most.
"""

from __future__ import annotations

from collections import deque

Totals = tuple[int, ...]

STEPS = 10


class Sliding:
    """Where some counters stood at the beginning of the last ``STEPS`` steps of a window. ``now`` never goes back (monotonic clock)."""

    __slots__ = ("_marks", "_step", "_step_s", "turn")

    def __init__(self, window_s: float) -> None:
        self._step_s = window_s / STEPS
        self._step = -STEPS
        self._marks: deque[Totals] = deque(maxlen=STEPS)
        self.turn = 0.0
        """The next moment when ``floor`` may have another answer."""

    def floor(self, now: float, totals: Totals) -> Totals:
        """Where the counters, which stand at ``totals`` now, stood when the window began."""
        step = int(now // self._step_s)
        for _ in range(min(step - self._step, STEPS)):
            self._marks.append(totals)
        self._step = step
        self.turn = (step + 1) * self._step_s
        return self._marks[0]

    def clear(self, now: float, totals: Totals) -> None:
        """Begin anew at ``now``: what was counted before does not count any more."""
        self._step = int(now // self._step_s) - STEPS
        self.floor(now, totals)
