"""Collapsed forwarding over real sockets: many callers who miss the same at the same time."""

from __future__ import annotations

import asyncio
import time
import uuid
from itertools import count

import pytest

from tests.acceptance.caching import JSON
from tests.acceptance.test_metrics_live import Growth
from tests.acceptance.world import BASE, Mapped, World
from tests.support.origin import Recorded, head, script

SLOW_S = 0.2


def slow(world: World, *fields: str) -> str:
    """A path whose origin takes 200 ms and gives each call a body of its own."""
    serial, name = count(1), uuid.uuid4().hex

    def numbered(_: Recorded) -> bytes:
        body = b'"%06d"' % next(serial)
        return head("200 OK", JSON, f"Content-Length: {len(body)}", *fields) + body

    world.raw.behaviours[name] = script(SLOW_S, numbered)
    return f"/{name}"


def octets(acme: Mapped, path: str) -> bytes:
    """A plain call."""
    fields = ("Host: gateway", f"X-Api-Key: {acme.world.key}", f"Gateway-Instance: {acme.handle}")
    return "\r\n".join((f"GET {BASE}{path} HTTP/1.1", *fields, "", "")).encode()


async def asked(acme: Mapped, path: str, number: int) -> tuple[list[bytes], list[str], float]:
    """The bodies and the Cache-Status of that many callers at once, each on a connection of its own, and the seconds until the last."""
    connections = [await asyncio.open_connection(*acme.world.served.listeners["data"]) for _ in range(number)]

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[bytes, str]:
        writer.write(octets(acme, path))
        top = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        assert top.startswith("HTTP/1.1 200 "), top
        fields = dict(line.lower().split(": ", 1) for line in top.split("\r\n")[1:] if line)
        return await reader.readexactly(int(fields["content-length"])), fields["cache-status"]

    started = time.monotonic()
    try:
        answers = await asyncio.gather(*(one(*connection) for connection in connections))
    finally:
        took = time.monotonic() - started
        for _, writer in connections:
            writer.close()
    return [body for body, _ in answers], [status for _, status in answers], took


def calls(world: World, path: str) -> list[Recorded]:
    return [request for request in list(world.raw.requests) if request.target.endswith(path)]


async def test_a_thousand_callers_of_one_cold_key_are_one_call(world: World, at_origin: Mapped) -> None:
    path = slow(world, "Cache-Control: max-age=3600")
    grown = Growth(world)
    bodies, statuses, took = await asked(at_origin, path, 1000)

    assert set(bodies) == {b'"000001"'}
    assert len(calls(world, path)) == 1
    assert statuses.count("gateway; fwd=uri-miss; stored") == 1
    assert sum(status.endswith("; collapsed") or status.startswith("gateway; hit; ttl=") for status in statuses) == 999
    assert grown("gateway_upstream_requests_total", environment="raw", element="plain") == 1
    assert grown("gateway_requests_total", environment="raw", element="plain") == 1000
    assert took < 5  # one after the other: 200 s


@pytest.mark.parametrize("field", ["Cache-Control: no-store", "Vary: *", "Set-Cookie: a=b", "Cache-Control: max-age=0"])
async def test_callers_of_what_cannot_be_shared_wait_for_no_more_than_their_own_call(world: World, at_origin: Mapped, field: str) -> None:
    path = slow(world, field)
    for expected in (100, 200):  # the second time the key is remembered, and nobody waits for the first
        bodies, statuses, took = await asked(at_origin, path, 100)
        assert len(set(bodies)) == 100, "an answer was given to two"
        assert len(calls(world, path)) == expected
        assert set(statuses) == {"gateway; fwd=uri-miss"}
        assert took < 4  # one after the other: 20 s


async def test_a_caller_who_leaves_hands_the_call_over(world: World, at_origin: Mapped) -> None:
    path = slow(world, "Cache-Control: max-age=3600")
    _, leaving = await asyncio.open_connection(*world.served.listeners["data"])
    leaving.write(octets(at_origin, path))
    assert await asyncio.to_thread(world.raw.wait, lambda: bool(calls(world, path)))
    others = asyncio.create_task(asked(at_origin, path, 20))
    await asyncio.sleep(SLOW_S / 4)
    leaving.close()
    bodies, _, took = await others

    assert len(set(bodies)) == 1
    assert len(calls(world, path)) <= 2
    assert took < 4
