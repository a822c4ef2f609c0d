"""The vocabulary of this room, and what it needs of a place where budgets are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gateway.exchange import Pair
from gateway.limits.quota import Quota

Scope = Literal["instance", "customer", "element", "group"]

Key = tuple[Scope, str, str, str]
"""Who shares a budget: (scope, environment, element, handle | customer | group; empty for the scope ``element``)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for one element: quotas that all hold at once, what shares a budget, and whose midnight ends a day."""

    quotas: tuple[Quota, ...] = ()
    scope: Scope = "instance"
    timezone: str = "UTC"
    header: Pair = field(init=False, repr=False, compare=False)  # ready-made: it goes on every answer

    def __post_init__(self) -> None:
        members = ", ".join(dict.fromkeys(quota.policy for quota in self.quotas))
        object.__setattr__(self, "header", ("RateLimit-Policy", members))


@dataclass(slots=True)  # frozen would take four times as long to make, and two are made for each call
class State:
    """One quota of one budget at one moment.

    ``remaining`` calls may go now; ``reset_s`` seconds from now that number grows (0: it is whole); ``used`` is the rest of
    ``quota.most``.
    """

    quota: Quota
    remaining: int
    reset_s: float
    used: int


@dataclass(slots=True)
class Verdict:
    """Whether a call may leave. A refused call has spent nothing.

    ``retry_after`` (seconds, 0 if allowed) is exact: after that long, and not before, all quotas have room; ``refused_by`` is the
    quota that takes longest. ``states`` are those after the call, in the order of the policy.
    """

    allowed: bool
    retry_after: float
    refused_by: Quota | None
    states: tuple[State, ...]


class Meter(Protocol):
    """One quota of one budget. ``now`` is seconds on one clock that each meter sees alone, monotonic or wall."""

    quota: Quota

    def wait(self, now: float) -> float:
        """Seconds until a call may go, 0 for now; spends nothing."""

    def spend(self, now: float) -> State:
        """Take one call. Only right after ``wait(now)`` gave 0."""

    def state(self, now: float) -> State:
        """What is left; spends nothing."""

    def idle(self, now: float) -> bool:
        """Whether nothing is used, so that a fresh meter would behave the same."""


class LimitStore(Protocol):
    """Where budgets are kept. It owns the clocks."""

    async def spend(self, key: Key, policy: Policy) -> Verdict:
        """Take one call from every quota of ``policy`` or, if one refuses, from none."""

    def budgets(self) -> Iterator[tuple[Key, tuple[State, ...]]]:
        """Every budget of which something is used."""
