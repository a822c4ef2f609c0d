"""A 401 is looked into once, by one probe for all who ask, and the one to blame is the only one who suffers (threats 28, 41)."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.exchange import Target
from gateway.upstream.credentials import Finding
from tests.upstream.credentials_scene import FIRST, NEXT, Scene, scene

REPEAT, QUARANTINED, ENVIRONMENT, UNCLEAR = Finding.REPEAT, Finding.QUARANTINED, Finding.ENVIRONMENT, Finding.UNCLEAR
HUBSPOT = "acme-hubspot"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path) as here:
        yield here


def refuse(here: Scene, name: str = HUBSPOT) -> None:
    """Cloud Elements refuses the instance's token, and shows no other."""
    here.sandbox.instances.refuse(here.sandbox.instances.named(name))


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of us
            await asyncio.sleep(0.005)


async def is_marked(here: Scene, handle: str, expected: bool) -> None:
    """Fails unless it becomes so."""
    async with asyncio.timeout(5):
        while (await here.mapping(handle)).needs_authorization is not expected:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_bad_token_withdraws_its_mapping_alone(here: Scene) -> None:
    handle, other = await here.add(HUBSPOT), await here.add("acme-sfdc")
    refuse(here)

    assert await here.call(handle) == (401, 1)
    assert here.probes == [f"/instances/{here.sandbox.instances.named(HUBSPOT).id}"]
    assert (await here.mapping(handle)).needs_authorization
    assert not (await here.mapping(other)).needs_authorization
    assert await here.call(other) == (200, 1)
    line = here.told("mapping needs authorization")
    assert (line["handle"], line["element"], line["environment"]) == (handle, "hubspot", "dev")
    assert not here.credentials.alarm("dev")


async def test_one_trial_a_minute_and_the_mark_goes_when_it_is_let_in(here: Scene) -> None:
    handle, credentials = await here.add(HUBSPOT), here.credentials
    assert credentials.admits(await here.mapping(handle)) == 0.0
    refuse(here)
    await here.call(handle)
    marked = await here.mapping(handle)

    assert credentials.admits(marked) == 60.0
    here.clock.now += 59.5
    assert credentials.admits(marked) == 0.5
    here.clock.now += 0.5
    assert [credentials.admits(marked), credentials.admits(marked)] == [0.0, 60.0]
    assert await here.call(handle) == (401, 1)  # the trial fails, and nothing is said twice
    here.sandbox.instances.give(here.sandbox.instances.named(HUBSPOT), marked.token.reveal())
    assert await here.call(handle) == (200, 1)
    await is_marked(here, handle, False)
    assert credentials.admits(await here.mapping(handle)) == 0.0
    await until(lambda: len(here.events()) == 2)
    assert here.events() == ["mapping needs authorization", "mapping is authorized again"]
    await here.instances.withdraw(handle, unauthorized=True)
    assert credentials.admits(await here.mapping(handle)) == 0.0  # a new story, with a trial of its own


async def test_a_mapping_that_is_not_known_to_have_been_refused_is_tried_at_once(here: Scene) -> None:
    handle = await here.add(HUBSPOT)
    await here.instances.withdraw(handle, unauthorized=True)  # by another process, or before a restart

    assert here.credentials.admits(await here.mapping(handle)) == 0.0
    assert here.credentials.admits(await here.mapping(handle)) == 60.0


@pytest.mark.parametrize(
    ("status", "ends"), [(200, True), (404, True), (400, True), (401, False), (403, False), (429, False), (503, False)]
)
async def test_what_a_trial_s_answer_says(here: Scene, status: int, ends: bool) -> None:
    handle = await here.add(HUBSPOT)
    await here.instances.withdraw(handle, unauthorized=True)
    here.credentials.heard(await here.target(handle), status)
    if not ends:
        await asyncio.sleep(0.05)
    await is_marked(here, handle, not ends)


async def test_a_new_token_is_stored_and_the_call_made_once_more(here: Scene) -> None:
    handle = await here.add(HUBSPOT)
    here.sandbox.instances.give(here.sandbox.instances.named(HUBSPOT), None)

    assert await here.call(handle) == (200, 2)
    assert (await here.mapping(handle)).token.reveal() == here.sandbox.instances.named(HUBSPOT).token
    assert await here.call(handle) == (200, 1)
    assert here.events() == ["mapping has a new token"]


async def test_a_hundred_calls_with_the_old_token_ask_once(here: Scene) -> None:
    target = await here.target(await here.add(HUBSPOT))
    here.sandbox.instances.give(here.sandbox.instances.named(HUBSPOT), None)

    assert await here.at_once([target] * 100) == [REPEAT] * 100
    assert await here.examine(target) is REPEAT  # a late one, too
    assert len(here.probes) == 1


async def test_a_deleted_instance(here: Scene) -> None:
    handle = await here.add(HUBSPOT)
    here.sandbox.instances.delete(here.sandbox.instances.named(HUBSPOT))

    assert await here.call(handle) == (401, 1)
    assert here.told("mapping needs authorization")["reason"] == "Cloud Elements knows no such instance"


