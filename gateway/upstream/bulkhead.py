"""A bulkhead: at most so many calls at once, so that one slow element or caller cannot take all that there is."""

from __future__ import annotations

from gateway.upstream.gradient import Gradient

_BATCH_SHARE = 0.8


class Bulkhead:
    """Places for ``limit`` calls at once, of which batch work may fill four fifths (at least one): interactive is refused last.

    With a ``gradient`` the limit follows the latency, up to ``limit``. Each call that entered leaves once.
    """

    __slots__ = ("_batch_limit", "_gradient", "_most", "in_flight", "limit")

    def __init__(self, limit: int, gradient: Gradient | None = None) -> None:
        """Raises ``ValueError`` where ``limit`` leaves no place."""
        if limit < 1:
            raise ValueError(f"a bulkhead needs a limit of 1 or more, not {limit}")
        self._most = limit
        self._gradient = gradient
        self.in_flight = 0
        self._follow(limit if gradient is None else gradient.limit)

    def enter(self, batch: bool) -> bool:
        """Take a place. False: there is none (left) for such a call."""
        if self.in_flight >= (self._batch_limit if batch else self.limit):
            return False
        self.in_flight += 1
        return True

    def leave(self, now: float, seconds: float | None) -> None:
        """Give the place back. ``seconds`` is how long the upstream took; None where that teaches nothing (a caller who left)."""
        gradient = self._gradient
        if gradient is not None and seconds is not None and gradient.learn(now, seconds, self.in_flight):
            self._follow(gradient.limit)
        self.in_flight -= 1

    def __repr__(self) -> str:
        return f"<Bulkhead {self.in_flight} of {self.limit}>"

    def _follow(self, limit: int) -> None:
        self.limit = min(limit, self._most)
        self._batch_limit = max(1, int(self.limit * _BATCH_SHARE))
