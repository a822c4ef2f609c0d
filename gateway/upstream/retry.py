"""Whether a call may be sent again, when, and how often in all.

A retry helps against one lost call and harms against a failing upstream, which it hits twice. So retries are a share of the calls,
counted over a window (as Envoy's ``retry_budget``), and come after a random pause, so that those who failed together do not come
back together (AWS Architecture Blog, "Exponential Backoff And Jitter": full jitter).
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.upstream.sliding import Sliding

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110 §9.2.2, without TRACE
RETRIED_STATUSES = frozenset({502, 503, 504})

_DOUBLINGS = 30  # a float has an end


class RetryBudget:
    """Retries of the last ``window_s`` seconds: fewer than ``ratio`` of its calls, or than ``minimum`` where calls are few.

    ``now`` is in seconds and never goes back (monotonic clock). The window moves on in tenths.
    """

    __slots__ = ("_calls", "_calls_floor", "_minimum", "_ratio", "_retries", "_retries_floor", "_sliding", "_turn")

    def __init__(self, ratio: float = 0.2, window_s: float = 10.0, minimum: int = 3) -> None:
        self._ratio = ratio
        self._minimum = minimum
        self._calls = self._calls_floor = 0
        self._retries = self._retries_floor = 0
        self._sliding = Sliding(window_s)
        self._turn = 0.0

    def call(self, now: float) -> None:
        """Count a first attempt."""
        if now >= self._turn:
            self._slide(now)
        self._calls += 1

    def may(self, now: float) -> bool:
        """Whether a retry may go; it counts, then."""
        if now >= self._turn:
            self._slide(now)
        most = max(self._minimum, self._ratio * (self._calls - self._calls_floor))
        if self._retries - self._retries_floor >= most:
            return False
        self._retries += 1
        return True

    def __repr__(self) -> str:
        return f"<RetryBudget {self._retries - self._retries_floor} retries, {self._calls - self._calls_floor} calls>"

    def _slide(self, now: float) -> None:
        self._calls_floor, self._retries_floor = self._sliding.floor(now, (self._calls, self._retries))
        self._turn = self._sliding.turn


def pause_before(attempt: int, random: Callable[[], float], base_s: float = 0.02, cap_s: float = 1.0) -> float:
    """Seconds to pause before retry number ``attempt`` (the first is 0): uniform in ``[0, min(cap_s, base_s * 2 ** attempt))``.

    ``random`` gives a number in ``[0, 1)``.
    """
    return random() * min(cap_s, base_s * 2.0 ** min(attempt, _DOUBLINGS))


def may_repeat(method: str, *, has_idempotency_key: bool, replayable_body: bool, never_left: bool) -> bool:
    """Whether sending the call again can do no harm: its body is at hand, and it is idempotent, has an Idempotency-Key, or not an
    octet of it left (RFC 9110 §9.2.2)."""
    return replayable_body and (never_left or has_idempotency_key or method in IDEMPOTENT)