async def test_without_a_number_the_pair_alone_is_asked_about(here: Scene) -> None:
    handle = await here.add(HUBSPOT, numbered=False)
    refuse(here)

    assert await here.call(handle) == (401, 1)
    assert here.probes == ["/instances?pageSize=1"]
    assert (await here.mapping(handle)).needs_authorization


async def test_no_token_is_taken_from_another_element_s_instance(here: Scene) -> None:
    handle = await here.add(HUBSPOT, element="sfdc", token="mistaken")

    assert await here.call(handle) == (401, 1)
    assert (await here.mapping(handle)).token.reveal() == "mistaken"
    assert "another element" in here.told("mapping needs authorization")["reason"]


async def test_a_storm_on_one_mapping_asks_once(here: Scene) -> None:
    target = await here.target(await here.add(HUBSPOT))
    refuse(here)

    assert await here.at_once([target] * 300) == [QUARANTINED] * 300
    assert await here.examine(target) is QUARANTINED  # one that was on its way all the time
    assert (len(here.probes), here.events()) == (1, ["mapping needs authorization"])


async def test_a_storm_on_many_mappings_asks_for_each_but_few_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path, everything=True) as here:
        names = [instance.name for instance in here.sandbox.instances][:40]
        targets = [await here.target(await here.add(name)) for name in names]
        for name in names:
            refuse(here, name)

        assert await here.at_once(targets * 3) == [QUARANTINED] * 120
        assert (len(here.probes), here.most) == (40, 4)


async def test_bad_secrets_quarantine_nobody_however_many_ask(tmp_path: Path) -> None:
    async with scene(tmp_path, everything=True) as here:
        names = [instance.name for instance in here.sandbox.instances][:40]
        targets = [await here.target(await here.add(name)) for name in names]
        here.take()

        assert await here.at_once(targets * 10) == [ENVIRONMENT] * 400
        assert (len(here.probes), here.credentials.alarm("dev")) == (1, True)
        here.clock.now += 4.9
        assert await here.at_once(targets) == [ENVIRONMENT] * 40
        assert len(here.probes) == 1
        here.clock.now += 0.2
        assert await here.at_once(targets) == [ENVIRONMENT] * 40
        assert len(here.probes) == 2
        assert here.events() == ["environment unauthorized"]
        assert not [one for target in targets if (one := target.instance) and (await here.mapping(one.handle)).needs_authorization]
        assert here.credentials.degraded() == "Cloud Elements refuses the secrets of dev"


async def test_a_call_that_began_while_the_secrets_were_bad_quarantines_nobody(here: Scene) -> None:
    handle = await here.add(HUBSPOT)
    target, began = await here.target(handle), here.clock()
    here.take()
    assert await here.examine(target) is ENVIRONMENT
    here.clock.now += 10
    here.take(FIRST)

    assert await here.examine(target, started=began) is REPEAT
    assert not (await here.mapping(handle)).needs_authorization
    assert here.credentials.degraded() is None
    refuse(here)
    here.clock.now += 1
    assert await here.examine(target) is QUARANTINED
    assert here.events() == ["environment unauthorized", "environment authorized again", "mapping needs authorization"]


async def test_who_leaves_does_not_take_the_probe_with_him(here: Scene) -> None:
    handle = await here.add(HUBSPOT)
    target = await here.target(handle)
    refuse(here)
    here.sandbox.dials.set("platform", latency=0.15)
    waiting = [asyncio.create_task(here.examine(target)) for _ in range(3)]
    await until(lambda: here.under_way > 0)
    waiting[0].cancel()

    assert await asyncio.gather(*waiting[1:]) == [QUARANTINED] * 2
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    assert len(here.probes) == 1


async def test_what_all_have_left_is_learned_all_the_same(here: Scene) -> None:
    handle = await here.add(HUBSPOT)
    target = await here.target(handle)
    refuse(here)
    here.sandbox.dials.set("platform", latency=0.1)
    alone = asyncio.create_task(here.examine(target))
    await until(lambda: here.under_way > 0)
    alone.cancel()

    await until(lambda: here.events() == ["mapping needs authorization"])
    assert (await here.mapping(handle)).needs_authorization


async def test_what_cannot_be_asked_teaches_nothing_and_is_not_asked_again_at_once(here: Scene) -> None:
    handle = await here.add(HUBSPOT)
    target, other = await here.target(handle), await here.target(await here.add("acme-sfdc"))
    refuse(here)
    here.sandbox.instances.give(here.sandbox.instances.named("acme-sfdc"), None)
    here.sandbox.dials.set("platform", error={"next": 1, "status": 503})

    assert await here.at_once([target] * 50) == [UNCLEAR] * 50
    assert await here.examine(other) is UNCLEAR
    assert len(here.probes) == 1
    here.clock.now += 6  # others come first
    assert await here.examine(target) is UNCLEAR
    assert await here.examine(other) is REPEAT
    here.clock.now += 5
    assert await here.examine(target) is QUARANTINED
    assert len(here.probes) == 3


