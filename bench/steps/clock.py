"""A clock for counting: it stands while a call is made, so that what depends on a duration, or on the second, is the same each time.

It takes the place of ``time.monotonic`` and ``time.time``, for whoever asks these later: so before the gateway is imported. The loop
and the threads of the standard library keep the real one.
"""

from __future__ import annotations

import time

READING_S = 1e-6
"""So much later is each reading than the one before."""
PAUSE_S = 0.002
"""So much later, at least, each call: the access log writes its milliseconds anew."""


class Clock:
    """Seconds, from the real time on."""

    def __init__(self) -> None:
        self._real = time.monotonic
        self._now = time.monotonic()
        self._epoch = time.time() - self._now

    def install(self) -> None:
        """From now on it is this clock that tells the time."""
        time.monotonic = self.monotonic
        time.time = self.time

    def monotonic(self) -> float:
        self._now += READING_S
        return self._now

    def time(self) -> float:
        self._now += READING_S
        return self._now + self._epoch

    def go_on(self, seconds: float = PAUSE_S) -> None:
        """Let ``seconds`` pass, or as many as have really passed."""
        self._now = max(self._real(), self._now + seconds)
