"""What a scrape reads of the budgets: the smallest share left of each element, whoever's it is."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import RateLimited
from gateway.exchange import Environment, Exchange, Headers, Instance, Request, Target
from gateway.limits import Limits
from gateway.limits.quota import parse_quota
from gateway.limits.rules import Rules
from gateway.limits.store import Policy
from gateway.secret import Secret

SECRET = Secret("canary-secret")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def target(customer: str, environment: str = "dev", element: str = "hubspot") -> Target:
    where = Environment(environment, "http://127.0.0.1:1", SECRET, SECRET)
    return Target(where, Instance(f"gwi_{customer}", environment, customer, element, SECRET), "/contacts")


async def spend(limits: Limits, where: Target) -> None:
    """A call that leaves, and is over."""
    (await limits.acquire(Request("GET", "/contacts", Headers()), where, Exchange("r", "GET", "/", 0.0))).over()


async def test_the_smallest_share_of_all_customers_and_quotas() -> None:
    clock = Clock()
    limits = Limits(lambda _: Rules(Policy((parse_quota("10/10s"), parse_quota("100/min")))), clock, clock)
    assert limits.shares() == {}
    for customer, calls in (("acme", 4), ("beta", 7), ("gamma", 1)):
        for _ in range(calls):
            await spend(limits, target(customer))
    await spend(limits, target("acme", "prod", "sfdc"))

    assert limits.shares() == {("dev", "hubspot"): 0.3, ("prod", "sfdc"): 0.9}
    clock.now += 11
    assert limits.shares() == {("dev", "hubspot"): 0.93, ("prod", "sfdc"): 0.99}
    clock.now += 60
    assert limits.shares() == {}


async def test_a_spent_budget_has_nothing_left() -> None:
    clock = Clock()
    limits = Limits(lambda _: Rules(Policy((parse_quota("2/10s"),))), clock, clock)
    for _ in range(2):
        await spend(limits, target("acme"))
    for _ in range(3):
        with pytest.raises(RateLimited):
            await spend(limits, target("acme"))

    assert limits.shares() == {("dev", "hubspot"): 0.0}


async def test_who_waits_and_whose_gate_is_closed_by_element() -> None:
    clock = Clock()
    limits = Limits(lambda _: Rules(Policy((parse_quota("10/10s"),)), wait_s=60.0), clock, clock)
    assert (limits.waiting(), limits.gates()) == ({}, {})
    for _ in range(10):
        await spend(limits, target("acme"))
        await spend(limits, target("beta"))
    waiting = [asyncio.create_task(spend(limits, target("acme"))) for _ in range(2)]
    await asyncio.sleep(0)
    limits.refused(target("beta"), clock.now, 5.0, "Retry-After")

    assert limits.waiting() == {("dev", "hubspot"): 2}
    assert limits.gates() == {("dev", "hubspot"): 2}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert limits.waiting() == {}
    clock.now += 5.5
    assert limits.gates() == {("dev", "hubspot"): 1}
    await limits.close()
