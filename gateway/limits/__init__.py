"""May this call leave now? The budgets of its element and its caller, spent once for each call that leaves (contract 3, end).

A call that cannot leave at once and may wait joins the line of its budget (``waiting.py``), unless it is clear already that its time
will not do: then it is refused at once, with the time that would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import structlog

from gateway.callers.keys import CallerKey
from gateway.errors import RateLimited
from gateway.exchange import Exchange, Instance, Pair, Request, Target
from gateway.limits.calendar import period_around, zone_of
from gateway.limits.memory import MemoryStore, tightest
from gateway.limits.preference import wait_preferred
from gateway.limits.queue import Waiter
from gateway.limits.quota import parse_quota
from gateway.limits.report import gates, rows, shares, waiting_by_element
from gateway.limits.rules import Rules
from gateway.limits.store import Draw, Grant, Key, Policy, Scope, State, Times, Verdict
from gateway.limits.waiting import QueueFull, QueueSettings, TurnedOut, WaitingRoom

log = structlog.get_logger("gateway.limits")

_GRAIN_S = 1e-6  # ten seconds measured in floats may be 10.000000000001; that is not eleven
_SUBJECT: dict[Scope, str] = {
    "instance": "{0.element} for {0.customer}",
    "customer": "{0.element} for {0.customer}",
    "element": "{0.element} for all customers together",
    "group": "{0.element} for the group of {0.customer}",
}
_STREAM_OCTETS = 64 * 1024  # of a body that streams, about this much is held while its call waits


class Permit:
    """That a call may leave. Tell it when it does (``written``), when its answer begins (``heard``), and once, when it is over (``over``).
    The former two are for the provider's count, which is later than ours."""

    __slots__ = ("_cost", "_draws", "_heard_at", "_left_at", "_limits", "_verdict")

    def __init__(self, limits: Limits, draws: tuple[Draw, ...], cost: int, verdict: Verdict) -> None:
        self._limits = limits
        self._draws = draws
        self._cost = cost
        self._verdict: Verdict | None = verdict
        self._left_at: float | None = None
        self._heard_at: float | None = None

    def written(self, now: float) -> None:
        """It left at ``now``, monotonic."""
        self._left_at = now

    def heard(self, now: float) -> None:
        """The head of the answer came at ``now``, monotonic."""
        self._heard_at = now

    def over(self, *, left: bool = True) -> None:
        """The call has ended; one that never ``left`` has cost nothing."""
        verdict, self._verdict = self._verdict, None
        if verdict is not None:
            self._limits.give_back(self._draws, self._cost, verdict, left=left, times=(self._left_at, self._heard_at))


class _Free(Permit):
    """For calls that draw on nothing."""

    def __init__(self) -> None:
        pass

    def written(self, now: float) -> None:
        pass

    def heard(self, now: float) -> None:
        pass

    def over(self, *, left: bool = True) -> None:
        pass


FREE = _Free()


class Drawn(NamedTuple):
    """What calls draw on: ``draws``, and something that is to be looked at where there is a budget for ``unless`` after all."""

    draws: tuple[Draw, ...]
    unless: Key | None


