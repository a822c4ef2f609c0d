"""The providers' limits: figures, forms, and how they are switched on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox import Sandbox
from gateway.sandbox.limits.meter import Meter, Rate
from gateway.sandbox.limits.settings import ElementLimit
from gateway.sandbox.limits.table import TABLE
from gateway.sandbox.server import running

from .conftest import Api, Clock, Reply


@pytest.fixture
def everything() -> bool:
    return True


async def switch(api: Api, **settings: Any) -> Reply:
    return await api("PUT", "/sandbox/limits", as_=None, json=settings)


async def calls(api: Api, key: str, count: int) -> list[Reply]:
    return [await api("GET", "/ping", as_=f"hooli-{key}") for _ in range(count)]


async def test_off_until_they_are_switched_on(api: Api) -> None:
    assert [reply.status for reply in await calls(api, "fortnox", 6)] == [200] * 6
    assert (await switch(api)).json["enabled"] is True
    assert [reply.status for reply in await calls(api, "fortnox", 6)] == [200] * 4 + [429] * 2
    assert (await api("DELETE", "/sandbox/limits", as_=None)).json["enabled"] is False
    assert [reply.status for reply in await calls(api, "fortnox", 6)] == [200] * 6


async def in_flight(api: Api, count: int) -> None:
    """Until so many calls are under way."""
    for _ in range(500):
        if sum(one["in_flight"] for one in api.sandbox.limits.document(0)["spent"]) == count:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"never {count} in flight")


FORMS = {
    # element: (status, a word of the provider, whether Retry-After comes)
    "hubspot": (429, "TEN_SECONDLY_ROLLING", False),
    "sfdc": (403, "REQUEST_LIMIT_EXCEEDED", False),
    "box": (429, "Too many requests", True),
    "zendesk": (429, "Too many requests", True),
    "xero": (429, "minute", True),
    "quickbooks": (429, "003001", False),
    "gmail": (403, "userRateLimitExceeded", False),
    "egnyte": (403, "Developer over rate", False),
}


@pytest.mark.parametrize("key", FORMS)
async def test_a_refusal_in_the_provider_s_own_form(api: Api, key: str) -> None:
    status, word, waits = FORMS[key]
    form = TABLE[key].form
    await switch(api, elements={key: {"limits": ["2/10s"], "form": form}})
    *_, last = await calls(api, key, 3)

    assert (last.status, word in last.json["providerMessage"], "Retry-After" in last.headers) == (status, True, waits)
    assert last.headers["Elements-Request-Id"] == last.json["requestId"]
    assert last.headers["Elements-Element-Instance-Id"]
    if waits:
        assert last.headers["Retry-After"] == "10"


@pytest.mark.parametrize(("limits", "code"), [(["1/20s"], "606"), (["1/day"], "607")])
async def test_marketo_says_so_with_200(api: Api, limits: list[str], code: str) -> None:
    await switch(api, elements={"marketo": {"limits": limits, "form": "marketo"}})
    *_, last = await calls(api, "marketo", 2)

    assert (last.status, last.json["success"], last.json["errors"][0]["code"]) == (200, False, code)


@pytest.mark.parametrize(("key", "status", "word"), [("netsuiteerpv2", 429, "SSS_REQUEST_LIMIT_EXCEEDED"), ("marketo", 200, "615")])
async def test_calls_at_once(api: Api, key: str, status: int, word: str) -> None:
    own = {} if key.startswith("netsuite") else {"elements": {key: {"concurrency": 1, "form": "marketo"}}}
    await switch(api, **own)
    api.sandbox.dials.set(key, latency=0.3)
    first = asyncio.create_task(api("GET", "/objects", as_=f"hooli-{key}"))
    await in_flight(api, 1)
    second = await api("GET", "/objects", as_=f"hooli-{key}")
    done = await first
    third = await api("GET", "/objects", as_=f"hooli-{key}")

    assert (second.status, word in second.raw.decode()) == (status, True)
    assert isinstance(done.json, list)
    assert isinstance(third.json, list)


async def test_who_leaves_makes_room(api: Api) -> None:
    await switch(api)
    api.sandbox.dials.set("netsuiteerpv2", latency=0.3)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(api("GET", "/ping", as_="hooli-netsuiteerpv2"), 0.1)
    api.sandbox.dials.clear()
    await in_flight(api, 0)

    assert (await api("GET", "/ping", as_="hooli-netsuiteerpv2")).status == 200


async def test_instances_are_counted_apart_and_windows_slide(api: Api, clock: Clock) -> None:
    await switch(api, elements={"hubspot": {"limits": ["2/10s"]}})

    async def status(name: str) -> int:
        return (await api("GET", "/ping", as_=name)).status

    assert [await status("acme-hubspot") for _ in range(3)] == [200, 200, 429]
    assert [await status("globex-hubspot") for _ in range(3)] == [200, 200, 429]
    clock.move(9.9)
    assert await status("acme-hubspot") == 429
    clock.move(0.1)
    assert [await status("acme-hubspot") for _ in range(3)] == [200, 200, 429]


async def test_bulk_jobs_spend_what_nobody_sees(api: Api) -> None:
    await switch(api, elements={"closeio": {"limits": ["3/min"]}})
    reply = await api("POST", "/bulk/query?q=select%20*%20from%20contacts", as_="initech-closeio")
    spent = (await api("GET", "/sandbox/limits", as_=None)).json["spent"]

    assert reply.status == 200
    assert [(one["element"], one["rates"]) for one in spent] == [("closeio", [{"calls": 3, "seconds": 60.0, "spent": 2}])]


async def test_a_refused_call_does_nothing_and_is_in_the_usage(api: Api) -> None:
    await switch(api, elements={"closeio": {"limits": ["1/min"]}})
    await calls(api, "closeio", 1)

    assert (await api("POST", "/contacts", as_="hooli-closeio", json={})).status == 429
    assert [use["response_status"] for use in (await api("GET", "/usage?status=failed")).json] == [429]
    await api("DELETE", "/sandbox/limits", as_=None)
    assert len((await api("GET", "/contacts", as_="hooli-closeio")).json) == 60


async def test_the_table_is_shown_with_what_is_overridden(api: Api) -> None:
    await switch(api, enabled=False, elements={"box": {"limits": ["5/s"], "concurrency": 2}})
    shown = (await api("GET", "/sandbox/limits", as_=None)).json

    assert shown["elements"]["box"] == {"limits": ["5/s"], "concurrency": 2, "form": "plain"}
    assert shown["elements"]["hubspot"]["limits"] == ["100/10s", "250000/day"]
    assert shown["files"] == {"bytes": 64 * 1024 * 1024, "seconds": 3600.0}


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"elements": {"nope": {}}}, "nope"),
        ({"elements": {"box": {"limits": ["5 a second"]}}}, "elements.box.limits"),
        ({"elements": {"box": {"limits": ["0/s"]}}}, "expected N/10s"),
        ({"elements": {"box": {"form": "odd"}}}, "salesforce"),
        ({"elements": {"box": {"concurrency": -1}}}, "concurrency"),
        ({"enabled": "yes"}, "enabled"),
        ({"files": {"bytes": 0}}, "files.bytes"),
        ({"on": True}, "on"),
    ],
)
async def test_bad_settings_are_400_and_change_nothing(api: Api, settings: dict[str, Any], word: str) -> None:
    await switch(api, elements={"closeio": {"limits": ["1/min"]}})
    reply = await switch(api, **settings)

    assert (reply.status, word in reply.json["message"]) == (400, True)
    assert [one.status for one in await calls(api, "closeio", 2)] == [200, 429]


async def test_on_from_the_start_and_after_a_reset() -> None:
    sandbox = Sandbox(limits=True, everything=True)
    async with running(sandbox) as base, ClientSession() as session:
        api = Api(sandbox, session, base)
        await switch(api, enabled=False)
        await api("POST", "/sandbox/reset", as_=None)

        assert [reply.status for reply in await calls(api, "fortnox", 5)][-1] == 429


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 5), st.sampled_from([1, 2, 7]))
def test_no_stretch_of_a_window_sees_more_than_its_calls(gaps: list[float], limit: int, seconds: int) -> None:
    meter, now, taken = Meter([Rate(limit, seconds)], 0), 1000.0, []
    for gap in gaps:
        now += gap
        breach = meter.enter(now)
        if breach is None:
            taken.append(now)
        else:
            assert meter.enter(now + breach.wait * 0.999 - 1e-9) is not None or breach.wait < 1e-6
    assert all(sum(start <= time < start + seconds for time in taken) <= limit for start in taken)


@given(st.lists(st.floats(0, 3), max_size=60))
def test_a_bucket_never_runs_over(gaps: list[float]) -> None:
    meter, now, taken = Meter([Rate(2, 1, burst=4)], 0), 1000.0, []
    for gap in gaps:
        now += gap
        if meter.enter(now) is None:
            taken.append(now)
    for index, start in enumerate(taken):
        for later, end in enumerate(taken[index:], start=1):
            assert later <= 4 + 2 * (end - start) + 1e-6


def test_a_limit_by_its_spelling() -> None:
    assert ElementLimit(limits=["100/10s", "5/min", "7/h", "9/day", "2/s burst 40"]).rates() == [
        Rate(100, 10), Rate(5, 60), Rate(7, 3600), Rate(9, 86400), Rate(2, 1, 40),
    ]  # fmt: skip
