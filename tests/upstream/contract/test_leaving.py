"""Who leaves takes his connection along and nobody else's place, at whatever step he leaves."""

from __future__ import annotations

import asyncio

import pytest

from tests.upstream.contract.conftest import Clients
from tests.upstream.contract.origins import HEAD, OK, Upload, Wire, get, mute, serving, then_gone, whole


async def test_calls_cancelled_at_any_step_leave_every_place_free(clients: Clients) -> None:
    silent = True

    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            if silent:
                await wire.gone()
            await wire.send(OK)

    async with serving(handler) as served, clients(max_connections=2, connect_timeout=2.0) as client:
        for steps in [*range(25)] * 8:
            call = asyncio.create_task(get(client, served.origin))
            for _ in range(steps):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await served.settled()
        silent = False
        async with asyncio.timeout(3):
            answers = await asyncio.gather(*(get(client, served.origin) for _ in range(6)))
        assert [answer.status for answer in answers] == [200] * 6


async def test_a_call_cancelled_before_it_left_says_so(clients: Clients) -> None:
    async with serving(mute) as served, clients(max_connections=1) as client:
        holder = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.03)
        waiting = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.01)
        for call, left in ((waiting, False), (holder, True)):
            call.cancel()
            with pytest.raises(asyncio.CancelledError) as raised:
                await call
            assert getattr(raised.value, "never_left", False) is not left


async def test_a_call_cancelled_while_waiting_closes_its_connection(clients: Clients) -> None:
    async with serving(mute) as served, clients() as client:
        call = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(served.wires[0].left.wait(), 2)


async def test_a_reader_cancelled_in_mid_body_closes_its_connection(clients: Clients) -> None:
    async with serving(then_gone(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")) as served, clients() as client:
        reading = asyncio.create_task(whole(await get(client, served.origin)))
        await asyncio.sleep(0.02)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await asyncio.wait_for(served.wires[0].left.wait(), 2)


async def test_a_cancelled_upload_stops(clients: Clients) -> None:
    upload = Upload(b"some", endless=True)
    async with serving(mute) as served, clients() as client:
        call = asyncio.create_task(client.send(served.origin, HEAD, upload, head_only=False))
        await upload.begun.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.wait_for(upload.ended.wait(), 2)
        await served.settled()


async def test_closing_the_client_does_not_wait_for_an_upstream_that_reads_nothing(clients: Clients) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await asyncio.sleep(60)

    async with serving(handler) as served, asyncio.timeout(3):
        async with clients() as client:
            call = asyncio.create_task(client.send(served.origin, HEAD, bytes(64 << 20), head_only=False))
            await asyncio.sleep(0.05)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
