"""Budgets in this process. Between looking and spending nothing is awaited, so no two calls can take the same place."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from gateway.limits.calendar import Calendar, zone_of
from gateway.limits.gcra import Gcra
from gateway.limits.quota import Quota
from gateway.limits.store import Key, Meter, Policy, State, Verdict
from gateway.limits.window import Window

_LOOKED_AT = 4  # idle budgets looked for when one is opened: more than one, so that they go faster than they come

Budget = tuple[tuple[Meter, bool], ...]
"""The meters of a policy's quotas, in its order, and whether each goes by the wall clock."""


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

    async def spend(self, key: Key, policy: Policy) -> Verdict:
        now, wall = self._monotonic(), self._wall()
        budget = self._budgets.get(key)
        if budget is None:
            budget = self._open(key, policy, now, wall)
        retry_after = 0.0
        refused_by: Quota | None = None
        for meter, by_wall in budget:
            wait = meter.wait(wall if by_wall else now)
            if wait > retry_after:
                retry_after, refused_by = wait, meter.quota
        if refused_by is None:
            return Verdict(True, 0.0, None, tuple([meter.spend(wall if by_wall else now) for meter, by_wall in budget]))
        return Verdict(False, retry_after, refused_by, tuple([meter.state(wall if by_wall else now) for meter, by_wall in budget]))

    def peek(self, key: Key, policy: Policy) -> Verdict:
        """What ``spend`` would say, without spending or remembering anything."""
        now, wall = self._monotonic(), self._wall()
        budget = self._budgets.get(key) or _meters(policy)
        waits = [(meter.wait(wall if by_wall else now), meter.quota) for meter, by_wall in budget]
        longest, quota = max(waits, key=lambda wait: wait[0])
        states = tuple([meter.state(wall if by_wall else now) for meter, by_wall in budget])
        return Verdict(longest <= 0, max(longest, 0.0), quota if longest > 0 else None, states)

    def budgets(self) -> Iterator[tuple[Key, tuple[State, ...]]]:
        now, wall = self._monotonic(), self._wall()
        for key, budget in self._budgets.items():
            if not _idle(budget, now, wall):
                yield key, tuple(meter.state(wall if by_wall else now) for meter, by_wall in budget)

    def _open(self, key: Key, policy: Policy, now: float, wall: float) -> Budget:
        self._forget_some(now, wall)
        budget = self._budgets[key] = _meters(policy)
        return budget

    def _forget_some(self, now: float, wall: float) -> None:
        for _ in range(min(_LOOKED_AT, len(self._budgets))):
            key, budget = self._budgets.popitem(last=False)
            if not _idle(budget, now, wall):
                self._budgets[key] = budget


def _meters(policy: Policy) -> Budget:
    return tuple(_meter(quota, policy.timezone) for quota in dict.fromkeys(policy.quotas))


def _meter(quota: Quota, timezone: str) -> tuple[Meter, bool]:
    if quota.kind == "window":
        return Window(quota), False
    if quota.kind == "gcra":
        return Gcra(quota), False
    return Calendar(quota, zone_of(timezone)), True


def _idle(budget: Budget, now: float, wall: float) -> bool:
    return all(meter.idle(wall if by_wall else now) for meter, by_wall in budget)
