"""Each stretch of a call has its time: the connection, the head of the answer, each pause of its body."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from gateway.errors import UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.protocol import Origin, Timeouts
from tests.upstream.contract.conftest import Clients
from tests.upstream.contract.origins import HEAD, OK, SOON, Upload, Wire, get, mute, serving, then_gone, whole


async def test_a_connection_that_does_not_come_about_times_out(clients: Clients) -> None:
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # nobody accepts: one or two fit, then connects hang
        port = full.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        async with clients(connect_timeout=SOON) as client:
            with pytest.raises(UpstreamTimeout) as raised:
                await get(client, Origin.of(f"http://127.0.0.1:{port}"))
    assert raised.value.never_left


async def test_nobody_listening_is_unreachable(clients: Clients) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        origin = Origin.of(f"http://127.0.0.1:{reserved.getsockname()[1]}")
        async with clients() as client:
            with pytest.raises(UpstreamUnreachable) as raised:
                await get(client, origin)
    assert raised.value.never_left
    assert "127.0.0.1" not in raised.value.detail  # an upstream's address is nobody's business


async def test_no_answer_in_time(clients: Clients) -> None:
    async with serving(mute) as served, clients(response_timeout=SOON) as client:
        with pytest.raises(UpstreamTimeout) as raised:
            await get(client, served.origin)
        assert not raised.value.never_left
        await served.settled()


async def test_a_call_may_have_times_of_its_own(clients: Clients) -> None:
    async with serving(mute) as served, clients(response_timeout=60.0, keep_alive=0.8) as client:
        with pytest.raises(UpstreamTimeout):
            await client.send(served.origin, HEAD, b"", head_only=False, timeouts=Timeouts(5.0, SOON, 5.0))


@pytest.mark.parametrize("octets", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 102 Processing\r\n\r\n"], ids=["half a head", "interim"])
async def test_what_is_no_final_head_does_not_prolong_the_wait(clients: Clients, octets: bytes) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        with contextlib.suppress(OSError):
            await wire.send(octets)
            while True:
                await wire.send(b"X: y\r\n" if not octets.endswith(b"\r\n\r\n") else octets)
                await asyncio.sleep(0.02)

    async with serving(handler) as served, clients(response_timeout=SOON) as client:
        with pytest.raises(UpstreamTimeout):
            await get(client, served.origin)


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhalf",
    ],
    ids=["length", "chunked", "until close"],
)
async def test_a_body_that_pauses_for_too_long(clients: Clients, octets: bytes) -> None:
    async with serving(then_gone(octets)) as served, clients(body_timeout=SOON) as client:
        response = await get(client, served.origin)
        with pytest.raises(UpstreamTimeout):
            await whole(response)
        await served.settled()


async def test_a_body_that_comes_slowly_but_steadily_is_no_fault(clients: Clients) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.05)
            await wire.send(b".")
        await wire.gone()

    async with serving(handler) as served, clients(body_timeout=0.25, response_timeout=0.25) as client:
        assert await whole(await get(client, served.origin)) == b"........"


async def test_a_kept_connection_may_idle_longer_than_a_body_may_pause(clients: Clients) -> None:
    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            await asyncio.sleep(0.02)
            await wire.send(b"ok")

    async with serving(handler) as served, clients(body_timeout=0.1, response_timeout=0.1) as client:
        assert await whole(await get(client, served.origin)) == b"ok"
        await asyncio.sleep(0.25)
        assert await whole(await get(client, served.origin)) == b"ok"
        assert len(served.wires) == 1


async def test_the_answer_to_a_reused_connection_may_pause_as_long_as_to_a_new_one(clients: Clients) -> None:
    pauses = iter([0.0, 0.2])

    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            await asyncio.sleep(next(pauses))
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            await asyncio.sleep(0.01)
            await wire.send(b"ok")

    async with serving(handler) as served, clients(body_timeout=0.1, response_timeout=2) as client:
        assert await whole(await get(client, served.origin)) == b"ok"
        assert await whole(await get(client, served.origin)) == b"ok"  # 0.2 s to its head: the body's time-out has no say
        assert len(served.wires) == 1


async def test_an_upstream_that_reads_no_upload_times_out(clients: Clients) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await asyncio.sleep(60)

    upload = Upload(*[bytes(1 << 20)] * 64)
    async with serving(handler) as served, clients(response_timeout=SOON) as client:
        with pytest.raises(UpstreamTimeout):
            await client.send(served.origin, HEAD, upload, head_only=False)
        assert upload.given < 32 << 20  # the rest stayed where it was
        await asyncio.wait_for(upload.ended.wait(), 2)


async def test_a_caller_that_takes_its_time_with_its_body_costs_the_upstream_none(clients: Clients) -> None:
    class Slow(Upload):
        async def __aiter__(self):
            for _ in range(6):
                await asyncio.sleep(0.05)
                yield b"some"

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.reader.readuntil(b"0\r\n\r\n")
        await wire.send(OK)
        await wire.gone()

    async with serving(handler) as served, clients(response_timeout=SOON) as client:
        assert (await client.send(served.origin, HEAD, Slow(), head_only=False)).status == 200
