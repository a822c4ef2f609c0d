"""The wall clock jumps an hour forward and two hours back (fault 48): keeping answers, budgets and keys, with clocks that are set."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import pytest

from gateway.cache import Cache, CachePolicy, Fresh, Lifetimes
from gateway.cache.memory import MemoryStore
from gateway.callers.keys import CallerKey, digest, matches, mint
from gateway.errors import RateLimited
from gateway.exchange import Environment, Exchange, Headers, Instance, Request, Response, Target
from gateway.limits import Limits
from gateway.secret import Secret
from tests.support.rooms import budget

HOUR = 3600.0
MIDNIGHT = 1_700_006_400.0  # 2023-11-15T00:00:00Z
SECRET = Secret("canary-secret")
JUMPS = [HOUR, -2 * HOUR, 30 * 24 * HOUR, -30 * 24 * HOUR]


@dataclass
class Clocks:
    """A wall clock that can be set, and one that cannot."""

    wall: float = MIDNIGHT + 12 * HOUR
    monotonic: float = 1000.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def jumps(self, seconds: float) -> None:
        self.wall += seconds


def target() -> Target:
    where = Environment("dev", "http://127.0.0.1:1", SECRET, SECRET)
    return Target(where, Instance("gwi_1", "dev", "acme", "hubspot", SECRET), "/contacts")


class Kept:
    """A cache with a lifetime of a minute, and an origin whose answers are numbered."""

    def __init__(self, clocks: Clocks) -> None:
        store = MemoryStore(1_000_000, lambda: clocks.wall)
        self.cache = Cache(lambda _: CachePolicy(lifetimes=Lifetimes(60)), store, lambda: clocks.wall, 1000)
        self.made = 0

    async def get(self) -> tuple[bytes, Headers]:
        request = Request("GET", "/contacts", Headers())
        exchange = Exchange("id", "GET", "/contacts", 0.0)
        found = await self.cache.look_up(request, target(), exchange)
        if isinstance(found, Fresh):
            answer = found.response
        else:
            self.made += 1
            fresh = Response(200, Headers([("Content-Type", "application/json")]), b"%d" % self.made)
            answer = await self.cache.settle(request, target(), found, fresh, exchange)
        assert isinstance(answer.body, bytes)
        return answer.body, answer.headers


@pytest.mark.parametrize("jump", JUMPS)
async def test_no_answer_is_older_than_its_lifetime(jump: float) -> None:
    """Whatever the clock says, what was kept is given for a minute at most, and never with an age that cannot be."""
    clocks = Clocks()
    kept = Kept(clocks)
    await kept.get()
    clocks.passes(30)
    assert (await kept.get())[0] == b"1"
    clocks.jumps(jump)
    for _ in range(5):
        body, headers = await kept.get()
        age = headers.get("age")
        assert age is None or 0 <= int(age) <= 60
        clocks.passes(10)
    assert body != b"1", "an answer outlives its minute by as much as the clock went back"
    last = kept.made
    clocks.passes(61)
    await kept.get()
    assert kept.made == last + 1


@pytest.mark.parametrize("jump", JUMPS)
async def test_what_is_kept_after_a_jump_is_kept_as_ever(jump: float) -> None:
    clocks = Clocks()
    kept = Kept(clocks)
    await kept.get()
    clocks.jumps(jump)
    clocks.passes(61)
    body, _ = await kept.get()
    clocks.passes(59)
    again, headers = await kept.get()
    assert (body, again, headers.get("age")) == (b"2", b"2", "59")
    clocks.passes(2)
    assert (await kept.get())[0] == b"3"


def room(clocks: Clocks, *texts: str) -> Limits:
    return Limits(budget(*texts), lambda: clocks.monotonic, lambda: clocks.wall)


async def passing(limits: Limits, calls: int) -> int:
    """How many of ``calls`` may leave, one after another."""
    passed = 0
    for _ in range(calls):
        with suppress(RateLimited):
            permit = await limits.acquire(Request("GET", "/contacts", Headers()), target(), Exchange("r", "GET", "/contacts", 0.0))
            permit.over()
            passed += 1
    return passed


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("text", ["5/10s", "5/10s burst 5", "30/min"])
async def test_windows_do_not_hear_of_the_wall_clock(text: str, jump: float) -> None:
    """Neither a call more, nor one less."""
    still, jumped = Clocks(), Clocks()
    first, second = room(still, text), room(jumped, text)
    for seconds in (0.0, 3.0, 4.0, 5.0, 11.0, 60.0):
        still.passes(seconds)
        jumped.passes(seconds)
        jumped.jumps(jump)
        assert await passing(second, 40) == await passing(first, 40)


async def test_a_day_is_not_given_twice() -> None:
    """At half past eleven it is spent; an hour on, it is tomorrow; two hours back, it is today again, with nothing left of it."""
    clocks = Clocks(wall=MIDNIGHT - HOUR / 2)
    limits = room(clocks, "5/day")
    assert await passing(limits, 9) == 5
    clocks.jumps(HOUR)
    assert await passing(limits, 9) == 5
    clocks.jumps(-2 * HOUR)
    assert await passing(limits, 9) == 0


@pytest.mark.parametrize("jump", JUMPS)
async def test_no_day_lasts_for_ever(jump: float) -> None:
    """Whatever was spent when, two days after the jump there is a day's budget, no more."""
    clocks = Clocks()
    limits = room(clocks, "5/day")
    await passing(limits, 9)
    clocks.jumps(jump)
    await passing(limits, 9)
    clocks.passes(48 * HOUR)
    assert await passing(limits, 9) == 5


async def test_the_clock_was_a_year_ahead_at_first() -> None:
    """As on a machine before its clock is set: what was begun then does not hold for a year."""
    clocks = Clocks(wall=MIDNIGHT + 365 * 24 * HOUR)
    limits, kept = room(clocks, "5/day", "20/month"), Kept(clocks)
    await passing(limits, 9)
    await kept.get()
    clocks.jumps(-365 * 24 * HOUR)
    clocks.passes(61)
    assert (await kept.get())[0] == b"2"
    await passing(limits, 1)  # what was used of a day that never was may count for this one, no longer
    clocks.passes(24 * HOUR)
    assert await passing(limits, 9) == 5


@pytest.mark.parametrize(("jump", "valid"), [(HOUR, False), (-2 * HOUR, True)])
def test_keys_end_by_the_calendar(jump: float, valid: bool) -> None:
    clocks = Clocks()
    key_id, text = mint()
    key = CallerKey(key_id, "k", digest(text.reveal()), environments=("dev",), expires_at=clocks.wall + HOUR / 2)
    clocks.jumps(jump)
    assert matches(key, text.reveal(), clocks.wall) is valid
