"""The socket side: raw paths, the journal of what arrived, the way back to the seed, uvloop."""

from __future__ import annotations

import asyncio
import logging

import pytest
import uvloop
from aiohttp import ClientOSError, ClientSession

from gateway.sandbox import Sandbox
from gateway.sandbox.server import running

from .conftest import PLATFORM, Api


async def raw(api: Api, head: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.origin.rpartition(":")[2]))
    writer.write(head)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "target", ["/folders/%252Freports/contents", "//vdrs/x", "/accounts/", "/x?where=a%20%3D%20'b'&tags%5B%5D=x&nextPage="]
)
async def test_what_arrived_is_told_byte_for_byte(api: Api, target: str) -> None:
    await api("GET", target, as_="acme-hubspot", headers={"X-Canary": "planted"})
    seen = await api("GET", "/sandbox/requests", as_=None)

    (call,) = seen.json["calls"]
    assert seen.json["count"] == 1
    assert (call["method"], call["target"]) == ("GET", "/elements/api-v2" + target)
    assert (call["element"], call["instance"]) == ("hubspot", 481101)
    assert {"Authorization", "X-Canary"} <= set(call["headers"])
    for secret in (b"planted", b"sandbox-user", api.token("acme-hubspot").encode()):
        assert secret not in seen.raw


async def test_calls_without_a_living_token_are_counted_too(api: Api) -> None:
    await api("GET", "/contacts", as_=None)
    await api("GET", "/instances")

    seen = (await api("GET", "/sandbox/requests", as_=None)).json
    assert [(call["element"], call["instance"]) for call in seen["calls"]] == [(None, None)] * 2
    assert (await api("DELETE", "/sandbox/requests", as_=None)).json == {"count": 0, "calls": []}


async def test_reset_brings_the_seed_back(api: Api) -> None:
    before = (await api("GET", "/instances")).json
    made = (await api("POST", "/elements/closeio/instances", json={"name": "new", "configuration": {"username": "key"}})).json
    await api("DELETE", "/contacts/510021", as_="acme-hubspot")
    await api("DELETE", f"/instances/{before[1]['id']}")
    api.sandbox.dials.set("*", latency=600.0)
    await api("POST", "/sandbox/reset", as_=None)

    assert (await api("GET", "/instances")).json == before
    assert (await api("GET", "/contacts/510021", as_="acme-hubspot")).status == 200
    assert (await api("GET", "/ping", as_=f"User sandbox-user, Element {made['token']}")).status == 401
    assert (await api("GET", "/sandbox/requests", as_=None)).json["count"] == 3


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("POST", "/sandbox/dials", 405), ("GET", "/sandbox/reset", 405), ("GET", "/sandbox/nope", 404), ("PUT", "/sandbox/requests", 405)],
)
async def test_the_control_paths_are_few(api: Api, method: str, target: str, status: int) -> None:
    assert (await api(method, target, as_=None, json={})).status == status


@pytest.mark.parametrize("target", [b"/", b"/elements/api-v1/x", b"/elements/api-v2x", b"//elements/api-v2/instances", b"*"])
async def test_outside_of_the_api_there_is_nothing_but_a_request_id(api: Api, target: bytes) -> None:
    method = b"OPTIONS" if target == b"*" else b"GET"
    authorization = PLATFORM.encode()
    answer = await raw(
        api, method + b" " + target + b" HTTP/1.1\r\nHost: x\r\nAuthorization: " + authorization + b"\r\nConnection: close\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nElements-Request-Id: " in answer


async def test_octets_that_are_no_http_are_not_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await raw(api, b"GET /elements/api-v2/ping HTTP/1.1\r\nAuthorization planted-token\r\n\r\n")

    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert "planted" not in caplog.text


async def test_a_caller_who_leaves_ends_the_call(api: Api) -> None:
    api.sandbox.dials.set("*", latency=0.3)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(api("DELETE", "/contacts/510021", as_="acme-hubspot"), 0.1)
    api.sandbox.dials.clear()
    await asyncio.sleep(0.4)

    assert (await api("GET", "/contacts/510021", as_="acme-hubspot")).status == 200


def test_it_runs_under_uvloop_resets_included() -> None:
    async def story() -> list[object]:
        sandbox = Sandbox()
        sandbox.dials.set("platform", reset={"next": 1})
        async with running(sandbox) as base, ClientSession(headers={"Authorization": PLATFORM}) as session:
            found: list[object] = []
            for _ in range(2):  # POST, since aiohttp's client silently repeats a GET
                try:
                    async with session.post(f"{base}/instances", json={}) as response:
                        found.append(response.status)
                except ClientOSError:
                    found.append("reset")
            return found

    assert uvloop.run(story()) == ["reset", 400]
