"""The circuit breaker: who keeps failing is left alone for a while, and taken back step by step.

Closed, the last calls are counted; when too many of them failed, or were slow, it opens and no call goes. After a while it is half-open:
first some probes, all of which must succeed, then a ramp, over which a growing share of the calls goes, then closed with nothing
counted. A failure on the way opens it for twice as long.

A call is given the number of the generation in which it went and reports with it. Each opening is a new generation, so what was sent
before says nothing about afterwards. A report that never comes holds a probe's place for a time only.

The way of a healthy call is ``refusal``, ``enter``, ``success``: each a few comparisons, because every call that leaves takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from gateway.limits.quota import seconds_until
from gateway.upstream.sliding import Sliding

CLOSED, HALF_OPEN, OPEN = 0, 1, 2
_PROBING, _RAMPING, _OPENED = 1, 2, 3
_STATES = (CLOSED, HALF_OPEN, HALF_OPEN, OPEN)
_NAMES = ("closed", "half-open", "open")

_SOON_S = 1.0  # nobody knows when a probe ends; Retry-After counts whole seconds
_LOST_S = 60.0
_FIRST_SHARE = 0.1  # of the calls, when a ramp begins: the probes have all succeeded
_RAMP_MINIMUM = 4  # a ramp is judged by a quarter of the calls
_ROUNDING = 1e-9  # ten tenths are not quite one


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """Ratios are of the calls of the last ``window_s``, times are seconds. ``slow_s``: a call that takes as long is slow."""

    enabled: bool = True
    error_ratio: float = 0.5
    minimum_calls: int = 20
    window_s: float = 30.0
    slow_s: float = 30.0
    slow_ratio: float = 0.9
    open_s: float = 10.0
    max_open_s: float = 300.0
    probes: int = 3
    ramp_s: float = 10.0


class Breaker:
    """One breaker. ``now`` is in seconds and never goes back (monotonic clock); each call that entered reports once."""

    __slots__ = (
        "_calls _calls_floor _credit _failures _failures_floor _generation _minimum _open_s _phase _probing _proved _settings _sliding "
        "_slow _slow_floor _slow_proofs _slow_s _turn _until reason"
    ).split()

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._phase = CLOSED
        self._generation = 0
        self._slow_s = settings.slow_s
        self._minimum = settings.minimum_calls if settings.enabled else inf
        self._open_s = 0.0
        self._until = 0.0  # when the phase ends: the rest, the patience with probes, the ramp
        self._calls = self._failures = self._slow = 0
        self._calls_floor = self._failures_floor = self._slow_floor = 0
        self._sliding = Sliding(settings.window_s)
        self._turn = 0.0
        self._probing = self._proved = self._slow_proofs = 0
        self._credit = 0.0
        self.reason = ""
        """Why it opened the last time; empty when it has recovered since."""

    @property
    def state(self) -> int:
        """As the last call left it: 0 closed, 1 half-open (probing, or ramping back), 2 open."""
        return _STATES[self._phase]

    def state_at(self, now: float) -> int:
        """As a call would find it at ``now``: the same as ``state``, but that a rest or a ramp may be over."""
        if now >= self._until and self._phase >= _RAMPING:
            return CLOSED if self._phase == _RAMPING else HALF_OPEN
        return _STATES[self._phase]

    def refusal(self, now: float) -> float:
        """0.0: a call may go. Otherwise the seconds until it is worth coming back, more than 0.

        Asking changes nothing, but that on a ramp each call that is refused brings the next one nearer that goes.
        """
        if not self._phase:
            return 0.0
        wait = self._wait(now)
        if wait and self._phase == _RAMPING:
            self._credit += self._share(now)
        return wait

    def enter(self, now: float) -> int:
        """Take a place, right after ``refusal`` gave 0.0. The generation, with which to report."""
        if self._phase:
            self._enter(now)
        return self._generation

    def success(self, generation: int, now: float, seconds: float) -> None:
        """A call was answered, after ``seconds``."""
        if generation != self._generation:
            return
        if self._phase == _PROBING:
            self._prove(now, seconds)
            return
        if now >= self._turn:
            self._turn_over(now)
        self._calls += 1
        if seconds >= self._slow_s:
            self._slow += 1
        if self._failures > self._failures_floor or self._slow > self._slow_floor:
            self._judge(now)

    def failure(self, generation: int, now: float) -> None:
        """A call failed: the upstream's fault."""
        if generation != self._generation:
            return
        if self._phase == _PROBING:
            self._open(now, "a probe failed")
            return
        if now >= self._turn:
            self._turn_over(now)
        self._calls += 1
        self._failures += 1
        self._judge(now)

    def nothing(self, generation: int, now: float) -> None:
        """A call ended in a way that teaches nothing (its caller left, we refused it ourselves): it gives its place back."""
        if generation == self._generation and self._phase == _PROBING:
            self._probing -= 1

    def describe(self, now: float) -> dict[str, Any]:
        """For people, and without any effect: ``{"state", "reason", "calls", "failures", "slow", "retry_after_s"}``, counts of the
        window; ``share`` too, of the calls that go, on a ramp."""
        if now >= self._turn:
            self._slide(now)
        state = self.state_at(now)
        described = {
            "state": _NAMES[state] if self._settings.enabled else "off",
            "reason": self.reason if state else "",
            "calls": self._calls - self._calls_floor,
            "failures": self._failures - self._failures_floor,
            "slow": self._slow - self._slow_floor,
            "retry_after_s": self._wait(now) if state else 0.0,
        }
        if state and self._phase == _RAMPING:
            described["share"] = self._share(now)
        return described

    def __repr__(self) -> str:
        return f"<Breaker {_NAMES[self.state]}, {self._failures - self._failures_floor} failures>"

    def _wait(self, now: float) -> float:
        if now >= self._until:
            return 0.0
        if self._phase == _OPENED:
            return seconds_until(self._until, now)
        if self._phase == _PROBING:
            free = self._probing + self._proved < self._settings.probes
        else:
            free = self._credit + self._share(now) >= 1 - _ROUNDING
        return 0.0 if free else min(_SOON_S, seconds_until(self._until, now))

    def _share(self, now: float) -> float:
        return max(_FIRST_SHARE, 1 - (self._until - now) / self._settings.ramp_s)

    def _enter(self, now: float) -> None:
        if self._phase == _RAMPING:
            if now >= self._until:
                self._close(now)
            else:
                self._credit += self._share(now) - 1
            return
        if self._phase == _OPENED:
            self._phase = _PROBING
            self._probing = self._proved = self._slow_proofs = 0
        elif self._probing + self._proved >= self._settings.probes:
            self._generation += 1  # the probes under way are lost: should they ever report, it is too late
            self._probing = 0
        self._probing += 1
        self._until = now + max(self._settings.open_s, _LOST_S)

    def _prove(self, now: float, seconds: float) -> None:
        self._probing -= 1
        self._proved += 1
        self._slow_proofs += seconds >= self._slow_s
        if self._proved < self._settings.probes:
            return
        if self._slow_proofs >= self._settings.slow_ratio * self._proved:
            self._open(now, f"{self._slow_proofs} of {self._proved} probes took {self._slow_s:g} s or longer")
            return
        self._phase = _RAMPING
        self._until = now + self._settings.ramp_s
        self._minimum = -(-self._settings.minimum_calls // _RAMP_MINIMUM)
        self._credit = 1 - _FIRST_SHARE  # so that the first call goes
        self._forget(now)

    def _judge(self, now: float) -> None:
        calls = self._calls - self._calls_floor
        if calls < self._minimum:
            return
        failures, slow = self._failures - self._failures_floor, self._slow - self._slow_floor
        if failures >= self._settings.error_ratio * calls:
            self._open(now, f"{failures} of {calls} calls failed")
        elif slow >= self._settings.slow_ratio * calls:
            self._open(now, f"{slow} of {calls} calls took {self._slow_s:g} s or longer")

    def _open(self, now: float, reason: str) -> None:
        longer = self._open_s * 2 if self._phase else self._settings.open_s
        self._open_s = min(longer, self._settings.max_open_s)
        self._phase = _OPENED
        self._generation += 1
        self._until = now + self._open_s
        self.reason = reason

    def _close(self, now: float) -> None:
        self._phase = CLOSED
        self._minimum = self._settings.minimum_calls
        self.reason = ""
        self._forget(now)

    def _turn_over(self, now: float) -> None:
        if self._phase == _RAMPING and now >= self._until:
            self._close(now)
        else:
            self._slide(now)

    def _forget(self, now: float) -> None:
        self._sliding.clear(now, (self._calls, self._failures, self._slow))
        self._slide(now)

    def _slide(self, now: float) -> None:
        floor = self._sliding.floor(now, (self._calls, self._failures, self._slow))
        self._calls_floor, self._failures_floor, self._slow_floor = floor
        # The end of a ramp is a turn, too: past it a report finds the breaker closed.
        self._turn = min(self._sliding.turn, self._until) if self._phase == _RAMPING else self._sliding.turn
