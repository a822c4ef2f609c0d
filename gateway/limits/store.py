"""The vocabulary of this room, and what it needs of a place where budgets are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from gateway.exchange import Pair
from gateway.limits.learning import Learned
from gateway.limits.quota import Quota

Scope = Literal["instance", "customer", "element", "group", "caller"]

Key = tuple[Scope, str, str, str]
"""Who shares a budget: (scope, environment, element, handle | customer | group | key id; empty for the scope ``element``)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for one element, or for one caller: quotas that all hold at once, how many calls may be under way, what shares a
    budget, and whose midnight ends a day."""

    quotas: tuple[Quota, ...] = ()
    scope: Scope = "instance"
    timezone: str = "UTC"
    concurrency: int | None = None
    header: Pair = field(init=False, repr=False, compare=False)  # ready-made: it goes on every answer

    def __post_init__(self) -> None:
        members = ", ".join(dict.fromkeys(quota.policy for quota in self.quotas))
        object.__setattr__(self, "header", ("RateLimit-Policy", members))

    @property
    def bounded(self) -> bool:
        """Whether there is anything to keep count of."""
        return bool(self.quotas) or self.concurrency is not None


Draw = tuple[Key, Policy]
"""One of the budgets that a call draws on."""


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

    ``retry_after`` (seconds, 0 if allowed) is exact for quotas and gates: after that long, and not before, all of them have room; for
    places it is an estimate. ``refused_by`` is the quota that takes longest, if it is one, ``why`` what to tell of it behind who
    shares the budget ("allows 100 calls in 10 s"), and ``key`` that budget. ``states`` are those of the quotas after the call, in
    the order of the draws and their policies; ``spent_at`` and ``spent_wall`` are when, by the store's two clocks.
    """

    allowed: bool
    retry_after: float
    refused_by: Quota | None
    states: tuple[State, ...]
    why: str = ""
    key: Key | None = None
    spent_at: float = 0.0
    spent_wall: float = 0.0
    places: bool = False
    """Refused only because others are under way: worth asking again when one of them is over."""


class Meter(Protocol):
    """One quota of one budget. ``now`` is seconds on one clock that each meter sees alone, monotonic or wall."""

    quota: Quota

    def wait(self, now: float, cost: int = 1) -> float:
        """Seconds until ``cost`` calls more have gone, each as soon as it may, 0 for now; spends nothing."""

    def spend(self, now: float, cost: int = 1) -> State:
        """Take ``cost`` calls. Only right after ``wait(now, cost)`` gave 0."""

    def refund(self, spent_at: float, cost: int) -> None:
        """Forget what was spent at that time: it never left."""

    def hold(self, spent_at: float, cost: int, later: float, answered_in: float) -> None:
        """What was spent at that time left ``later`` (seconds), and had its answer ``answered_in`` seconds after that: somewhere in
        between the provider counted it."""

    def state(self, now: float) -> State:
        """What is left; spends nothing."""

    def idle(self, now: float) -> bool:
        """Whether nothing is used, so that a fresh meter would behave the same."""


Times = tuple[float | None, float | None]
"""When a call left and when its answer began, on the store's monotonic clock, as far as that is known."""

NO_TIMES: Times = (None, None)


@dataclass(frozen=True, slots=True)
class Report:
    """One live budget: its quotas, how many calls are under way of how many (None: any number), and what was learned."""

    key: Key
    states: tuple[State, ...]
    under_way: int
    places: int | None
    learned: Learned | None


class Grant(NamedTuple):
    """Leave that was given at once: when, by the store's two clocks, and of the quota that a caller meets first, what is left of it
    (``remaining``, and seconds until that grows); None where no quota was asked."""

    spent_at: float
    spent_wall: float
    tightest: State | None

    @property
    def verdict(self) -> Verdict:
        """The same as ``LimitStore.spend`` says it, but for its states."""
        return Verdict(True, 0.0, None, (), "", None, self.spent_at, self.spent_wall)


class LimitStore(Protocol):
    """Where budgets are kept. It owns the clocks."""

    async def spend(self, draws: Sequence[Draw], cost: int = 1) -> Verdict:
        """Take a call that costs ``cost``, and a place, from every budget or, if one refuses, from none."""

    def give_back(self, draws: Sequence[Draw], cost: int, verdict: Verdict | Grant, *, left: bool, times: Times = NO_TIMES) -> None:
        """An allowed call is over: its places are free. One that never ``left`` has cost nothing."""

    def refused(self, draw: Draw, left_at: float, seconds: float | None, source: str) -> Learned | None:
        """The provider refused a call that left at ``left_at``: close the gate for ``seconds`` (None: nobody said). What was learned, None
        where it was known."""

    def budgets(self) -> Iterator[Report]:
        """Every budget of which something is used."""
