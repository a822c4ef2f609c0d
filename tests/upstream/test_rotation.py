"""Two pairs of secrets: the next one takes over without a failed call, each stands in for the other, and both bad is an alarm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.sandbox.instances import FIRST_ID
from gateway.upstream.credentials import Credentials, Finding
from tests.support.origin import STALL, Origin, Recorded, Wire, head, script
from tests.upstream.credentials_scene import FIRST, NEXT, Scene, platform, scene

HUBSPOT = "acme-hubspot"
FAST = 0.02


@asynccontextmanager
async def watched(here: Scene) -> AsyncIterator[None]:
    watch = asyncio.create_task(here.credentials.watch())
    try:
        yield
        assert not watch.done()
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def until(here: Scene, condition: Callable[[], bool], within: float = 5.0) -> None:
    """The clock goes on while it is waited."""
    async with asyncio.timeout(within):
        while not condition():
            here.clock.now += 1
            await asyncio.sleep(0.005)


def in_use(here: Scene) -> int:
    return (FIRST, NEXT).index(here.credentials.pair("dev")) + 1


async def test_the_next_pair_takes_over_before_the_old_one_dies(tmp_path: Path) -> None:
    async with scene(tmp_path, NEXT, interval_s=FAST) as here:
        handle = await here.add(HUBSPOT)
        async with watched(here):
            await until(here, lambda: len(here.probes) > 3)
            assert (in_use(here), await here.call(handle)) == (1, (200, 1))
            here.take(FIRST, NEXT)
            await until(here, lambda: in_use(here) == 2)
            here.take(NEXT)
            for _ in range(5):
                assert await here.call(handle) == (200, 1)
        assert here.events() == ["secrets taken over"]
        assert here.credentials.describe() == [{"environment": "dev", "pair": 2, "pairs": 2, "since": 1.5e9, "alarm": False}]


async def test_calls_all_the_way_through_a_rotation_never_fail(tmp_path: Path) -> None:
    async with scene(tmp_path, NEXT, interval_s=FAST) as here:
        handle, answers = await here.add(HUBSPOT), list[tuple[int, int]]()

        async def calls() -> None:
            while True:
                answers.append(await here.call(handle))

        async with watched(here):
            calling = [asyncio.create_task(calls()) for _ in range(5)]
            await until(here, lambda: len(answers) > 50)
            here.take(FIRST, NEXT)
            await until(here, lambda: in_use(here) == 2)
            here.take(NEXT)
            seen = len(answers)
            await until(here, lambda: len(answers) > seen + 50)
            for task in calling:
                task.cancel()
            await asyncio.gather(*calling, return_exceptions=True)
        # The old pair died at once here: a call that had left with it is repeated, and its caller notices nothing.
        assert {status for status, _ in answers} == {200}
        assert not (await here.mapping(handle)).needs_authorization


async def test_a_pair_that_dies_is_replaced_on_the_first_401_and_asked_about_once(tmp_path: Path) -> None:
    async with scene(tmp_path, NEXT) as here:
        targets = [await here.target(await here.add(name)) for name in (HUBSPOT, "acme-sfdc", "globex-hubspot")]
        here.take(NEXT)

        assert await here.at_once(targets * 100) == [Finding.REPEAT] * 300
        assert (in_use(here), len(here.probes)) == (2, 2)
        assert [await here.send(target) for target in targets] == [200] * 3
        assert here.events() == ["secrets taken over"]
        assert here.credentials.pairs("dev") == (FIRST, NEXT)


async def test_it_falls_back_by_itself_and_comes_again(tmp_path: Path) -> None:
    async with scene(tmp_path, NEXT, interval_s=FAST) as here:
        handle = await here.add(HUBSPOT)
        here.take(FIRST, NEXT)
        async with watched(here):
            await until(here, lambda: in_use(here) == 2)
            here.take(FIRST)
            assert await here.call(handle) == (200, 2)
            assert in_use(here) == 1
            here.take(FIRST, NEXT)
            await until(here, lambda: in_use(here) == 2)
        assert here.events() == ["secrets taken over", "secrets fell back", "secrets taken over"]


async def test_pairs_that_flap_fail_no_call_and_quarantine_nobody(tmp_path: Path) -> None:
    async with scene(tmp_path, NEXT) as here:
        handle = await here.add(HUBSPOT)
        for turn in range(30):
            here.take((FIRST, NEXT)[turn % 2])
            here.clock.now += 0.1
            status, sent = await here.call(handle)
            assert (status, sent <= 2) == (200, True)
        assert not (await here.mapping(handle)).needs_authorization
        assert not here.credentials.alarm("dev")


@pytest.mark.parametrize("back", [FIRST, NEXT])
async def test_the_alarm_ends_when_either_pair_works_again(tmp_path: Path, back: object) -> None:
    async with scene(tmp_path, NEXT, interval_s=FAST) as here:
        handle = await here.add(HUBSPOT)
        async with watched(here):
            here.take()
            assert await here.call(handle) == (401, 1)
            assert here.credentials.alarm("dev")
            here.take(FIRST if back is FIRST else NEXT)
            await until(here, lambda: not here.credentials.alarm("dev"))
            assert here.credentials.degraded() is None
            assert await here.call(handle) == (200, 1)
        assert here.events("secrets taken over") == ["environment unauthorized", "environment authorized again"]
        assert not (await here.mapping(handle)).needs_authorization


async def test_a_single_pair_s_alarm_ends_too(tmp_path: Path) -> None:
    async with scene(tmp_path, interval_s=FAST) as here:
        handle = await here.add(HUBSPOT)
        async with watched(here):
            here.take()
            assert await here.call(handle) == (401, 1)
            await until(here, lambda: len(here.probes) > 4)
            assert here.credentials.alarm("dev")
            here.take(FIRST)
            await until(here, lambda: not here.credentials.alarm("dev"))
            assert await here.call(handle) == (200, 1)


async def test_a_bad_pair_whose_other_cannot_be_asked_is_no_alarm(tmp_path: Path) -> None:
    async with scene(tmp_path, NEXT) as here:
        target = await here.target(await here.add(HUBSPOT))
        here.take(NEXT)
        here.sandbox.dials.set("platform", error={"next": 1})

        assert await here.examine(target) is Finding.UNCLEAR
        assert (in_use(here), here.credentials.alarm("dev")) == (1, False)
        here.clock.now += 11
        assert await here.examine(target) is Finding.REPEAT


async def test_a_pair_that_is_the_configured_one_over_again_is_none(tmp_path: Path) -> None:
    async with scene(tmp_path, FIRST) as here:
        assert here.credentials.pairs("dev") == (FIRST,)


def account(taken: dict[str, list[int]]) -> Callable[[Wire, Recorded], None]:
    """Cloud Elements with the instances of each pair, by its Authorization value; anybody else is a 401."""

    def behave(wire: Wire, request: Recorded) -> None:
        numbers = taken.get(request.values("authorization")[0])
        last = request.target.partition("?")[0].rpartition("/")[2]
        if numbers is None:
            wire.send(head("401 Unauthorized", "Content-Length: 0"))
        elif last == "instances":
            body = b"[%s]" % b",".join(b'{"id":%d}' % number for number in numbers[:1])
            wire.send(head("200 OK", f"Content-Length: {len(body)}") + body)
        else:
            status = "200 OK" if int(last) in numbers else "404 Not Found"
            wire.send(head(status, "Content-Length: 2") + b"{}")

    return behave


async def test_secrets_of_another_account_never_take_over(tmp_path: Path) -> None:
    ours, others = [FIRST_ID, FIRST_ID + 1], [FIRST_ID + 2]
    taken = {platform(FIRST): ours, platform(NEXT): others}
    with Origin() as origin:
        for name in ("instances", *map(str, ours + others)):
            origin.behaviours[name] = account(taken)
        async with scene(tmp_path, NEXT, base_url=f"http://{origin.authority}/elements/api-v2", interval_s=FAST) as here:
            target = await here.target(await here.add(HUBSPOT))
            async with watched(here):
                await until(here, lambda: len(here.probes) > 8)
                assert (in_use(here), here.events()) == (1, ["next secrets are of another account"])
                del taken[platform(FIRST)]
                seen = len(here.probes)
                await until(here, lambda: len(here.probes) > seen + 6)
                assert in_use(here) == 1
                assert await here.examine(target) is Finding.ENVIRONMENT
                taken[platform(FIRST)] = ours
                taken[platform(NEXT)] = ours[::-1]
                await until(here, lambda: in_use(here) == 2)
                assert not here.credentials.alarm("dev")


async def test_what_was_found_in_an_alarm_ends_with_it(tmp_path: Path) -> None:
    async with scene(tmp_path, interval_s=FAST) as here:
        target = await here.target(await here.add(HUBSPOT))
        here.take()
        assert await here.examine(target) is Finding.ENVIRONMENT
        here.take(FIRST)
        async with watched(here), asyncio.timeout(5):
            while here.credentials.alarm("dev"):  # noqa: ASYNC110 - and the clock stands still
                await asyncio.sleep(0.005)
        here.sandbox.instances.refuse(here.sandbox.instances.named(HUBSPOT))
        here.clock.now += 1
        assert await here.examine(target) is Finding.QUARANTINED


async def test_nothing_takes_over_from_a_pair_that_cannot_be_asked_about(tmp_path: Path) -> None:
    def behave(wire: Wire, request: Recorded) -> None:
        first = request.values("authorization") == [platform(FIRST)]
        wire.send(head("503 Service Unavailable" if first else "200 OK", "Content-Length: 2") + b"[]")

    with Origin() as origin:
        origin.behaviours["instances"] = behave
        async with scene(tmp_path, NEXT, base_url=f"http://{origin.authority}", interval_s=FAST) as here, watched(here):
            await until(here, lambda: len(here.probes) > 5)
            assert in_use(here) == 1


async def test_one_pair_without_an_alarm_is_not_asked_about(tmp_path: Path) -> None:
    async with scene(tmp_path, interval_s=FAST) as here:
        async with watched(here):
            await asyncio.sleep(0.1)
        assert here.probes == []


async def test_environments_are_watched_each_for_itself(tmp_path: Path) -> None:
    async with scene(tmp_path, NEXT) as here:
        with Origin() as origin:
            origin.behaviours["instances"] = script(STALL)
            silent = replace(here.environment, name="silent", base_url=f"http://{origin.authority}")
            environments = {"silent": silent, "dev": here.environment}
            here.credentials = Credentials(environments, here.ask, here.instances, here.clock, here.clock, interval_s=FAST, timeout_s=0.5)
            here.take(FIRST, NEXT)
            async with watched(here):
                await until(here, lambda: in_use(here) == 2)
                await until(here, lambda: len(origin.requests) > 1)  # a time-out ends no watch
            assert [line["pair"] for line in here.credentials.describe()] == [1, 2]