class Limits:
    """The budgets of every element and caller. ``rules`` tells what holds for an element key; the clocks are in seconds."""

    def __init__(
        self, rules: Callable[[str], Rules], monotonic: Callable[[], float], wall: Callable[[], float], queue: QueueSettings | None = None
    ) -> None:
        self._rules = rules
        self._wall = wall
        self._settings = queue or QueueSettings()
        self._store = MemoryStore(monotonic, wall)
        self._room = WaitingRoom(self._store, self._settings)
        self._monotonic = monotonic
        self._stops_at: float | None = None

    async def acquire(self, request: Request, target: Target, exchange: Exchange, longest_s: float | None = None) -> Permit:
        """Leave to make one call. It waits where the caller (``Prefer: wait``) or the element lets it, at most ``longest_s`` seconds.

        Writes the rate limit fields and the decision into ``exchange``. Raises ``RateLimited``, having spent nothing. Platform calls
        and elements without limits are free.
        """
        rules = self._rules(target.element)
        draws = self._draws(target, rules.policy)
        wait_s = self._wait_s(request, rules, exchange)
        if not draws:
            exchange.note("limits", "unlimited", "no limit is known" if target.instance else "platform call")
            return FREE
        cost = _cost(rules, draws, request, target) if rules.costs else 1
        line = self._room.line(draws[0][0])
        if line is None or line.lets_by(_whose(target)[0]):
            verdict = await self._store.spend(draws, cost)
            if verdict.allowed:
                return self._granted(draws, cost, verdict, exchange)
        if rules.shadow and target.instance is not None:
            return await self._shadowed(draws, cost, target, exchange)
        waiter = _waiter(request, target, cost, exchange)
        verdict = self._estimate(draws, waiter)
        wait_s = 0.0 if exchange.background else min(wait_s - exchange.queue_seconds, self._patience_s())
        wait_s = wait_s if longest_s is None else min(wait_s, longest_s)
        if verdict.retry_after <= wait_s:
            return await self._wait(draws, waiter, wait_s, target, exchange)
        raise self._refusal(self._behind_all(draws, waiter), target, exchange)

    def standing(self, target: Target) -> Drawn:
        """What the calls to an instance draw on, each time."""
        policy, caller = self._rules(target.element).policy, target.caller
        own = _drawn_by(caller) if caller is not None else ()
        if target.instance is None:
            return Drawn(own, None)
        key = _key(policy.scope, target.instance)
        return Drawn(((key, policy), *own), None) if policy.bounded else Drawn(own, key)

    def take(self, drawn: Drawn, now: float) -> Grant | None:
        """As ``acquire`` at ``now``, for a call that costs 1 and may leave at once; None: it may not, or others wait, or it is not known
        yet, and nothing was spent. To be given back (``give_back``), or held by a ``Permit``."""
        if drawn.unless is not None and drawn.unless in self._store:
            return None
        if not drawn.draws:
            return Grant(now, 0.0, None)
        return None if self._room.line(drawn.draws[0][0]) is not None else self._store.take(drawn.draws, now)

    def permit(self, drawn: Drawn, grant: Grant, left_at: float) -> Permit:
        """What ``acquire`` would have given for ``grant``; the call left at ``left_at``."""
        permit = Permit(self, drawn.draws, 1, grant.verdict) if drawn.draws else FREE
        permit.written(left_at)
        return permit

    def is_uniform(self, element: str) -> bool:
        """Whether each call of ``element`` costs 1."""
        return not self._rules(element).costs

    async def _shadowed(self, draws: tuple[Draw, ...], cost: int, target: Target, exchange: Exchange) -> Permit:
        """What the element's budget would refuse passes; the caller's own quota holds."""
        own = tuple(draw for draw in draws if draw[0][0] == "caller")
        refused = self._store.estimate(draws, cost, 0, 0)
        if own:
            verdict = await self._store.spend(own, cost)
            if not verdict.allowed:
                raise self._refusal(verdict, target, exchange)
            permit = self._granted(own, cost, verdict, exchange)
        else:
            permit = FREE
        exchange.limited = "shadow"
        exchange.note("limits", "shadow", self.detail(refused, target))
        return permit

    async def _wait(self, draws: tuple[Draw, ...], waiter: Waiter, wait_s: float, target: Target, exchange: Exchange) -> Permit:
        began = self._monotonic()
        exchange.limited = "queued"
        try:
            verdict = await self._room.wait(draws, waiter, wait_s)
        except (QueueFull, TurnedOut) as error:
            why = "; too many calls wait for it already" if isinstance(error, QueueFull) else "; the gateway is about to stop"
            raise self._refusal(self._behind_all(draws, waiter), target, exchange, why) from None
        finally:
            waited = self._monotonic() - began
            exchange.queue_seconds += waited
        if verdict is None:
            raise self._refusal(self._behind_all(draws, waiter), target, exchange, f"; the call waited {waited:.1f} s")
        exchange.note("limits", "waited", f"{waited:.3f} s")
        return self._granted(draws, waiter.cost, verdict, exchange)

    def _granted(self, draws: tuple[Draw, ...], cost: int, verdict: Verdict, exchange: Exchange) -> Permit:
        exchange.note("limits", "allowed", self._tell(draws, verdict, exchange))
        return Permit(self, draws, cost, verdict)

    def _refusal(self, verdict: Verdict, target: Target, exchange: Exchange, more: str = "") -> RateLimited:
        self._tell(self._draws(target, self._rules(target.element).policy), verdict, exchange)
        exchange.limited = "rejected"
        detail = self.detail(verdict, target) + more
        exchange.note("limits", "refused", detail)
        return RateLimited(detail, retry_after=verdict.retry_after)

    def _tell(self, draws: tuple[Draw, ...], verdict: Verdict, exchange: Exchange) -> str:
        """Have the rate limit fields go with the answer."""
        if not verdict.states:
            return "no quota"
        fields = said_of(tightest(verdict.states) or verdict.states[0])
        exchange.rate_limit = (policy_of(draws), ("RateLimit", fields))
        return fields

    def give_back(self, draws: tuple[Draw, ...], cost: int, verdict: Verdict | Grant, *, left: bool, times: Times) -> None:
        """What a ``Permit`` calls when it is over."""
        self._store.give_back(draws, cost, verdict, left=left, times=times)
        self._room.changed(draws)

    def refused(self, target: Target, left_at: float, seconds: float | None, source: str, *, until_midnight: bool = False) -> None:
        """The provider refused a call that left at ``left_at`` because its own limit is spent, for ``seconds`` (None: it did not say)."""
        if target.instance is None:
            return
        policy = self._rules(target.element).policy
        if until_midnight and seconds is None:
            now = self._wall()
            seconds, source = period_around(now, "day", zone_of(policy.timezone))[1] - now, f"{source}, until midnight"
        key = _key(policy.scope, target.instance)
        learned = self._store.refused((key, policy), left_at, seconds, source)
        if learned is not None:
            log.warning(
                "the provider's limit is spent",
                environment=target.environment.name,
                element=target.element,
                scope=policy.scope,
                handle=target.instance.handle,
                closed_s=round(learned.seconds, 3),
                reopens_at_per_s=round(learned.pace, 3),
                source=source,
            )

    def patience(self, request: Request, target: Target, exchange: Exchange) -> float:
        """For how many seconds more a call may wait for its budget; where no gate would hold it, there is nothing to wait for."""
        if target.instance is None or self._rules(target.element).shadow:
            return 0.0
        return self._wait_s(request, self._rules(target.element), None) - exchange.queue_seconds

    def peek(self, request: Request, target: Target) -> dict[str, Any]:
        """What ``acquire`` would come to now, for people; nothing is spent."""
        rules = self._rules(target.element)
        draws = self._draws(target, rules.policy)
        if not draws:
            return {"outcome": "allowed", "reason": "no limit is known" if target.instance else "platform call", "quotas": []}
        cost = _cost(rules, draws, request, target) if rules.costs else 1
        verdict = self._estimate(draws, Waiter(*_whose(target), cost))
        quotas = [
            {"quota": one.quota.text, "limit": one.quota.most, "remaining": one.remaining, "resets": round(one.reset_s, 3)}
            for one in verdict.states
        ]
        said = {"scope": draws[0][1].scope if target.instance else "caller", "cost": cost}
        if verdict.allowed:
            return {"outcome": "allowed", **said, "quotas": quotas}
        retry_after = round(verdict.retry_after, 3)
        refusal = {"reason": self.detail(verdict, target), "retry_after": retry_after}
        if rules.shadow:
            return {"outcome": "allowed", **said, "shadow": refusal["reason"], "quotas": quotas}
        if verdict.retry_after <= self._wait_s(request, rules, None):
            return {"outcome": "queued", **said, **refusal, "quotas": quotas}
        return {"outcome": "refused", **said, **refusal, "quotas": quotas}

    def detail(self, verdict: Verdict, target: Target) -> str:
        """For the caller that was refused: ``hubspot for acme allows 100 calls in 10 s``."""
        if verdict.key is None:
            return ""
        scope = verdict.key[0]
        subject = "this caller key" if scope == "caller" else _SUBJECT[scope].format(target.instance)
        return f"{subject} {verdict.why}"

    def report(self) -> list[dict[str, Any]]:
        """A row for each quota of every live budget (contract 4, ``GET /limits``), as ``report.rows`` describes it."""
        return rows(self._store.budgets(), self._room.waiting())

    def shares(self) -> dict[tuple[str, str], float]:
        """The smallest share left (0 to 1) among the live budgets of each (environment, element)."""
        return shares(self._store.budgets())

    def gates(self) -> dict[tuple[str, str], int]:
        """Of each (environment, element) with a gate: 1 reopening, 2 closed; the most closed one counts."""
        return gates(self._store.budgets())

    def waiting(self) -> dict[tuple[str, str], int]:
        """How many calls wait for budgets of each (environment, element)."""
        return waiting_by_element(self._room.waiting())

    def drain(self, seconds: float) -> None:
        """The gateway stops in ``seconds``: who cannot go by then is told in time."""
        seconds = max(0.0, seconds - min(1.0, seconds / 4))
        self._stops_at = self._monotonic() + seconds
        asyncio.get_running_loop().call_later(seconds, self._room.turn_out)

    async def close(self) -> None:
        """Let nobody go any more."""
        await self._room.close()

    def _draws(self, target: Target, policy: Policy) -> tuple[Draw, ...]:
        instance, caller = target.instance, target.caller
        own = _drawn_by(caller) if caller is not None else ()
        if instance is None:
            return own
        key = _key(policy.scope, instance)
        if policy.bounded or key in self._store:
            return ((key, policy), *own)
        return own

    def _estimate(self, draws: tuple[Draw, ...], waiter: Waiter) -> Verdict:
        """When ``waiter`` would go if it joined now."""
        line = self._room.line(draws[0][0])
        if line is None:
            return self._store.estimate(draws, waiter.cost, 0, 0)
        ahead = line.queue.ahead(waiter, line.held)
        return self._store.estimate(draws, waiter.cost, ahead, min(ahead, len(line.queue)))

    def _behind_all(self, draws: tuple[Draw, ...], waiter: Waiter) -> Verdict:
        """When a call that does not join may come back: all who wait have gone by then."""
        line = self._room.line(draws[0][0])
        return self._store.estimate(draws, waiter.cost, *((line.queue.units, len(line.queue)) if line is not None else (0, 0)))

    def _patience_s(self) -> float:
        """The longest that anybody may wait."""
        return self._settings.longest_s if self._stops_at is None else max(0.0, self._stops_at - self._monotonic())

    def _wait_s(self, request: Request, rules: Rules, exchange: Exchange | None) -> float:
        prefer = request.headers.get("prefer")
        preferred = wait_preferred(prefer) if prefer is not None else None
        if preferred is None:
            return rules.wait_s
        applied = min(preferred, int(self._settings.longest_s))
        if exchange is not None:
            exchange.preference = f"wait={applied}"
        return applied


