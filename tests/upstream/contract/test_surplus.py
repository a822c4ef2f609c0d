"""What an upstream says that nobody asked for reaches nobody, and the connection on which it came is not used again (threats 8)."""

from __future__ import annotations

import asyncio

import pytest

from tests.upstream.contract.conftest import Clients
from tests.upstream.contract.origins import OK, Wire, get, serving, whole

EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
SURPLUS = {
    "garbage": b"!",
    "answer": EVIL,
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "blank lines": b"\r\n\r\n",
}


@pytest.mark.parametrize("name", [*SURPLUS])
@pytest.mark.parametrize("answer", [OK, CHUNKS], ids=["length", "chunked"])
@pytest.mark.parametrize("at_once", [True, False])
async def test_surplus_octets_spoil_the_connection_and_reach_nobody(clients: Clients, name: str, answer: bytes, at_once: bool) -> None:
    read, said = asyncio.Event(), asyncio.Event()

    async def handler(wire: Wire) -> None:
        await wire.head()
        if wire is not served.wires[0]:
            await wire.send(OK)
        elif at_once:
            await wire.send(answer, SURPLUS[name])
        else:
            await wire.send(answer)
            await read.wait()  # else both may come as one segment
            await wire.send(SURPLUS[name])
        said.set()
        await wire.reader.readuntil(b"\r\n\r\n")
        await wire.send(OK)
        await wire.gone()

    clients.differs("aiohttp", "what is no head in the same segment takes the answer down", where=at_once and name == "garbage")
    clients.differs("aiohttp", "blank lines, and half a head, are forgotten", where=name in ("blank lines", "half a head"))
    async with serving(handler) as served, clients(response_timeout=1.0) as client:
        assert await whole(await get(client, served.origin)) == b"ok"
        read.set()
        await said.wait()
        await asyncio.sleep(0.03)  # it is here
        assert await whole(await get(client, served.origin)) == b"ok"
        assert len(served.wires) == 2


@pytest.mark.parametrize("surplus", [EVIL, b"!", b"\r\n\r\n"], ids=["answer", "garbage", "blank lines"])
async def test_whatever_comes_behind_an_answer_nobody_gets_it(clients: Clients, surplus: bytes) -> None:
    """Also where the client keeps the connection: each of the next calls gets what is its own, or an error."""
    number, read, said = 0, asyncio.Event(), asyncio.Event()

    async def handler(wire: Wire) -> None:
        nonlocal number
        while True:
            await wire.head()
            number += 1
            text = b"%d" % number
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text), text)
            await read.wait()  # else both may come as one segment
            await wire.send(surplus)
            said.set()

    async with serving(handler) as served, clients(response_timeout=1.0) as client:
        for expected in range(1, 8):
            read.clear()
            said.clear()
            assert await whole(await get(client, served.origin)) == b"%d" % expected
            read.set()
            await said.wait()
            await asyncio.sleep(0.02)  # it is here


async def test_a_body_behind_the_answer_to_head_reaches_nobody(clients: Clients) -> None:
    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with serving(handler) as served, clients() as client:
        for _ in range(2):
            response = await get(client, served.origin, head=b"HEAD /x HTTP/1.1\r\nHost: o\r\n\r\n", head_only=True)
            assert response.headers.get("content-length") == "38"
            await asyncio.sleep(0.02)
        assert len(served.wires) == 2


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_a_body_behind_an_answer_that_has_none_reaches_nobody(clients: Clients, status: bytes) -> None:
    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            await wire.send(b"HTTP/1.1 ", status, b"\r\n\r\n", EVIL)

    async with serving(handler) as served, clients() as client:
        for _ in range(2):
            assert await whole(await get(client, served.origin)) == b""
            await asyncio.sleep(0.02)
        assert len(served.wires) == 2
