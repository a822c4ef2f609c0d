"""Budgets in this process. Between looking and spending nothing is awaited, so no two calls can take the same place."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from gateway.limits.calendar import Calendar, zone_of
from gateway.limits.gcra import Gcra
from gateway.limits.learning import UNKNOWN_PACE, Gate, Learned, Pace
from gateway.limits.quota import Quota
from gateway.limits.store import NO_TIMES, Draw, Grant, Key, Meter, Policy, Report, State, Times, Verdict
from gateway.limits.window import Window

_LOOKED_AT = 4  # idle budgets looked for when one is opened: more than one, so that they go faster than they come
_SMOOTHING = 0.1


class Obstacle(NamedTuple):
    """What keeps a call: for ``seconds`` (0: nothing does), a quota or something else, and how to tell of it. ``places``: nothing but
    that others are under way, so the seconds are a guess."""

    seconds: float
    quota: Quota | None = None
    why: str = ""
    places: bool = False


OPEN = Obstacle(0.0)


class Budget:
    """What is known of one budget. ``meters`` are those of its policy's quotas, and whether each goes by the wall clock."""

    __slots__ = ("_took", "gate", "meters", "pace", "places", "under_way")

    def __init__(self, policy: Policy) -> None:
        self.meters = tuple(_meter(quota, policy.timezone) for quota in dict.fromkeys(policy.quotas))
        self.places = policy.concurrency
        self.under_way = 0
        self.gate: Gate | None = None
        self.pace = Pace()
        self._took = 0.0  # an ordinary call, seconds from place to place

    def wait(self, now: float, wall: float, cost: int, ahead: int = 0, calls: int = 0) -> Obstacle:
        """What stands in the way of spending ``cost`` behind ``calls`` others that cost ``ahead``: that which takes longest."""
        longest, by, why = 0.0, None, ""
        for meter, by_wall in self.meters:
            wait = meter.wait(wall if by_wall else now, cost + ahead)
            if wait > longest:
                longest, by = wait, meter
        gate = self.gate
        if gate is not None and gate.forgettable(now):
            gate = self.gate = None
        if gate is None and self.places is None and by is None:
            return OPEN
        if gate is not None and (wait := gate.wait(now, ahead)) > longest:
            longest, by, why = wait, None, "is to be left alone for a while, as its provider asked"
        if self.places is not None and self.under_way + calls >= self.places:
            wait = max(1e-3, self._took) * -(-(self.under_way + calls + 1 - self.places) // self.places)
            if wait > longest:
                why = f"allows {self.places} call{'s' if self.places > 1 else ''} at a time"
                return Obstacle(wait, None, why, places=longest <= 0)
        return Obstacle(longest, by.quota if by is not None else None, why or (f"allows {by.quota.phrase}" if by is not None else ""))

    def has_room(self, now: float, wall: float) -> bool:
        """Whether a call that costs 1 may leave, for certain: where a gate was learned, ``wait`` knows."""
        if self.gate is not None or (self.places is not None and self.under_way >= self.places):
            return False
        for meter, by_wall in self.meters:  # noqa: SIM110 - a generator takes as long as the meters do
            if meter.wait(wall if by_wall else now) > 0:
                return False
        return True

    def spend(self, now: float, wall: float, cost: int) -> tuple[State, ...]:
        """Take ``cost``, and a place. Only right after ``wait`` gave 0."""
        self.under_way += 1
        self.pace.count(now, cost)
        if self.gate is not None:
            self.gate.spend(now, cost)
        return tuple([meter.spend(wall if by_wall else now, cost) for meter, by_wall in self.meters])

    def over(self, cost: int, verdict: Verdict | Grant, left: bool, times: Times, now: float) -> None:
        """A call to which ``verdict`` gave leave has ended."""
        self.under_way -= 1
        spent_at = verdict.spent_at
        if not left:
            for meter, by_wall in self.meters:
                meter.refund(verdict.spent_wall if by_wall else spent_at, cost)
            return
        took = now - spent_at
        self._took = took if not self._took else self._took + (took - self._took) * _SMOOTHING
        left_at = spent_at if times[0] is None else times[0]
        answered_in = 0.0 if times[1] is None else times[1] - left_at
        if answered_in > 0 or left_at > spent_at:
            for meter, by_wall in self.meters:
                if not by_wall:
                    meter.hold(spent_at, cost, left_at - spent_at, answered_in)

    def states(self, now: float, wall: float) -> tuple[State, ...]:
        return tuple([meter.state(wall if by_wall else now) for meter, by_wall in self.meters])

    def idle(self, now: float, wall: float) -> bool:
        if self.under_way or (self.gate is not None and not self.gate.forgettable(now)):
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
        longest, blocked = OPEN, None
        if not all([key in self._budgets for key, _ in draws]):  # noqa: C419 - a list is quicker
            self._forget_some(now, wall)  # before any is looked at: what this call draws on must stay
        budgets = []
        for key, policy in draws:
            budget = self._budget(key, policy)
            budgets.append(budget)
            found = budget.wait(now, wall, cost)
            if found.seconds > longest.seconds:
                longest, blocked = found, key
        if blocked is not None:
            states = tuple([state for budget in budgets for state in budget.states(now, wall)])
            return _refused(longest, blocked, states, now, wall)
        spent = [state for budget in budgets for state in budget.spend(now, wall, cost)]
        return Verdict(True, 0.0, None, tuple(spent), "", None, now, wall)

    def _spend_one(self, key: Key, policy: Policy, cost: int, now: float, wall: float) -> Verdict:
        """``spend`` for the most usual call by far, which draws on one budget."""
        if key not in self._budgets:
            self._forget_some(now, wall)
        budget = self._budget(key, policy)
        found = budget.wait(now, wall, cost)
        if found.seconds > 0:
            return _refused(found, key, budget.states(now, wall), now, wall)
        return Verdict(True, 0.0, None, budget.spend(now, wall, cost), "", None, now, wall)

    def take(self, draws: Sequence[Draw], now: float) -> Grant | None:
        """As ``spend`` at ``now``, for a call that costs 1, where each of the budgets is there and has room; None: nothing was taken, ask
        ``spend``."""
        wall = self._wall()
        budgets = self._budgets
        if len(draws) == 1:
            budget = budgets.get(draws[0][0])
            return Grant(now, wall, tightest(budget.spend(now, wall, 1))) if budget is not None and budget.has_room(now, wall) else None
        found = [budgets.get(key) for key, _ in draws]
        if not all([budget is not None and budget.has_room(now, wall) for budget in found]):  # noqa: C419 - a list is quicker
            return None
        return Grant(now, wall, tightest([state for budget in found if budget is not None for state in budget.spend(now, wall, 1)]))

    def _budget(self, key: Key, policy: Policy) -> Budget:
        budget = self._budgets.get(key)
        if budget is None:
            budget = self._budgets[key] = Budget(policy)
        return budget

    def give_back(self, draws: Sequence[Draw], cost: int, verdict: Verdict | Grant, *, left: bool, times: Times = NO_TIMES) -> None:
        now = self._monotonic()
        for key, _ in draws:
            # It is there still: one with a call under way is never forgotten.
            self._budgets[key].over(cost, verdict, left, times, now)

    def refused(self, draw: Draw, left_at: float, seconds: float | None, source: str) -> Learned | None:
        now = self._monotonic()
        key, policy = draw
        budget = self._budget(key, policy)
        if budget.gate is None:
            budget.gate = Gate()
        pace = budget.pace.at(now) or UNKNOWN_PACE  # nobody counted where nothing was limited
        news = budget.gate.refused(now, left_at, seconds, source, pace)
        return budget.gate.learned(now) if news else None

    def estimate(self, draws: Sequence[Draw], cost: int, ahead: int, calls: int) -> Verdict:
        """When a call could leave behind ``calls`` others that cost ``ahead``, and why not now; spends and remembers nothing."""
        now, wall = self._monotonic(), self._wall()
        longest, blocked = OPEN, None
        states: list[State] = []
        for number, (key, policy) in enumerate(draws):
            budget = self._budgets.get(key) or Budget(policy)
            # Who stands before it draws on the first budget for sure; of the others, who knows.
            found = budget.wait(now, wall, cost, *((ahead, calls) if number == 0 else ()))
            states += budget.states(now, wall)
            if found.seconds > longest.seconds:
                longest, blocked = found, key
        if blocked is not None:
            return _refused(longest, blocked, tuple(states), now, wall)
        return Verdict(True, 0.0, None, tuple(states), "", None, now, wall)

    def budgets(self) -> Iterator[Report]:
        now, wall = self._monotonic(), self._wall()
        for key, budget in self._budgets.items():
            if not budget.idle(now, wall):
                gate = budget.gate if budget.gate is not None and not budget.gate.done(now) else None
                yield Report(key, budget.states(now, wall), budget.under_way, budget.places, gate.learned(now) if gate else None)

    def _forget_some(self, now: float, wall: float) -> None:
        for _ in range(min(_LOOKED_AT, len(self._budgets))):
            key, budget = self._budgets.popitem(last=False)
            if not budget.idle(now, wall):
                self._budgets[key] = budget


def tightest(states: Sequence[State]) -> State | None:
    """The state that a caller meets first: fewest calls left, then longest until there are more; None of none."""
    if len(states) < 2:
        return states[0] if states else None
    first = states[0]
    for state in states:
        if state.remaining <= first.remaining and (state.remaining < first.remaining or state.reset_s > first.reset_s):
            first = state
    return first


def _refused(by: Obstacle, key: Key, states: tuple[State, ...], now: float, wall: float) -> Verdict:
    return Verdict(False, by.seconds, by.quota, states, by.why, key, now, wall, by.places)


def _meter(quota: Quota, timezone: str) -> tuple[Meter, bool]:
    if quota.kind == "window":
        return Window(quota), False
    if quota.kind == "gcra":
        return Gcra(quota), False
    return Calendar(quota, zone_of(timezone)), True
