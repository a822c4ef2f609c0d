"""The dials: each way to misbehave, as a client meets it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientOSError, ClientPayloadError

from gateway.sandbox.dials import Dials

from .conftest import Api


async def statuses(api: Api, count: int, as_: str = "acme-hubspot", path: str = "/contacts?pageSize=1") -> list[int]:
    return [(await api("GET", path, as_=as_)).status for _ in range(count)]


async def turn(api: Api, dials: dict[str, Any]) -> None:
    assert (await api("PUT", "/sandbox/dials", as_=None, json=dials)).status == 200


async def test_the_next_calls_of_one_element_are_limited(api: Api) -> None:
    await turn(api, {"hubspot": {"rate_limit": {"next": 2, "retry_after": 7}}})
    limited = await api("GET", "/contacts", as_="acme-hubspot")

    assert (limited.status, limited.headers["Retry-After"]) == (429, "7")
    assert set(limited.json) == {"requestId", "message", "providerMessage"}
    assert limited.headers["Elements-Request-Id"] == limited.json["requestId"]
    assert await statuses(api, 1, "acme-sfdc") == [200]
    assert await statuses(api, 2, "globex-hubspot") == [429, 200]
    assert await statuses(api, 1, "platform", "/instances") == [200]


async def test_every_third_call_is_limited_without_a_word_of_when(api: Api) -> None:
    await turn(api, {"*": {"rate_limit": {"every": 3}}})

    assert await statuses(api, 2) == [200, 200]
    assert "Retry-After" not in (await api("GET", "/contacts", as_="acme-hubspot")).headers
    assert await statuses(api, 3) == [200, 200, 429]


async def test_an_element_s_own_dial_goes_before_the_one_for_all(api: Api) -> None:
    await turn(api, {"*": {"error": {"next": 9}}, "sfdc": {}, "platform": {"error": {"next": 1, "status": 500}}})

    assert await statuses(api, 1, "acme-sfdc") == [200]
    assert await statuses(api, 1, "acme-hubspot") == [503]
    assert await statuses(api, 2, "platform", "/instances") == [500, 200]


async def test_a_5xx_does_nothing(api: Api) -> None:
    await turn(api, {"hubspot": {"error": {"next": 1, "status": 502}}})

    assert (await api("POST", "/contacts", as_="acme-hubspot", json={})).status == 502
    assert len((await api("GET", "/contacts", as_="acme-hubspot")).json) == 60


async def test_unauthorized_calls_spend_nothing(api: Api) -> None:
    await turn(api, {"*": {"error": {"next": 1}}})

    assert await statuses(api, 1, "User wrong") == [401]
    assert await statuses(api, 2) == [503, 200]


async def test_a_reset_is_an_rst_before_anything_is_done(api: Api) -> None:
    await turn(api, {"hubspot": {"reset": {"next": 1}}})

    with pytest.raises(ClientOSError) as caught:
        await api("POST", "/contacts", as_="acme-hubspot", json={})

    assert isinstance(caught.value, ConnectionResetError) or "reset" in str(caught.value)
    assert len((await api("GET", "/contacts", as_="acme-hubspot")).json) == 60


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_cut_body_ends_before_its_length(api: Api, method: str) -> None:
    await turn(api, {"hubspot": {"cut": {"next": 1}}})

    with pytest.raises(ClientPayloadError):
        await api(method, "/contacts", as_="acme-hubspot", json={})

    # The work was done; only the answer broke.
    assert len((await api("GET", "/contacts", as_="acme-hubspot")).json) == (61 if method == "POST" else 60)


async def test_an_empty_answer_can_be_cut_too(api: Api) -> None:
    id_ = (await api("GET", "/contacts?pageSize=1", as_="acme-hubspot")).json[0]["id"]
    await turn(api, {"hubspot": {"cut": {"next": 1}}})

    with pytest.raises((ClientPayloadError, ClientConnectionError)):
        await api("DELETE", f"/contacts/{id_}", as_="acme-hubspot")


async def test_latency_comes_before_the_head(api: Api) -> None:
    await turn(api, {"hubspot": {"latency": 0.2}})
    loop = asyncio.get_running_loop()

    started = loop.time()
    await statuses(api, 1)
    slow = loop.time() - started
    assert slow >= 0.2


async def test_a_slow_body_trickles_whole(api: Api) -> None:
    quick = await api("GET", "/contacts?pageSize=5", as_="acme-hubspot")
    pieces = -(-len(quick.raw) // 100)
    await turn(api, {"hubspot": {"slow": {"next": 1, "chunk": 100, "pause": 0.01}}})
    loop = asyncio.get_running_loop()

    started = loop.time()
    slow = await api("GET", "/contacts?pageSize=5", as_="acme-hubspot")
    assert slow.raw == quick.raw
    assert slow.headers["Content-Length"] == quick.headers["Content-Length"]
    assert loop.time() - started >= (pieces - 1) * 0.01


async def test_an_access_that_has_ended_is_the_provider_s_401(api: Api) -> None:
    await turn(api, {"hubspot": {"expired": {"next": 1}}})
    refused = await api("POST", "/contacts", as_="acme-hubspot", json={})

    assert (refused.status, "expired" in refused.json["providerMessage"]) == (401, True)
    assert refused.headers["Elements-Element-Instance-Id"] == "481101"
    assert len((await api("GET", "/contacts", as_="acme-hubspot")).json) == 60


async def test_an_answer_of_unknown_length(api: Api) -> None:
    whole = await api("GET", "/contacts", as_="acme-hubspot")
    await turn(api, {"hubspot": {"chunked": {"next": 1}}})
    chunked = await api("GET", "/contacts", as_="acme-hubspot")

    assert (chunked.headers["Transfer-Encoding"], "Content-Length" in chunked.headers) == ("chunked", False)
    assert chunked.raw == whole.raw


@pytest.mark.parametrize(("accepted", "coding"), [("gzip", "gzip"), ("identity", None)])
async def test_a_packed_answer_for_those_who_take_it(api: Api, accepted: str, coding: str | None) -> None:
    whole = await api("GET", "/contacts", as_="acme-hubspot")
    await turn(api, {"hubspot": {"gzip": {"every": 1}, "chunked": {"every": 1}}})
    packed = await api("GET", "/contacts", as_="acme-hubspot", headers={"Accept-Encoding": accepted})

    assert packed.headers.get("Content-Encoding") == coding
    assert packed.raw == whole.raw  # the client unpacks


async def test_the_cookie_that_is_sometimes_set(api: Api) -> None:
    await turn(api, {"hubspot": {"session": {"next": 1}}})
    first, second = [await api("GET", "/ping", as_="acme-hubspot") for _ in range(2)]

    assert first.headers["Set-Cookie"] == f"CESESSIONID={first.headers['Elements-Request-Id']};Path=/elements/;HttpOnly"
    assert "Set-Cookie" not in second.headers


async def test_dials_are_read_and_taken_off(api: Api) -> None:
    await turn(api, {"hubspot": {"rate_limit": {"next": 2}}})
    await statuses(api, 1)

    shown = (await api("GET", "/sandbox/dials", as_=None)).json
    assert shown["hubspot"]["rate_limit"] == {
        "next": 1,
        "every": 0,
        "retry_after": None,
        "told": "seconds",
        "form": "plain",
        "kind": "rate",
    }
    await turn(api, {"sfdc": {"latency": 1}})
    assert list((await api("GET", "/sandbox/dials", as_=None)).json) == ["sfdc"]
    assert (await api("DELETE", "/sandbox/dials", as_=None)).json == {}
    assert await statuses(api, 2, "acme-sfdc") == [200, 200]


@pytest.mark.parametrize(
    ("dials", "word"),
    [
        ({"nope": {}}, "nope"),
        ({"hubspot": 1}, "hubspot"),
        ({"hubspot": {"latency": -1}}, "latency"),
        ({"hubspot": {"lane": "x"}}, "lane"),
        ({"hubspot": {"error": {"status": 404}}}, "error.status"),
        ({"hubspot": {"cut": {"next": "2"}}}, "cut.next"),
        ({"sfdc": {}, "hubspot": {"unknown": 1}}, "unknown"),
    ],
)
async def test_a_bad_dial_is_400_and_changes_nothing(api: Api, dials: dict[str, Any], word: str) -> None:
    api.sandbox.dials.set("closeio", latency=1.5)
    reply = await api("PUT", "/sandbox/dials", as_=None, json=dials)

    assert (reply.status, word in reply.json["message"]) == (400, True)
    assert list(api.sandbox.dials.settings()) == ["closeio"]


def test_from_python() -> None:
    dials = Dials()
    dials.set("hubspot", rate_limit={"next": 1, "retry_after": 0})

    error = dials.meet("hubspot", datetime.now(UTC)).error
    assert error is not None
    answer = error.answer("request-id")
    assert (answer.status, answer.headers) == (429, {"Retry-After": "0"})
    with pytest.raises(ValueError, match="nope"):
        dials.set("nope")
