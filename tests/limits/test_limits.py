"""The room as the corridor sees it: whose budget, which fields, what is noted and reported."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import RateLimited
from gateway.exchange import Environment, Exchange, Headers, Instance, Request, Target
from gateway.limits import FREE, Limits
from gateway.limits.quota import parse_quota
from gateway.limits.rules import Rules
from gateway.limits.store import Policy, Scope
from gateway.secret import Secret

SECRET = Secret("canary-secret")
CALL = Request("GET", "/contacts", Headers())
NOON = 1_780_000_000.0 - 1_780_000_000.0 % 86400 + 43200


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return 500.0 + self.now

    def wall(self) -> float:
        return NOON + self.now


def limits(clock: Clock, *texts: str, scope: Scope = "instance", timezone: str = "UTC") -> Limits:
    held = Rules(Policy(tuple(parse_quota(text) for text in texts), scope, timezone))
    return Limits(lambda element: held if element == "hubspot" else Rules(), clock.monotonic, clock.wall)


def target(
    handle: str = "gwi_1", customer: str = "acme", element: str = "hubspot", environment: str = "dev", group: str | None = None
) -> Target:
    where = Environment(environment, "http://127.0.0.1:1", SECRET, SECRET)
    return Target(where, Instance(handle, environment, customer, element, SECRET, group=group), "/contacts")


def exchange() -> Exchange:
    return Exchange("r", "GET", "/contacts", 0.0)


async def allowed(room: Limits, where: Target, record: Exchange) -> bool:
    """Whether a call could leave; then it is over at once."""
    try:
        permit = await room.acquire(CALL, where, record)
    except RateLimited:
        return False
    permit.over()
    return True


async def spend(room: Limits, where: Target, times: int = 1) -> tuple[list[bool], Exchange]:
    record = exchange()
    return [await allowed(room, where, record) for _ in range(times)], record


async def refusal(room: Limits, where: Target, record: Exchange) -> RateLimited:
    with pytest.raises(RateLimited) as raised:
        await room.acquire(CALL, where, record)
    return raised.value


async def test_the_fields_name_every_policy_and_the_one_that_is_met_first() -> None:
    _, record = await spend(limits(Clock(), "100/10s", "250000/day"), target())
    assert record.rate_limit == (
        ("RateLimit-Policy", '"100/10s";q=100;w=10, "250000/day";q=250000;w=86400'),
        ("RateLimit", '"100/10s";r=99;t=10'),
    )
    assert record.decisions == [("limits", "allowed", '"100/10s";r=99;t=10')]
    assert record.limited == ""


@pytest.mark.parametrize(
    ("texts", "calls", "fields"),
    [
        (["3/10s", "5/day"], 3, '"3/10s";r=0;t=10'),
        (["3/10s", "3/day"], 3, '"3/day";r=0;t=43200'),
        (["3/day", "3/10s"], 3, '"3/day";r=0;t=43200'),
        (["3/10s", "3/day"], 7, '"3/day";r=0;t=43200'),
        (["10/s burst 20"], 5, '"10/s burst 20";r=15;t=1'),
        (["9/month"], 1, '"9/month";r=8;t=302400'),
    ],
)
async def test_the_tightest_is_the_one_with_fewest_calls_left_then_the_longest_to_wait_for(
    texts: list[str], calls: int, fields: str
) -> None:
    _, record = await spend(limits(Clock(), *texts), target(), calls)
    assert record.rate_limit[1] == ("RateLimit", fields)


async def test_seconds_are_rounded_up() -> None:
    clock = Clock()
    room = limits(clock, "1/10s")
    await spend(room, target())
    clock.now = 9.25
    _, record = await spend(room, target())
    assert record.rate_limit[1] == ("RateLimit", '"1/10s";r=0;t=1')


@pytest.mark.parametrize("start", [0.0, *(number / 7 for number in range(40))])
async def test_a_whole_period_is_never_a_second_longer(start: float) -> None:
    clock = Clock()
    clock.now = start
    _, record = await spend(limits(clock, "9/10s"), target())
    assert record.rate_limit[1] == ("RateLimit", '"9/10s";r=8;t=10')


async def test_a_refusal_says_for_how_long_and_is_remembered() -> None:
    clock = Clock()
    room = limits(clock, "100/10s", "250000/day")
    await spend(room, target(), 100)
    clock.now = 4
    record = exchange()
    error = await refusal(room, target(), record)
    assert (error.retry_after, error.detail) == (6.0, "hubspot for acme allows 100 calls in 10 s")
    assert record.limited == "rejected"
    assert record.decisions == [("limits", "refused", "hubspot for acme allows 100 calls in 10 s")]
    assert record.rate_limit[1] == ("RateLimit", '"100/10s";r=0;t=6')


@pytest.mark.parametrize(
    ("scope", "detail"),
    [
        ("instance", "hubspot for acme allows 1 call a day"),
        ("customer", "hubspot for acme allows 1 call a day"),
        ("element", "hubspot for all customers together allows 1 call a day"),
        ("group", "hubspot for the group of acme allows 1 call a day"),
    ],
)
async def test_the_detail_says_whose_budget_it_was(scope: Scope, detail: str) -> None:
    room = limits(Clock(), "1/day", scope=scope)
    await spend(room, target())
    assert (await refusal(room, target(), exchange())).detail == detail


@pytest.mark.parametrize("where", [target(element="sfdc"), Target(target().environment, None, "/instances")])
async def test_without_limits_and_for_platform_calls_everything_passes(where: Target) -> None:
    room = limits(Clock(), "1/day")
    passed, record = await spend(room, where, 50)
    assert all(passed)
    assert record.rate_limit == ()
    assert room.report() == []
    assert await room.acquire(CALL, where, record) is FREE


BASE = target()
OTHERS = {
    "environment": target(environment="prod"),
    "handle": target(handle="gwi_2"),
    "customer": target(handle="gwi_2", customer="globex"),
    "same group": target(handle="gwi_2", customer="globex", group="app"),
    "other group": target(handle="gwi_2", customer="globex", group="other"),
}


@pytest.mark.parametrize(
    ("scope", "first", "other", "shared"),
    [
        ("instance", BASE, "environment", False),
        ("instance", BASE, "handle", False),
        ("instance", target(group="app"), "same group", False),
        ("customer", BASE, "environment", False),
        ("customer", BASE, "handle", True),
        ("customer", BASE, "customer", False),
        ("element", BASE, "environment", False),
        ("element", BASE, "customer", True),
        ("group", BASE, "handle", False),
        ("group", target(group="app"), "same group", True),
        ("group", target(group="app"), "other group", False),
        ("group", target(group="app", environment="prod"), "same group", False),
    ],
)
async def test_the_scope_says_who_shares_a_budget(scope: Scope, first: Target, other: str, shared: bool) -> None:
    room = limits(Clock(), "1/day", scope=scope)
    assert (await spend(room, first))[0] == [True]
    assert (await spend(room, OTHERS[other]))[0] == [not shared]


@pytest.mark.parametrize("scope", ["instance", "customer", "element", "group"])
@pytest.mark.parametrize("text", ["60/10s", "60/s burst 60", "60/day", "60/month"])
async def test_of_two_hundred_concurrent_calls_exactly_the_limit_passes(scope: Scope, text: str) -> None:
    room = limits(Clock(), text, "1000/h", scope=scope)

    async def call() -> bool:
        await asyncio.sleep(0)
        return await allowed(room, target(group="app"), exchange())

    assert sum(await asyncio.gather(*(call() for _ in range(200)))) == 60
    assert [row["used"] for row in room.report()] == [60, 60]


async def test_a_day_ends_at_midnight_of_the_elements_time_zone() -> None:
    room = limits(Clock(), "1/day", timezone="America/Chicago")  # noon UTC is 7 in the morning there, in summer
    _, record = await spend(room, target(), 2)
    assert record.rate_limit[1] == ("RateLimit", f'"1/day";r=0;t={17 * 3600}')


async def test_the_report_has_a_row_for_each_quota_of_every_live_budget() -> None:
    clock = Clock()
    room = limits(clock, "4/10s", "100/day")
    await spend(room, target(), 3)
    clock.now = 2.5
    await spend(room, target(handle="gwi_2", customer="globex"))
    rows = room.report()
    assert rows[0] == {
        "environment": "dev",
        "element": "hubspot",
        "scope": "instance",
        "key": "gwi_1",
        "quota": "4/10s",
        "limit": 4,
        "used": 3,
        "remaining": 1,
        "resets": 7.5,
        "waiting": 0,
        "learned": None,
    }
    assert [(row["key"], row["quota"], row["used"]) for row in rows] == [
        ("gwi_1", "4/10s", 3),
        ("gwi_2", "4/10s", 1),
        ("gwi_1", "100/day", 3),
        ("gwi_2", "100/day", 1),
    ]
    clock.now = 86400
    assert room.report() == []


@pytest.mark.parametrize(("scope", "key"), [("instance", "gwi_1"), ("customer", "acme"), ("element", None), ("group", "app")])
async def test_the_report_names_who_shares_the_budget(scope: Scope, key: str | None) -> None:
    room = limits(Clock(), "4/10s", scope=scope)
    await spend(room, target(group="app"))
    (row,) = room.report()
    assert (row["scope"], row["key"]) == (scope, key)


async def test_no_secret_is_in_what_the_room_says() -> None:
    room = limits(Clock(), "1/day")
    _, record = await spend(room, target(), 2)
    assert "canary" not in repr((record, room.report(), await refusal(room, target(), record)))
