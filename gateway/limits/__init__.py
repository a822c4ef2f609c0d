"""May this call leave now? The element's budget, spent once for each call that leaves (contract 3, end)."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Any

from gateway.limits.memory import MemoryStore
from gateway.limits.store import Key, Policy, Scope, State, Verdict

if TYPE_CHECKING:
    from gateway.exchange import Exchange, Instance, Target

_UNLIMITED = Verdict(True, 0.0, None, ())
_GRAIN_S = 1e-6  # ten seconds measured in floats may be 10.000000000001; that is not eleven
_SUBJECT: dict[Scope, str] = {
    "instance": "{0.element} for {0.customer}",
    "customer": "{0.element} for {0.customer}",
    "element": "{0.element} for all customers together",
    "group": "{0.element} for the group of {0.customer}",
}


class Limits:
    """The budgets of every element. ``policy`` tells what holds for an element key; the clocks are in seconds."""

    def __init__(self, policy: Callable[[str], Policy], monotonic: Callable[[], float], wall: Callable[[], float]) -> None:
        self._policy = policy
        self._store = MemoryStore(monotonic, wall)

    async def spend(self, target: Target, exchange: Exchange) -> Verdict:
        """Take one call from the budget of ``target``; all of its quotas or, when one refuses, none.

        Writes the rate limit fields and the decision into ``exchange``. Platform calls and elements without limits are free.
        """
        instance = target.instance
        if instance is None:
            exchange.note("limits", "unlimited", "platform call")
            return _UNLIMITED
        policy = self._policy(instance.element)
        if not policy.quotas:
            exchange.note("limits", "unlimited", "no limit is known")
            return _UNLIMITED
        verdict = await self._store.spend(_key(policy.scope, instance), policy)
        state = _tightest(verdict.states)
        fields = f'"{state.quota.text}";r={state.remaining};t={ceil(state.reset_s - _GRAIN_S)}'
        exchange.rate_limit = (policy.header, ("RateLimit", fields))
        if verdict.allowed:
            exchange.note("limits", "allowed", fields)
        else:
            exchange.limited = "rejected"
            exchange.note("limits", "refused", self.detail(verdict, target))
        return verdict

    def peek(self, target: Target) -> dict[str, Any]:
        """What ``spend`` would come to now, for people; nothing is spent."""
        instance = target.instance
        policy = self._policy(instance.element) if instance else None
        if instance is None or policy is None or not policy.quotas:
            return {"outcome": "allowed", "reason": "no limit is known" if instance else "platform call", "quotas": []}
        verdict = self._store.peek(_key(policy.scope, instance), policy)
        quotas = [
            {"quota": one.quota.text, "limit": one.quota.most, "remaining": one.remaining, "resets": round(one.reset_s, 3)}
            for one in verdict.states
        ]
        if verdict.allowed:
            return {"outcome": "allowed", "scope": policy.scope, "quotas": quotas}
        refusal = {"reason": self.detail(verdict, target), "retry_after": round(verdict.retry_after, 3)}
        return {"outcome": "refused", "scope": policy.scope, **refusal, "quotas": quotas}

    def detail(self, verdict: Verdict, target: Target) -> str:
        """For the caller that was refused: ``hubspot for acme allows 100 calls in 10 s``."""
        if verdict.refused_by is None or target.instance is None:
            return ""
        subject = _SUBJECT[self._policy(target.element).scope].format(target.instance)
        return f"{subject} allows {verdict.refused_by.phrase}"

    def report(self) -> list[dict[str, Any]]:
        """A row for each quota of every live budget (contract 4, ``GET /limits``), the smallest share left first.

        ``key`` is the handle, customer or group as ``scope`` says, null for ``element``; ``quota`` is its text, ``limit`` how many
        calls it allows at once; ``resets`` is in seconds, until ``remaining`` grows.
        """
        rows = [
            {
                "environment": environment,
                "element": element,
                "scope": scope,
                "key": name or None,
                "quota": state.quota.text,
                "limit": state.quota.most,
                "used": state.used,
                "remaining": state.remaining,
                "resets": round(state.reset_s, 3),
                "waiting": 0,
                "learned": None,
            }
            for (scope, environment, element, name), states in self._store.budgets()
            for state in states
        ]
        return sorted(rows, key=lambda row: row["remaining"] / row["limit"])

    def shares(self) -> dict[tuple[str, str], float]:
        """The smallest share left (0 to 1) among the live budgets of each (environment, element): ``report`` in short, for a scrape."""
        least: dict[tuple[str, str], float] = {}
        for (_, environment, element, _), states in self._store.budgets():
            share = min([state.remaining / state.quota.most for state in states])
            where = environment, element
            if share < least.get(where, 2.0):
                least[where] = share
        return least


def _key(scope: Scope, instance: Instance) -> Key:
    if scope == "instance":
        return scope, instance.environment, instance.element, instance.handle
    if scope == "customer":
        return scope, instance.environment, instance.element, instance.customer
    if scope == "group":
        return scope, instance.environment, instance.element, instance.group or instance.handle
    return scope, instance.environment, instance.element, ""


def _tightest(states: tuple[State, ...]) -> State:
    """The state that a caller meets first: fewest calls left, then longest until there are more."""
    tightest = states[0]
    for state in states:
        if state.remaining <= tightest.remaining and (state.remaining < tightest.remaining or state.reset_s > tightest.reset_s):
            tightest = state
    return tightest
