"""Which of an environment's pairs of secrets its calls carry, and since when.

Times are seconds: ``since`` by the wall clock, for people; all others on the monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from gateway.exchange import Environment, SecretPair

TRUSTED_S = 5.0


@dataclass(slots=True)
class Ring:
    """The pairs of one environment, the configured one and the next; ``index`` is that in use.

    ``good_since`` is when the pair in use was first seen to be good after it was bad: a call that began before may have been refused
    because of it. For ``TRUSTED_S`` after a probe that it passed, the pair is taken to be good.
    """

    environment: Environment
    pairs: tuple[SecretPair, ...]
    since: float
    index: int = 0
    alarm: bool = False
    good_since: float = -inf
    trusted_until: float = -inf
    stranger: bool = False
    """The next pair is good, but another account's."""

    @classmethod
    def of(cls, environment: Environment, since: float) -> Ring:
        """A next pair that is the configured one over again is none."""
        first = SecretPair(environment.user_secret, environment.organization_secret)
        spare = environment.next
        return cls(environment, (first,) if spare is None or spare == first else (first, spare), since)

    @property
    def in_use(self) -> SecretPair:
        return self.pairs[self.index]

    @property
    def other(self) -> int | None:
        """The index of the pair that may stand in for the one in use, None where there is none."""
        return None if len(self.pairs) == 1 or (self.index == 0 and self.stranger) else 1 - self.index

    def passed(self, asked_at: float, now: float) -> None:
        """The pair in use was good in a probe that was sent at ``asked_at``."""
        self.good_since = min(self.good_since, asked_at)
        self.trusted_until = now + TRUSTED_S

    def failed(self) -> None:
        """The pair in use was bad in a probe."""
        self.good_since = inf
        self.trusted_until = -inf

    def turn(self, index: int, wall: float) -> None:
        """The pair ``index`` takes over; whether it is good is for ``passed`` to say."""
        self.failed()
        self.index, self.since = index, wall

    def describe(self) -> dict[str, Any]:
        """``{"environment", "pair" (1 or 2), "pairs", "since" (seconds since the epoch), "alarm"}``."""
        return {
            "environment": self.environment.name,
            "pair": self.index + 1,
            "pairs": len(self.pairs),
            "since": self.since,
            "alarm": self.alarm,
        }
