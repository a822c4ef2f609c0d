"""Budgets in this process. Between looking and spending nothing is awaited, so no two calls can take the same place."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from math import inf

from gateway.limits.calendar import Calendar, zone_of
from gateway.limits.gcra import Gcra
from gateway.limits.learning import Gate, Learned, Pace
from gateway.limits.quota import Quota
from gateway.limits.store import Draw, Key, Meter, Policy, Report, State, Verdict
from gateway.limits.window import Window

_LOOKED_AT = 4  # idle budgets looked for when one is opened: more than one, so that they go faster than they come
_SMOOTHING = 0.1
_OPEN = 0.0, None, ""


class Quickest:
    """How quickly a call is answered at best, by the calls of the last ten to twenty seconds; 0 before there were any.

    What a call takes beyond that may have passed on its way there: then the provider counts it that much later than it left.
    """

    __slots__ = ("_best", "_next_best", "_until")
    SPAN_S = 10.0

    def __init__(self) -> None:
        self._best = 0.0
        self._next_best = inf
        self._until = -inf

    def beyond(self, seconds: float, now: float) -> float:
        """How much longer than the quickest a call took that was answered now after ``seconds``."""
        if now >= self._until:
            self._best = 0.0 if self._until == -inf else self._next_best
            self._next_best, self._until = inf, now + self.SPAN_S
        self._next_best = min(self._next_best, seconds)
        return seconds - min(self._best, self._next_best)


class Budget:
    """What is known of one budget. ``meters`` are those of its policy's quotas, and whether each goes by the wall clock."""

    __slots__ = ("_took", "gate", "meters", "pace", "places", "quickest", "under_way")

    def __init__(self, policy: Policy) -> None:
        self.meters = tuple(_meter(quota, policy.timezone) for quota in dict.fromkeys(policy.quotas))
        self.places = policy.concurrency
        self.under_way = 0
        self.gate: Gate | None = None
        self.pace = Pace()
        self.quickest = Quickest()
        self._took = 0.0  # an ordinary call, seconds from place to place

    def wait(self, now: float, wall: float, cost: int, calls: int = 1) -> tuple[float, Meter | None, str]:
        """Seconds until ``cost`` may be spent, 0 for now, by ``calls`` calls one after another; what takes longest, and how to tell."""
        longest, by, why = 0.0, None, ""
        for meter, by_wall in self.meters:
            wait = meter.wait(wall if by_wall else now, cost)
            if wait > longest:
                longest, by = wait, meter
        gate = self.gate
        if gate is None and self.places is None and by is None:
            return _OPEN
        if gate is not None and (wait := gate.wait(now, cost)) > longest:
            longest, by, why = wait, None, "is to be left alone for a while, as its provider asked"
        if self.places is not None and self.under_way + calls > self.places:
            wait = max(1e-3, self._took) * -(-(self.under_way + calls - self.places) // self.places)
            if wait > longest:
                longest, by, why = wait, None, f"allows {self.places} call{'s' if self.places > 1 else ''} at a time"
        return longest, by, why or (f"allows {by.quota.phrase}" if by is not None else "")

    def spend(self, now: float, wall: float, cost: int) -> tuple[State, ...]:
        """Take ``cost``, and a place. Only right after ``wait`` gave 0."""
        self.under_way += 1
        self.pace.count(now, cost)
        if self.gate is not None:
            self.gate.spend(now, cost)
        return tuple([meter.spend(wall if by_wall else now, cost) for meter, by_wall in self.meters])

    def over(self, cost: int, spent_at: float, spent_wall: float, left: bool, heard_at: float | None, now: float) -> None:
        self.under_way -= 1
        if not left:
            for meter, by_wall in self.meters:
                meter.refund(spent_wall if by_wall else spent_at, cost)
            return
        took = now - spent_at
        self._took = took if not self._took else self._took + (took - self._took) * _SMOOTHING
        if heard_at is None or not self.meters:
            return
        excess = self.quickest.beyond(heard_at - spent_at, now)
        if excess > 0:
            for meter, by_wall in self.meters:
                if not by_wall:
                    meter.hold(spent_at, cost, excess)

    def states(self, now: float, wall: float) -> tuple[State, ...]:
        return tuple([meter.state(wall if by_wall else now) for meter, by_wall in self.meters])

    def idle(self, now: float, wall: float) -> bool:
        if self.under_way or (self.gate is not None and not self.gate.done(now)):
            return False
        return all(meter.idle(wall if by_wall else now) for meter, by_wall in self.meters)


class MemoryStore:
    """A ``LimitStore`` in this process. ``monotonic`` and ``wall`` are clocks in seconds.

    A budget of which nothing is used any more is forgotten, some whenever another one is opened; one in use never is.
    """

    def __init__(self, monotonic: Callable[[], float], wall: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._budgets: OrderedDict[Key, Budget] = OrderedDict()

    def __len__(self) -> int:
        return len(self._budgets)

    def __contains__(self, key: Key) -> bool:
        return key in self._budgets

    async def spend(self, draws: Sequence[Draw], cost: int = 1) -> Verdict:
        now, wall = self._monotonic(), self._wall()
        if len(draws) == 1:
            return self._spend_one(*draws[0], cost, now, wall)
        retry_after = 0.0
        refused: tuple[Quota | None, str, Key] | None = None
        budgets = []
        for key, policy in draws:
            budget = self._budget(key, policy, now, wall)
            budgets.append(budget)
            wait, by, why = budget.wait(now, wall, cost)
            if wait > retry_after:
                retry_after, refused = wait, (by.quota if by else None, why, key)
        if refused is not None:
            states = tuple([state for budget in budgets for state in budget.states(now, wall)])
            return Verdict(False, retry_after, refused[0], states, refused[1], refused[2], now, wall)
        spent = [state for budget in budgets for state in budget.spend(now, wall, cost)]
        return Verdict(True, 0.0, None, tuple(spent), "", None, now, wall)

    def _spend_one(self, key: Key, policy: Policy, cost: int, now: float, wall: float) -> Verdict:
        """``spend`` for the most usual call by far, which draws on one budget."""
        budget = self._budget(key, policy, now, wall)
        wait, by, why = budget.wait(now, wall, cost)
        if wait > 0:
            return Verdict(False, wait, by.quota if by else None, budget.states(now, wall), why, key, now, wall)
        return Verdict(True, 0.0, None, budget.spend(now, wall, cost), "", None, now, wall)

    def _budget(self, key: Key, policy: Policy, now: float, wall: float) -> Budget:
        budget = self._budgets.get(key)
        if budget is None:
            return self._open(key, policy, now, wall)
        if budget.gate is not None and budget.gate.done(now):
            budget.gate = None
        return budget

    def give_back(self, draws: Sequence[Draw], cost: int, verdict: Verdict, *, left: bool, heard_at: float | None) -> None:
        now = self._monotonic()
        for key, _ in draws:
            # It is there still: one with a call under way is never forgotten.
            self._budgets[key].over(cost, verdict.spent_at, verdict.spent_wall, left, heard_at, now)

    def refused(self, draw: Draw, left_at: float, seconds: float | None, source: str) -> Learned | None:
        now = self._monotonic()
        key, policy = draw
        budget = self._budgets.get(key) or self._open(key, policy, now, self._wall())
        if budget.gate is None:
            budget.gate = Gate()
        news = budget.gate.refused(now, left_at, seconds, source, budget.pace.at(now))
        return budget.gate.learned(now) if news else None

    def estimate(self, draws: Sequence[Draw], cost: int, ahead: int, calls: int) -> Verdict:
        """When a call could leave behind ``calls`` others that cost ``ahead``, and why not now; spends and remembers nothing."""
        now, wall = self._monotonic(), self._wall()
        longest: tuple[float, Quota | None, str, Key | None] = (0.0, None, "", None)
        states: list[State] = []
        for number, (key, policy) in enumerate(draws):
            budget = self._budgets.get(key) or Budget(policy)
            # Who stands before it draws on the first budget for sure; of the others, who knows.
            wait, by, why = budget.wait(now, wall, cost + (ahead if number == 0 else 0), 1 + (calls if number == 0 else 0))
            states += budget.states(now, wall)
            if wait > longest[0]:
                longest = wait, by.quota if by else None, why, key
        return Verdict(longest[0] <= 0, longest[0], longest[1], tuple(states), longest[2], longest[3], now, wall)

    def budgets(self) -> Iterator[Report]:
        now, wall = self._monotonic(), self._wall()
        for key, budget in self._budgets.items():
            if not budget.idle(now, wall):
                gate = budget.gate if budget.gate is not None and not budget.gate.done(now) else None
                yield Report(key, budget.states(now, wall), budget.under_way, budget.places, gate.learned(now) if gate else None)

    def _open(self, key: Key, policy: Policy, now: float, wall: float) -> Budget:
        self._forget_some(now, wall)
        budget = self._budgets[key] = Budget(policy)
        return budget

    def _forget_some(self, now: float, wall: float) -> None:
        for _ in range(min(_LOOKED_AT, len(self._budgets))):
            key, budget = self._budgets.popitem(last=False)
            if not budget.idle(now, wall):
                self._budgets[key] = budget


def _meter(quota: Quota, timezone: str) -> tuple[Meter, bool]:
    if quota.kind == "window":
        return Window(quota), False
    if quota.kind == "gcra":
        return Gcra(quota), False
    return Calendar(quota, zone_of(timezone)), True
