"""When a mapping that needs authorization may be tried again, and how often a provider has refused one: rules that take the time.

Times are seconds on the monotonic clock. What is remembered is bounded; the least recently used is forgotten.
"""

from __future__ import annotations

from cachetools import LRUCache

TRIAL_S = 60.0
STRIKES = 3
_MOST = 10_000


class Trials:
    """One call each ``TRIAL_S`` may go for a mapping that needs authorization."""

    def __init__(self) -> None:
        self._next: LRUCache[str, float] = LRUCache(_MOST)

    def postpone(self, handle: str, now: float) -> None:
        """The mapping was just refused."""
        self._next[handle] = now + TRIAL_S

    def admit(self, handle: str, now: float) -> float:
        """0.0: this call is the trial; else the seconds until the next one. One that is not known yet may be tried at once."""
        opens = self._next.get(handle, now)
        if opens > now:
            return opens - now
        self.postpone(handle, now)
        return 0.0

    def forget(self, handle: str) -> None:
        self._next.pop(handle, None)


class Strikes:
    """How often in a row a provider has refused a mapping: its access may have ended, or one resource may be closed to it."""

    def __init__(self) -> None:
        self._counts: LRUCache[str, int] = LRUCache(_MOST)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def count(self, handle: str) -> bool:
        """One more; whether it is time to believe them."""
        self._counts[handle] = count = self._counts.get(handle, 0) + 1
        return count >= STRIKES

    def forget(self, handle: str) -> None:
        self._counts.pop(handle, None)
