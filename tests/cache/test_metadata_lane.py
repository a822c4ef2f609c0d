"""What an administrator changes is kept long, unless the operator says otherwise; for whom it is kept (issue 4, API page 4.7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.cache import CachePolicy, Lifetimes, Rule
from gateway.cache.policy import METADATA
from tests.cache.house import ACME, DEV, House
from tests.cache.test_writing import BOLT, PROD, Room

HOUR, DAY = 3600.0, 86_400.0
LONG = Lifetimes(HOUR, DAY, DAY)
SHORT = Lifetimes(60)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/objects", "/objects"),
        ("/objects/contacts/metadata", "/objects/*/metadata"),
        ("/elements", "/elements/**"),
        ("/elements/hubspot", "/elements/**"),
        ("/elements/hubspot/objects/contacts/metadata", "/elements/**"),
        ("/hubs", "/hubs/**"),
        ("/hubs/crm", "/hubs/**"),
        ("/hubs/crm/elements", "/hubs/**"),
    ],
)
def test_metadata_is_kept_long(path: str, rule: str) -> None:
    decision = CachePolicy(lifetimes=SHORT).decide(path)
    assert (decision.enabled, decision.lifetimes, decision.rule) == (True, LONG, rule)


@pytest.mark.parametrize(
    "path",
    [
        "/contacts",
        "/objectsx",
        "/objects/contacts",
        "/objects/contacts/definitions",
        "/objects/a/b/metadata",
        "/elementsx",
        "/x/objects",
        "/Objects",
        "/",
    ],
)
def test_and_nothing_else_is(path: str) -> None:
    decision = CachePolicy(lifetimes=SHORT).decide(path)
    assert (decision.lifetimes, decision.rule) == (SHORT, None)


@pytest.mark.parametrize(
    ("rule", "enabled", "lifetimes"),
    [
        (Rule("/objects", ttl=5), True, LONG._replace(ttl=5)),
        (Rule("/**", ttl=5, stale_while_revalidate=0, stale_if_error=0), True, Lifetimes(5)),
        (Rule("/objects/**", enabled=False), False, LONG),
        (Rule("/objects", negative_ttl=7), True, LONG._replace(negative_ttl=7)),
        (Rule("/contacts", ttl=5), True, LONG),
    ],
)
def test_the_operators_rules_go_first(rule: Rule, enabled: bool, lifetimes: Lifetimes) -> None:
    decision = CachePolicy(lifetimes=SHORT, rules=(rule,)).decide("/objects")
    assert (decision.enabled, decision.lifetimes) == (enabled, lifetimes)


def test_an_element_whose_cache_is_off_has_no_lane() -> None:
    assert not CachePolicy(enabled=False).decide("/objects").enabled
    assert CachePolicy(enabled=False, rules=(Rule("/objects", enabled=True),)).decide("/objects").enabled


def test_no_rule_of_the_lane_says_whether() -> None:
    assert all(rule.enabled is None for rule in METADATA)


@pytest.mark.parametrize("path", ["/elements", "/elements/hubspot", "/hubs", "/hubs/crm/elements"])
async def test_a_platform_answer_is_shared_by_its_environment_and_by_no_other(path: str) -> None:
    room = Room(ttl=0)
    await room.call("GET", path, instance=None)
    assert await room.stored(path, instance=None) is not None
    assert await room.stored(path, instance=None, where=PROD) is None
    for instance in (ACME, BOLT):  # what describes an element is the same for all; a hub's paths are an instance's where one is meant
        assert (await room.stored(path, instance=instance) is not None) == path.startswith("/elements")


@pytest.mark.parametrize("path", ["/objects", "/objects/contacts/metadata", "/hubs"])
async def test_an_instances_answer_is_shared_by_nobody_else(path: str) -> None:
    room = Room(ttl=0)
    await room.call("GET", path)
    assert await room.stored(path) is not None
    for instance, where in ((BOLT, DEV), (None, DEV), (replace(ACME, environment="prod"), PROD), (replace(ACME, changed_at=1.0), DEV)):
        assert await room.stored(path, instance=instance, where=where) is None


@pytest.mark.parametrize(
    "path",
    ["/elements/hubspot/instances", "/elements/hubspot/instances/3", "/elements/hubspot/oauth/url", "/hubs/crm/ping", "/hubs/crm/users"],
)
async def test_what_is_never_kept_is_not_kept_here(path: str) -> None:
    room = Room(ttl=0)
    exchange = await room.call("GET", path, instance=None)
    assert exchange.cache_status == "gateway; fwd=bypass; detail=never-stored"
    assert room.store.entries == 0


async def test_a_platform_write_drops_what_it_touches_of_its_environment() -> None:
    room = Room(ttl=0)
    for where in (DEV, PROD):
        await room.call("GET", "/elements/hubspot", instance=None, where=where)
    await room.call("PUT", "/elements/hubspot", instance=None)
    assert await room.stored("/elements/hubspot", instance=None) is None
    assert await room.stored("/elements/hubspot", instance=None, where=PROD) is not None


@pytest.mark.parametrize(("later", "cache"), [(HOUR - 1, "hit"), (HOUR, "stale"), (HOUR + DAY - 1, "stale"), (HOUR + DAY, None)])
async def test_past_the_hour_it_is_given_for_a_day_while_it_is_asked_for_again(later: float, cache: str | None) -> None:
    house = House(CachePolicy())
    asking = house.start(1, "/objects")
    (await house.left(1))[0].answer()
    await asking[0]
    house.now += later
    asking = house.start(1, "/objects")
    await house.left(2 if cache is None else 1)
    if cache is not None:
        assert (await asking[0])[1].cache == cache
    asking[0].cancel()


async def test_what_an_answer_says_itself_goes_before_the_lane() -> None:
    house = House(CachePolicy())
    asking = house.start(1, "/objects")
    (await house.left(1))[0].answer(("Cache-Control", "max-age=5, must-revalidate"))
    await asking[0]
    house.now += 6
    asking = house.start(1, "/objects")
    await house.left(2)
    asking[0].cancel()
