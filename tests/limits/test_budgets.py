"""The store in this process: all or nothing, exact under concurrency, bounded in memory."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.limits.memory import MemoryStore
from gateway.limits.quota import parse_quota
from gateway.limits.store import Key, Policy

NOON = 1_780_000_000.0 - 1_780_000_000.0 % 86400 + 43200


class Clock:
    """Monotonic and wall time that pass together, each in its own floats, when the test says so."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start
        self.time = NOON + start

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.time += seconds


def opened(clock: Clock) -> MemoryStore:
    return MemoryStore(clock.monotonic, clock.wall)


def policy(*texts: str) -> Policy:
    return Policy(tuple(parse_quota(text) for text in texts))


async def passes(store: MemoryStore, name: str, held: Policy) -> bool:
    """Whether a call could leave; then it is over at once."""
    draws = [(key(name), held)]
    verdict = await store.spend(draws)
    if verdict.allowed:
        store.give_back(draws, 1, verdict, left=True)
    return verdict.allowed


def key(name: str = "gwi_1") -> Key:
    return "instance", "dev", "hubspot", name


async def test_a_call_refused_by_one_quota_spends_none_of_the_others() -> None:
    clock = Clock()
    store, both = opened(clock), policy("2/10s", "5/day", "100/s burst 3")
    for _ in range(20):
        verdict = await store.spend([(key(), both)])
    assert not verdict.allowed
    assert verdict.refused_by == both.quotas[0]
    assert [state.used for state in verdict.states] == [2, 2, 2]
    clock.wait(verdict.retry_after)
    assert (await store.spend([(key(), both)])).allowed


@pytest.mark.parametrize("texts", [("2/day", "2/10s", "2/h"), ("2/10s", "2/h", "2/day"), ("2/h", "2/day", "2/10s")])
async def test_with_several_refusing_the_longest_wait_counts(texts: tuple[str, ...]) -> None:
    clock = Clock()
    store, both = opened(clock), policy(*texts)
    for _ in range(2):
        await store.spend([(key(), both)])
    verdict = await store.spend([(key(), both)])
    assert verdict.refused_by == parse_quota("2/day")
    assert verdict.retry_after == 43200 - 1000
    clock.wait(verdict.retry_after - 0.01)
    assert not (await store.spend([(key(), both)])).allowed
    clock.wait(0.01)
    assert (await store.spend([(key(), both)])).allowed


texts = st.sampled_from(["1/s", "3/2s", "5/7s", "3/s burst 2", "1/s burst 4", "7/3s burst 1", "6/day", "9/month"])


@settings(deadline=None)
@given(st.lists(texts, min_size=1, max_size=4), st.lists(st.floats(0, 5), min_size=1, max_size=30), st.floats(0, 1e6))
async def test_waiting_exactly_retry_after_is_enough(quotas: list[str], gaps: list[float], start: float) -> None:
    clock = Clock(start)
    store, held = opened(clock), policy(*quotas)
    for gap in gaps:
        clock.wait(gap)
        verdict = await store.spend([(key(), held)])
        assert verdict.allowed == (verdict.retry_after == 0) == (verdict.refused_by is None)
        if verdict.allowed:
            continue
        was = clock.now, clock.time
        clock.wait(verdict.retry_after - min(1e-6, verdict.retry_after / 2))  # some grains of the wall clock's floats
        if clock.now < was[0] + verdict.retry_after and clock.time < was[1] + verdict.retry_after:
            assert not (await store.spend([(key(), held)])).allowed
        clock.now, clock.time = was
        clock.wait(verdict.retry_after)
        assert (await store.spend([(key(), held)])).allowed


@pytest.mark.parametrize("text", ["50/10s", "50/s burst 50", "50/day", "50/month"])
async def test_of_two_hundred_concurrent_calls_exactly_the_limit_passes(text: str) -> None:
    store, held = opened(Clock()), policy(text)

    async def call() -> bool:
        await asyncio.sleep(0)
        return (await store.spend([(key(), held)])).allowed

    assert sum(await asyncio.gather(*(call() for _ in range(200)))) == 50


async def test_keys_do_not_share_a_budget() -> None:
    store, held = opened(Clock()), policy("1/s")
    assert (await store.spend([(key("a"), held)])).allowed
    assert (await store.spend([(key("b"), held)])).allowed
    assert not (await store.spend([(key("a"), held)])).allowed


async def test_a_hundred_thousand_keys_leave_no_more_than_what_is_in_use() -> None:
    clock = Clock()
    store, held = opened(clock), policy("5/s", "100/s burst 2")
    most = 0
    for number in range(100_000):
        clock.wait(1 / 1024)
        await passes(store, f"gwi_{number}", held)
        most = max(most, len(store))
    assert most < 1500
    assert len(list(store.budgets())) == 1024


async def test_one_with_a_call_under_way_is_not_forgotten_however_long_it_takes() -> None:
    clock = Clock()
    store, held = opened(clock), policy("1/s")
    verdict = await store.spend([(key("slow"), held)])
    for number in range(100):
        clock.wait(10)
        assert await passes(store, f"passing_{number}", held)
    assert key("slow") in store
    store.give_back([(key("slow"), held)], 1, verdict, left=True)
    for number in range(100):
        clock.wait(10)
        assert await passes(store, f"passing_{number}", held)
    assert key("slow") not in store


@pytest.mark.parametrize("text", ["1/h", "1/h burst 1", "1/day", "1/month"])
async def test_a_budget_in_use_is_never_forgotten(text: str) -> None:
    clock = Clock()
    store, held, passing = opened(clock), policy(text), policy("1/s")
    assert await passes(store, "precious", held)
    for number in range(3_000):
        clock.wait(1)
        await passes(store, f"passing_{number}", passing)
    assert not await passes(store, "precious", held)
    assert len(store) < 20


async def test_a_quota_that_is_written_twice_counts_once() -> None:
    store, held = opened(Clock()), policy("2/s", "2/s")
    assert len((await store.spend([(key(), held)])).states) == 1
    assert held.header == ("RateLimit-Policy", '"2/s";q=2;w=1')