def _drawn_by(caller: CallerKey) -> tuple[Draw, ...]:
    return ((("caller", "", "", caller.id), _own(caller.limits)),) if caller.limits else ()


def _cost(rules: Rules, draws: tuple[Draw, ...], request: Request, target: Target) -> int:
    """What a call costs; never more than may be spent at once of all that it draws on."""
    cost = rules.cost_of(request.method, target.resource)
    return min([cost, *[quota.most for _, policy in draws for quota in policy.quotas]])


def _waiter(request: Request, target: Target, cost: int, exchange: Exchange) -> Waiter:
    body = request.body
    return Waiter(*_whose(target), cost, len(body) if isinstance(body, bytes) else _STREAM_OCTETS, exchange.limit_signals > 0)


def _whose(target: Target) -> tuple[str, bool]:
    caller = target.caller
    return ("", False) if caller is None else (caller.id, caller.priority == "batch")


@lru_cache(maxsize=1024)
def _own(limits: tuple[str, ...]) -> Policy:
    return Policy(tuple(parse_quota(text) for text in limits), "caller")


def _key(scope: Scope, instance: Instance) -> Key:
    if scope == "instance":
        return scope, instance.environment, instance.element, instance.handle
    if scope == "customer":
        return scope, instance.environment, instance.element, instance.customer
    if scope == "group":
        return scope, instance.environment, instance.element, instance.group or instance.handle
    return scope, instance.environment, instance.element, ""


def said_of(state: State) -> str:
    """The ``RateLimit`` field."""
    return f'"{state.quota.text}";r={state.remaining};t={ceil(state.reset_s - _GRAIN_S)}'


def policy_of(draws: tuple[Draw, ...]) -> Pair:
    """The ``RateLimit-Policy`` field."""
    if len(draws) == 1:
        return draws[0][1].header
    return "RateLimit-Policy", ", ".join(filter(None, [policy.header[1] for _, policy in draws]))
