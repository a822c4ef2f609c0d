"""What the cache says that it would do is what it then does; and saying it changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache import CachePolicy, Fresh, Lifetimes, Rule, Stale
from gateway.exchange import Exchange, Headers, Pair, Request, Target
from tests.cache.house import ACME, DEV, House

LIFETIMES = Lifetimes(60, 30, 600, 0)
RULES = (Rule("/lists/**", enabled=False), Rule("/quick", ttl=5))


def house() -> House:
    return House(CachePolicy(lifetimes=LIFETIMES, rules=RULES))


async def put(here: House, path: str, *fields: Pair, asks: tuple[Pair, ...] = ()) -> None:
    asking = here.start(1, path, *asks)
    (await here.left(len(here.calls) + 1))[-1].answer(*fields)
    await asking[0]


async def explain(
    here: House, path: str = "/contacts", *fields: Pair, method: str = "GET", platform: bool = False
) -> tuple[dict[str, Any], Any]:
    request = Request(method, path, Headers(fields))
    return await here.cache.explain(request, Target(DEV, None if platform else ACME, path))


@pytest.mark.parametrize(
    ("fields", "later", "outcome", "reason"),
    [
        ((), 0, "hit", "hit"),
        ((), 59, "hit", "hit"),
        ((), 60, "stale", "stale-while-revalidate"),
        ((), 90, "miss", "stale"),
        ((("Cache-Control", "max-age=5"),), 6, "miss", "request"),
        ((("Cache-Control", "min-fresh=50"),), 20, "miss", "request"),
        ((("Cache-Control", "no-cache"),), 0, "miss", "request"),
        ((("Cache-Control", "no-cache"),), 100, "miss", "request"),
        ((("Cache-Control", "no-store"),), 0, "bypass", "no-store"),
        ((("Range", "bytes=0-0"),), 0, "hit", "hit"),
        ((("Range", "bytes=0-0"),), 100, "bypass", "range"),
        ((("If-Match", '"1"'),), 0, "bypass", "if-match"),
        ((("Elements-Async-Request", "true"),), 0, "bypass", "elements-async-request"),
        ((("Accept", "text/csv"),), 0, "miss", "uri-miss"),
        ((("X-N", "2"),), 0, "miss", "vary-miss"),
    ],
)
async def test_outcomes(fields: tuple[Pair, ...], later: float, outcome: str, reason: str) -> None:
    here = house()
    await put(here, "/contacts", ("ETag", '"1"'), ("Vary", "X-N"))
    here.now += later
    document, _ = await explain(here, "/contacts", *fields)
    assert (document["outcome"], document["reason"]) == (outcome, reason)


@pytest.mark.parametrize(
    ("method", "path", "platform", "reason"),
    [
        ("HEAD", "/contacts", False, "HEAD"),
        ("GET", "/ping", False, "never-stored"),
        ("GET", "/lists/7", False, "policy"),
        ("GET", "/customers", True, "never-stored"),
        ("OPTIONS", "/contacts", False, "OPTIONS"),
        ("POST", "/contacts", False, "POST"),
    ],
)
async def test_what_goes_past(method: str, path: str, platform: bool, reason: str) -> None:
    document, conditions = await explain(house(), path, method=method, platform=platform)
    assert (document["outcome"], document["reason"], conditions) == ("bypass", reason, None)
    assert ("drops" in document) is (method == "POST")
    assert "stored" not in document


@pytest.mark.parametrize(
    ("method", "path", "drops"),
    [
        ("PATCH", "/Contacts/7", {"at": ["/contacts"], "below": ["/contacts/7"]}),
        ("POST", "/contacts", {"at": ["/contacts"], "below": []}),
        ("DELETE", "/contacts/7/notes/2", {"at": ["/contacts", "/contacts/7", "/contacts/7/notes"], "below": ["/contacts/7/notes/2"]}),
        ("PUT", "/instances/configuration/3", {"at": [], "below": ["/"]}),
        ("QUERY", "/", {"at": [], "below": ["/"]}),
    ],
)
async def test_what_a_write_would_drop(method: str, path: str, drops: dict[str, list[str]]) -> None:
    document, _ = await explain(house(), path, method=method)
    assert document["drops"] == ({"at": ["/"], "below": []} if path == "/" else drops)


async def test_the_whole_document() -> None:
    here = house()
    await put(here, "/contacts", ("ETag", '"1"'), ("Last-Modified", "Tue, 14 Nov 2023 22:12:20 GMT"), ("Vary", "X-N"))
    here.now += 18.5
    document, conditions = await explain(here)

    assert document == {
        "outcome": "hit",
        "reason": "hit",
        "policy": {"enabled": True, "rule": None, "ttl": 60, "stale_while_revalidate": 30, "stale_if_error": 600, "negative_ttl": 0},
        "key": {"environment": "dev", "instance": ACME.handle, "path": "/contacts", "query": "", "fields": {}},
        "variants": 1,
        "stored": {
            "status": 200,
            "bytes": 3,
            "age": 18.5,
            "fresh_for": 41.5,
            "stale_while_revalidate": 30,
            "stale_if_error": 600,
            "etag": '"1"',
            "last_modified": "Tue, 14 Nov 2023 22:12:20 GMT",
            "varies": {"x-n": None},
        },
    }
    assert conditions is None
    json.dumps(document)


async def test_what_the_key_is_made_of() -> None:
    fields = (("accept", "text/csv"), ("Elements-Version", "Helium"), ("Elements-As-Team-Member", "m1"), ("Gateway-Explain", "1"))
    document, _ = await explain(house(), "/quick", *fields)
    assert document["key"]["fields"] == {"accept": "text/csv", "elements-version": "Helium", "elements-as-team-member": "m1"}
    assert (document["variants"], document["stored"], document["policy"]["rule"], document["policy"]["ttl"]) == (0, None, "/quick", 5)


async def test_the_conditions_that_would_go_up() -> None:
    here = house()
    await put(here, "/contacts", ("ETag", '"1"'))
    await put(here, "/plain")
    here.now += 100
    assert (await explain(here))[1] == (("If-None-Match", '"1"'),)
    assert (await explain(here, "/plain"))[1] is None
    assert (await explain(here, "/contacts", ("Range", "bytes=0-0")))[1] is None


async def test_nothing_changes() -> None:
    here = house()
    await put(here, "/contacts", ("ETag", '"1"'))
    for later in (0, 61, 91, 100_000):
        here.now = 1_700_000_000.0 + later
        before = here.cache._invalidations.count, dict(here.cache._flights._flying), dict(here.cache._flights._unshared._until)
        for method in ("GET", "POST", "HEAD"):
            for path in ("/contacts", "/nothing"):
                await explain(here, path, method=method)
        assert before == (here.cache._invalidations.count, dict(here.cache._flights._flying), dict(here.cache._flights._unshared._until))
    assert len(here.calls) == 1


wishes = st.sampled_from(["", "no-cache", "no-store", "max-age=0", "max-age=30", "min-fresh=20", "max-stale"])
kinds = st.sampled_from(
    ["", 'ETag: "1"', "Cache-Control: max-age=20", "Cache-Control: no-cache", "Vary: X-N", "Cache-Control: must-revalidate"]
)


@given(kinds, wishes, st.sampled_from([0, 10, 25, 61, 91, 700]), st.booleans(), st.booleans())
async def test_it_says_what_then_happens(kind: str, wish: str, later: float, ranged: bool, other: bool) -> None:
    here = house()
    name, _, value = kind.partition(": ")
    await put(here, "/contacts", *(((name, value),) if name else ()))
    here.now += later
    fields = (("Cache-Control", wish),) * bool(wish) + (("Range", "bytes=0-0"),) * ranged + (("X-N", "1"),) * other
    document, conditions = await explain(here, "/contacts", *fields)

    exchange = Exchange("id", "GET", "/contacts", 0.0)
    found = await here.cache.look_up(Request("GET", "/contacts", Headers(fields)), Target(DEV, ACME, "/contacts"), exchange)
    assert document["outcome"] == exchange.cache
    assert (document["outcome"] in ("hit", "stale")) is isinstance(found, Fresh)
    assert conditions == found.conditions
    if isinstance(found, Stale):
        assert document["reason"] == found.reason