@pytest.mark.parametrize("dial", [{"reset": {"next": 9}}, {"cut": {"next": 9}}, {"latency": 30.0}])
async def test_an_answer_that_never_comes_is_not_waited_for(tmp_path: Path, dial: dict[str, object]) -> None:
    async with scene(tmp_path, timeout_s=0.15) as here:
        handle = await here.add(HUBSPOT)
        refuse(here)
        here.sandbox.dials.set("platform", **dial)

        assert await here.examine(await here.target(handle)) is UNCLEAR
        assert not (await here.mapping(handle)).needs_authorization


async def test_nobody_waits_longer_for_his_turn_than_for_a_probe(tmp_path: Path) -> None:
    async with scene(tmp_path, timeout_s=0.3) as here:
        handles = [await here.add(name) for name in (HUBSPOT, "acme-sfdc")]
        targets = [await here.target(handle) for handle in handles]
        here.sandbox.dials.set("platform", latency=0.2)

        assert UNCLEAR in await here.at_once(targets)  # one after the other takes 0.4 s
        for handle in handles:  # what comes later is learned all the same
            await is_marked(here, handle, True)


async def test_a_provider_s_refusal_counts_three_times_in_a_row(here: Scene) -> None:
    handle = await here.add(HUBSPOT)
    target = await here.target(handle)

    assert [await here.examine(target, provider=True) for _ in range(2)] == [UNCLEAR] * 2
    assert await here.send(target) == 200
    assert [await here.examine(target, provider=True) for _ in range(2)] == [UNCLEAR] * 2
    here.credentials.heard(target, 404)  # no answer below 400
    assert here.probes == []
    assert await here.examine(target, provider=True) is QUARANTINED
    assert (len(here.probes), (await here.mapping(handle)).needs_authorization) == (1, True)


async def test_a_provider_s_refusal_of_a_trial_is_looked_into_each_time(here: Scene) -> None:
    handle = await here.add(HUBSPOT)
    await here.instances.withdraw(handle, unauthorized=True)
    target = await here.target(handle)
    assert await here.examine(target, provider=True) is QUARANTINED
    here.sandbox.instances.give(here.sandbox.instances.named(HUBSPOT), None)
    assert await here.examine(target, provider=True) is REPEAT
    assert not (await here.mapping(handle)).needs_authorization


async def test_a_platform_call_that_is_refused_for_itself(here: Scene) -> None:
    target = Target(here.environment, None, "/accounts")

    assert await here.at_once([target] * 20) == [UNCLEAR] * 20
    assert await here.examine(target) is UNCLEAR
    assert here.probes == ["/instances?pageSize=1"]
    here.clock.now += 5.1
    here.take()
    assert await here.examine(target) is ENVIRONMENT


async def test_what_has_changed_meanwhile_is_not_asked_about(here: Scene) -> None:
    handle = await here.add(HUBSPOT, token="old-one")
    target = await here.target(handle)
    assert await here.examine(target, NEXT) is REPEAT
    await here.instances.replace_token(handle, (await here.mapping(await here.add("acme-sfdc"))).token)
    assert await here.examine(target) is REPEAT
    await here.operations.delete_instance(handle, actor="test")
    here.instances.forget()
    assert await here.examine(target) is UNCLEAR
    assert here.probes == []


async def test_a_database_that_cannot_be_written_teaches_nothing(here: Scene) -> None:
    handle = await here.add(HUBSPOT)
    target = await here.target(handle)
    refuse(here)
    with closing(sqlite3.connect(here.path)) as connection:
        connection.execute("ALTER TABLE instances RENAME TO elsewhere")
        assert await here.at_once([target] * 5) == [UNCLEAR] * 5
        here.credentials.heard(target, 200)
        connection.execute("ALTER TABLE elsewhere RENAME TO instances")
    here.clock.now += 6
    assert await here.examine(target) is QUARANTINED
    assert (await here.mapping(handle)).needs_authorization


async def test_a_restoration_that_cannot_be_written_is_tried_again(here: Scene) -> None:
    handle = await here.add(HUBSPOT)
    await here.instances.withdraw(handle, unauthorized=True)
    target = await here.target(handle)
    with closing(sqlite3.connect(here.path)) as connection:
        connection.execute("ALTER TABLE instances RENAME TO elsewhere")
        here.credentials.heard(target, 200)
        await asyncio.sleep(0.1)
        connection.execute("ALTER TABLE elsewhere RENAME TO instances")
    assert (await here.mapping(handle)).needs_authorization
    here.credentials.heard(target, 200)
    await until(lambda: here.events() == ["mapping is authorized again"])


async def test_closing_ends_what_is_on_its_way(here: Scene) -> None:
    target = await here.target(await here.add(HUBSPOT))
    here.sandbox.dials.set("platform", latency=30.0)
    waiting = asyncio.create_task(here.examine(target))
    await until(lambda: here.under_way > 0)
    await here.credentials.close()

    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    assert here.under_way == 0
