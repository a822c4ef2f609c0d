"""Defects of the budgets and of their waiting lines that a review found, each as a law that must hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from gateway.callers.keys import CallerKey
from gateway.errors import RateLimited
from gateway.exchange import Environment, Exchange, Headers, Instance, Request, Target
from gateway.limits import Limits
from gateway.limits.learning import Gate
from gateway.limits.memory import MemoryStore
from gateway.limits.preference import wait_preferred
from gateway.limits.quota import parse_quota
from gateway.limits.rules import Cost, Rules
from gateway.limits.store import Draw, Policy, Verdict
from gateway.secret import Secret
from tests.support.rooms import budget

ENVIRONMENT = Environment("dev", "http://127.0.0.1:9/elements/api-v2", Secret("user"), Secret("organization"))
INSTANCE = Instance("gwi_abcdefgh", "dev", "acme", "netsuite", Secret("token"))


def key(key_id: str, *limits: str) -> CallerKey:
    return CallerKey(key_id, key_id, b"", limits=limits)


def target(caller: CallerKey, *, platform: bool = False) -> Target:
    return Target(ENVIRONMENT, None if platform else INSTANCE, "/x", caller)


def request(*fields: tuple[str, str]) -> Request:
    return Request("GET", "/x", Headers(fields))


def exchange() -> Exchange:
    return Exchange("id", "GET", "/x", time.monotonic())


def limits(rules: Rules) -> Limits:
    return Limits(lambda _: rules, time.monotonic, time.time)


async def test_a_budget_that_a_call_is_about_to_draw_on_is_not_forgotten() -> None:
    """The element's budget is opened for this call, or was idle; opening the caller's own must not drop it."""
    room = Limits(budget("100/10s"), time.monotonic, time.time)
    permit = await room.acquire(request(), target(key("own", "5/10s")), exchange())
    assert sorted(row["scope"] for row in room.report()) == ["caller", "instance"]
    permit.over()


async def test_a_dear_call_is_payable_from_a_small_quota_of_its_caller() -> None:
    """What a call costs never exceeds what may be spent at once, be that the element's or the caller's (``Rules.cost_of``)."""
    room = limits(Rules(Policy((parse_quota("100/10s"),)), costs=(Cost("/**", 10),)))
    await room.acquire(request(), target(key("warm")), exchange())
    permit = await room.acquire(request(), target(key("small", "5/10s")), exchange())
    permit.over()


async def test_who_waits_for_its_own_quota_is_in_nobodys_way() -> None:
    """A caller that has spent its own quota waits. The element's only place is free, so another one goes at once that will not wait."""
    room = limits(Rules(Policy((parse_quota("100/10s"),), concurrency=1)))
    held = await room.acquire(request(), target(key("other")), exchange())
    spent = key("spent", "1/30s")
    (await room.acquire(request(), target(spent, platform=True), exchange())).over()
    waiting = asyncio.create_task(room.acquire(request(("Prefer", "wait=60")), target(spent), exchange()))
    await asyncio.sleep(0.01)
    held.over()
    await asyncio.sleep(0.01)
    assert not waiting.done()
    try:
        (await room.acquire(request(), target(key("other")), exchange())).over()
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await room.close()


class Counting(MemoryStore):
    """Counts how often somebody looks."""

    looks = 0

    async def spend(self, draws: Sequence[Draw], cost: int = 1) -> Verdict:
        self.looks += 1
        return await super().spend(draws, cost)


async def test_waiting_for_a_place_costs_nothing_until_it_is_free() -> None:
    """The first call of a budget takes long. Who waits for its place is woken when it is over, and polls for nothing."""
    room = limits(Rules(Policy(concurrency=1)))
    store = Counting(time.monotonic, time.time)
    room._store = room._room._store = store
    permit = await room.acquire(request(), target(key("one")), exchange())
    waiting = asyncio.create_task(room.acquire(request(("Prefer", "wait=60")), target(key("two")), exchange()))
    await asyncio.sleep(0.5)
    looks = store.looks
    permit.over()
    (await waiting).over()
    await room.close()
    assert looks <= 5


async def test_a_callers_own_quota_holds_where_the_element_is_only_watched() -> None:
    """``shadow`` is the element's: it lets pass what the element's budget would refuse, not what the caller's own does."""
    room = limits(Rules(Policy((parse_quota("100/10s"),)), shadow=True))
    await room.acquire(request(), target(key("warm")), exchange())
    own = key("own", "1/h")
    await room.acquire(request(), target(own), exchange())
    with pytest.raises(RateLimited):
        await room.acquire(request(), target(own), exchange())


def test_a_gate_survives_any_number_of_refusals() -> None:
    """A provider that refuses every few seconds for hours, and one day does not say for how long."""
    gate = Gate()
    for now in range(0, 2200, 2):
        gate.refused(now, now - 0.5, 1.0, "429, Retry-After", 5.0)
    gate.refused(2200.0, 2199.5, None, "429", 5.0)


def test_a_gate_of_a_budget_whose_pace_is_unknown_opens_step_by_step() -> None:
    """An element without limits, refused for the first time: nobody counted its calls, and all of them would come back at once."""
    store = MemoryStore(time.monotonic, time.time)
    store.refused((("instance", "dev", "x", "gwi_1"), Policy()), time.monotonic(), 0.01, "429, Retry-After")
    time.sleep(0.02)
    (left,) = list(store.budgets())
    assert left.learned is not None
    assert left.learned.state == "reopening"


def test_reading_a_preference_takes_no_longer_than_it_is_long() -> None:
    def took(signs: int) -> float:
        started = time.perf_counter()
        assert wait_preferred('"' + '\\"' * signs) is None
        return time.perf_counter() - started

    assert min(took(3990 + n) for n in range(3)) < 0.05
