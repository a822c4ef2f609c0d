"""Counting: sliding windows, buckets that leak, and calls in flight. Time is an argument, in seconds; a refused call costs nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox.limits.forms import Breach


@dataclass(frozen=True, slots=True)
class Rate:
    """``calls`` in any stretch of ``seconds``; with ``burst`` a bucket of that size which leaks ``calls`` in ``seconds``."""

    calls: int
    seconds: float
    burst: int = 0


@dataclass(slots=True)
class _Window:
    rate: Rate
    times: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        """Seconds until a call fits; 0: now."""
        start = now - self.rate.seconds
        while self.times and self.times[0] <= start:
            self.times.popleft()
        return self.times[len(self.times) - self.rate.calls] - start if len(self.times) >= self.rate.calls else 0.0

    def add(self, now: float) -> None:
        self.times.append(now)

    def spent(self, now: float) -> int:
        self.wait(now)
        return len(self.times)


@dataclass(slots=True)
class _Bucket:
    rate: Rate
    level: float = 0.0
    at: float = 0.0

    def wait(self, now: float) -> float:
        leaks = self.rate.calls / self.rate.seconds
        self.level, self.at = max(0.0, self.level - max(0.0, now - self.at) * leaks), now
        over = self.level + 1 - self.rate.burst
        return over / leaks if over > 1e-9 else 0.0

    def add(self, now: float) -> None:
        self.level += 1

    def spent(self, now: float) -> int:
        self.wait(now)
        return round(self.level)


class Meter:
    """What one instance has spent. ``concurrency`` 0: any number in flight."""

    def __init__(self, rates: Sequence[Rate], concurrency: int) -> None:
        self._counts = [_Bucket(rate) if rate.burst else _Window(rate) for rate in rates]
        self._concurrency = concurrency
        self._in_flight = 0
        self._refused = 0

    def enter(self, now: float) -> Breach | None:
        """Count a call, which must ``leave`` again; or say what stands in its way, and count it among those refused only."""
        breach = self._enter(now)
        self._refused += breach is not None
        return breach

    def _enter(self, now: float) -> Breach | None:
        if self._concurrency and self._in_flight >= self._concurrency:
            return Breach("concurrency", self._concurrency, 0.0, 1.0)
        waits = [(count.wait(now), count.rate) for count in self._counts]
        wait, rate = max(waits, key=lambda pair: pair[0], default=(0.0, None))
        if rate is not None and wait > 0:
            return Breach("daily" if rate.seconds >= 86400 else "rate", rate.calls, rate.seconds, wait)
        self.count(1, now)
        self._in_flight += 1
        return None

    def leave(self) -> None:
        self._in_flight -= 1

    def count(self, calls: int, now: float) -> None:
        for count in self._counts:
            for _ in range(calls):
                count.add(now)

    def document(self, now: float) -> dict[str, Any]:
        rates = [{"calls": one.rate.calls, "seconds": one.rate.seconds, "spent": one.spent(now)} for one in self._counts]
        return {"rates": rates, "in_flight": self._in_flight, "refused": self._refused}
