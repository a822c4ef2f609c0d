"""Scenes for the limits: callers who come, wait, are answered, or leave, in virtual time, and a list of all that left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from math import inf
from typing import Any, TypeVar

from gateway.callers.keys import CallerKey
from gateway.errors import RateLimited
from gateway.exchange import Environment, Exchange, Headers, Instance, Request, Target
from gateway.limits import Limits
from gateway.limits.quota import parse_quota
from gateway.limits.rules import Cost, Rules
from gateway.limits.store import Policy, Scope
from gateway.limits.waiting import QueueSettings
from gateway.secret import Secret
from tests.support.virtual_time import VirtualTimeLoop, run

T = TypeVar("T")
NOON = 1_780_000_000.0 - 1_780_000_000.0 % 86400 + 43200
MOST = 9  # the highest cost of a call
_SECRET = Secret("none")
_ENVIRONMENT = Environment("dev", "http://127.0.0.1:1", _SECRET, _SECRET)
_COSTS = tuple(Cost(f"/cost/{cost}", cost) for cost in range(2, MOST + 1))


@dataclass(frozen=True, slots=True)
class Call:
    """A call that comes at ``at`` (seconds after the scene's begin) and would wait ``wait`` whole seconds (None: it does not say).

    Once let go, its answer begins after ``latency`` seconds and it is over ``body`` seconds later; ``left`` False: it turns out after
    ``latency`` that it could not be sent. ``leaves``: its caller goes that long after it came, and so many
    ``turns`` of the loop more, whatever becomes of it.
    """

    at: float = 0.0
    caller: str = "a"
    cost: int = 1
    wait: int | None = None
    latency: float = 0.0
    body: float = 0.0
    left: bool = True
    leaves: float | None = None
    turns: int = 0
    octets: int = 0
    handle: str = "one"
    element: str = "hubspot"


@dataclass(eq=False, slots=True)
class Went:
    """What became of a ``call``: came at ``came``, let go at ``went`` (None: never), refused or gone ``ended``.

    ``cost`` is what it costs: never more than its element allows at once.
    """

    call: Call
    cost: int = 1
    came: float = inf
    went: float | None = None
    ended: float = inf
    refused: RateLimited | None = None
    cancelled: bool = False
    exchange: Exchange = field(default_factory=lambda: Exchange("r", "POST", "/contacts", 0.0))

    @property
    def counts(self) -> bool:
        """Whether it reached the provider."""
        return self.went is not None and self.call.left


class Scene:
    """Real limits in virtual time. ``own`` are quotas of single callers, ``batch`` the callers whose work is batch."""

    def __init__(
        self,
        *quotas: str,
        concurrency: int | None = None,
        scope: Scope = "instance",
        timezone: str = "UTC",
        queue: QueueSettings | None = None,
        own: dict[str, tuple[str, ...]] | None = None,
        batch: Iterable[str] = (),
        shadow: bool = False,
        wait_s: float = 0.0,
        begin: float = 0.0,
        wall: float = NOON,
    ) -> None:
        self.loop = VirtualTimeLoop(begin)
        self.most = min([MOST, *[parse_quota(text).most for text in quotas]])
        self.begin = begin
        self.wall = wall
        policy = Policy(tuple(parse_quota(text) for text in quotas), scope, timezone, concurrency)
        rules = Rules(policy, wait_s, shadow, _COSTS)
        self.limits = Limits(lambda _: rules, self.loop.time, lambda: self.wall + self.loop.time(), queue)
        self.own = own or {}
        self.batch = frozenset(batch)
        self.went: list[Went] = []
        """In the order in which they were let go."""
        self.all: list[Went] = []
        """In the order in which they came."""

    def target(self, call: Call) -> Target:
        """Where ``call`` goes, and on whose behalf."""
        instance = Instance(call.handle, "dev", "acme", call.element, _SECRET)
        priority = "batch" if call.caller in self.batch else "interactive"
        caller = CallerKey(call.caller, call.caller, b"", priority=priority, limits=self.own.get(call.caller, ()))
        return Target(_ENVIRONMENT, instance, "/contacts" if call.cost == 1 else f"/cost/{call.cost}", caller)

    async def make(self, call: Call, went: Went | None = None) -> Went:
        """``call``, now, until it is over, refused, or its caller leaves."""
        went = went or Went(call)
        went.cost = min(call.cost, self.most)
        went.came = self.loop.time()
        self.all.append(went)
        exchange = went.exchange
        permit = None
        try:
            permit = await self.limits.acquire(_request(call.wait, call.octets), self.target(call), exchange)
            went.went = self.loop.time()
            self.went.append(went)
            await asyncio.sleep(call.latency)
            if call.left:
                permit.heard(self.loop.time())
                await asyncio.sleep(call.body)
        except RateLimited as error:
            went.refused = error
        finally:
            went.ended = self.loop.time()
            if permit is not None:
                permit.over(left=call.left)
        return went

    async def come(self, call: Call) -> Went:
        """``call`` when its time has come, and its caller leaving when that has."""
        await self.loop.sleep_until(self.begin + call.at)
        if call.leaves is None:
            return await self.make(call)
        went = Went(call)
        task = asyncio.ensure_future(self.make(call, went))
        self.loop.call_at(self.begin + call.at + call.leaves, self._leave, task, call.turns)
        try:
            return await task
        except asyncio.CancelledError:
            went.cancelled = True
            return went

    def _leave(self, task: asyncio.Task[Went], turns: int) -> None:
        if turns:
            self.loop.call_soon(self._leave, task, turns - 1)
        else:
            task.cancel()

    async def all_of(self, calls: Iterable[Call]) -> list[Went]:
        """What became of ``calls``, in their order."""
        return await asyncio.gather(*[self.come(call) for call in calls])

    def play(self, calls: Iterable[Call]) -> list[Went]:
        """``all_of``, to the end."""
        return self.run(self.all_of(calls))

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """What the coroutine ``main`` returns, run in this scene's time."""
        return run(main, self.loop)

    async def refusal(self, call: Call) -> float | None:
        """Seconds after which ``call``, made now, may come again; None: it went (and is over at once)."""
        went = await self.make(replace(call, wait=0, latency=0.0, body=0.0))
        return None if went.refused is None else went.refused.retry_after

    def used(self) -> dict[tuple[str, str | None, str], int]:
        """Of each live budget what is used: by (scope, key, quota)."""
        return {(row["scope"], row["key"], row["quota"]): row["used"] for row in self.limits.report() if row["used"]}

    def assert_nothing_is_left(self) -> None:
        """No line, no place taken, nobody counted."""
        room = self.limits._room
        assert self.limits.waiting() == {}
        assert (room._lines, room._of_caller, room._calls, room._octets) == ({}, {}, 0, 0)
        assert [row for row in self.limits.report() if row["quota"] == "concurrency" and row["used"]] == []


@cache
def _request(wait: int | None, octets: int) -> Request:
    return Request("POST", "/hubs/crm/contacts", Headers([] if wait is None else [("Prefer", f"wait={wait}")]), b"x" * octets)
