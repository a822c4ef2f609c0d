"""Bodies of answers: delimited in every way, whole or known to be broken, no faster than they are read (RFC 9112 §6, §8)."""

from __future__ import annotations

import asyncio
import hashlib
import random

import pytest

from gateway.errors import UpstreamProtocolError, UpstreamUnreachable
from gateway.upstream.protocol import Origin, UpstreamClient
from tests.upstream.contract.conftest import Clients
from tests.upstream.contract.origins import Handler, Wire, always, get, once, serving, then_gone, whole

HEAD_REQUEST = b"HEAD /x HTTP/1.1\r\nHost: o\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def dribbling(octets: bytes) -> Handler:
    """Answer every request with ``octets``, one at a time."""

    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            for octet in octets:
                await wire.send(bytes([octet]))
                await asyncio.sleep(0)

    return handler


@pytest.mark.parametrize(
    ("octets", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
        (CHUNKED + b"5;ext=1\r\nhello\r\n0\r\n\r\n", b"hello"),
        (CHUNKED + b"5\r\nhello\r\n0\r\nTrailer: x\r\nX-A: 1\r\n\r\n", b"hello"),
        (CHUNKED + b"0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: x\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", b""),
        (b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b'HTTP/1.1 200 OK\r\nSet-Cookie: a=b; =; "\r\nContent-Length: 5\r\n\r\nhello', b"hello"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    ],
    ids="""length length-0 chunked extension trailers chunked-empty 204 304-length 304-chunked redirect error encoding cookie 100
    103-102""".split(),
)
@pytest.mark.parametrize("dribbled", [False, True])
async def test_a_delimited_body_is_whole_and_its_connection_is_kept(clients: Clients, octets: bytes, body: bytes, dribbled: bool) -> None:
    async with serving(dribbling(octets) if dribbled else always(octets)) as served, clients() as client:
        for _ in range(2):
            assert await whole(await get(client, served.origin)) == body
        assert len(served.wires) == served.open == 1


async def test_the_answer_to_head_has_no_body_whatever_its_length_says(clients: Clients) -> None:
    async with serving(always(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")) as served, clients() as client:
        for _ in range(2):
            response = await get(client, served.origin, head=HEAD_REQUEST, head_only=True)
            assert (response.body, response.headers.get("content-length")) == (b"", "12345")
        assert len(served.wires) == 1


async def test_a_get_after_a_head_has_its_body(clients: Clients) -> None:
    async def handler(wire: Wire) -> None:
        while True:
            head = await wire.head()
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"" if head.startswith(b"HEAD") else b"ok"))

    async with serving(handler) as served, clients() as client:
        await get(client, served.origin, head=HEAD_REQUEST, head_only=True)
        assert await whole(await get(client, served.origin)) == b"ok"
        assert len(served.wires) == 1


async def test_a_body_may_last_until_the_connection_closes(clients: Clients) -> None:
    async with serving(once(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as served, clients() as client:
        assert await whole(await get(client, served.origin)) == b"all of it"
        await served.settled()


async def read(client: UpstreamClient, origin: Origin, pause: float) -> bytes:
    """The body of an answer, looked at ``pause`` seconds after its head."""
    response = await get(client, origin)
    if pause:
        await asyncio.sleep(pause)
    return await whole(response)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf",
        CHUNKED,
        CHUNKED + b"4\r\nhalf\r\n",
        CHUNKED + b"4\r\nhalf\r\n0\r\n",
        CHUNKED + b"4\r\nhalf\r\n0\r\nX: y\r\n",
        CHUNKED + b"9\r\nhalf",
        CHUNKED + b"4\r\nhalf\r\n5",
    ],
    ids=["nothing", "length", "no chunk", "chunked", "last chunk only", "inside trailers", "inside a chunk", "inside a size"],
)
async def test_an_early_end_never_looks_complete(clients: Clients, octets: bytes, reset: bool, late: bool) -> None:
    """``late``: nobody reads before the end has come."""
    async with serving(once(octets, reset=reset)) as served, clients() as client:
        with pytest.raises(UpstreamUnreachable) as raised:
            await read(client, served.origin, 0.08 if late else 0.0)
        assert not isinstance(raised.value, clients.stale)
        assert not raised.value.never_left
        await served.settled()


@pytest.mark.parametrize("late", [False, True])
async def test_a_reset_is_no_end_of_a_body_that_lasts_until_the_end(clients: Clients, late: bool) -> None:
    async with serving(once(b"HTTP/1.1 200 OK\r\n\r\nhalf of it", reset=True)) as served, clients() as client:
        with pytest.raises(UpstreamUnreachable):
            await read(client, served.origin, 0.08 if late else 0.0)
        await served.settled()


@pytest.mark.parametrize("line", [b"not a size", b"-5", b"10000000000000005", b"", b"2\r\nhello"])
async def test_broken_chunks_are_no_body(clients: Clients, line: bytes) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(CHUNKED + b"4\r\nhalf\r\n")
        await asyncio.sleep(0.03)
        await wire.send(line, b"\r\n")
        await wire.gone()

    async with serving(handler) as served, clients() as client:
        with pytest.raises((UpstreamProtocolError, UpstreamUnreachable)):
            await whole(await get(client, served.origin))
        await served.settled()


async def test_a_body_that_nobody_reads_waits_at_its_upstream(clients: Clients) -> None:
    sent = 0

    async def handler(wire: Wire) -> None:
        nonlocal sent
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
        for _ in range(64):
            await wire.send(bytes(1 << 20))
            sent += 1 << 20

    async with serving(handler) as served, clients() as client:
        response = await get(client, served.origin)
        await asyncio.sleep(0.1)
        assert sent < 32 << 20  # it stands in socket buffers at most
        assert not isinstance(response.body, bytes)
        assert response.body.length == 64 << 20
        assert sum([len(chunk) async for chunk in response.body]) == 64 << 20
        await served.settled(0)


@pytest.mark.parametrize("framing", ["length", "chunked", "until close"])
async def test_a_large_body_comes_as_it_was_sent(clients: Clients, framing: str) -> None:
    pieces = [random.Random(number).randbytes(100_000 + number * 7) for number in range(80)]
    head = {
        "length": b"Content-Length: %d\r\n" % sum(map(len, pieces)),
        "chunked": b"Transfer-Encoding: chunked\r\n",
        "until close": b"",
    }

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\n", head[framing], b"\r\n")
        for piece in pieces:
            await wire.send(*((b"%x\r\n" % len(piece), piece, b"\r\n") if framing == "chunked" else (piece,)))
        if framing == "chunked":
            await wire.send(b"0\r\n\r\n")

    async with serving(handler) as served, clients() as client:
        response = await get(client, served.origin)
        assert not isinstance(response.body, bytes)
        digest = hashlib.sha256()
        async for chunk in response.body:
            digest.update(chunk)
            await asyncio.sleep(0)
    assert digest.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()


async def test_an_answer_that_is_not_read_on_frees_its_connection(clients: Clients) -> None:
    handler = then_gone(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")
    async with serving(handler) as served, clients(max_connections=1, connect_timeout=1.0) as client:
        for _ in range(2):
            response = await get(client, served.origin)
            assert not isinstance(response.body, bytes)
            await response.body.aclose()
            await response.body.aclose()  # harmless
            await served.settled()


async def test_to_leave_an_answer_that_has_come_whole_takes_nobody_elses_connection(clients: Clients) -> None:
    """Its end is here, unread, and its connection may be at work again."""

    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
            await asyncio.sleep(0.02)
            await wire.send(b"lf")

    async with serving(handler) as served, clients(max_connections=2) as client:
        first = await get(client, served.origin)
        await asyncio.sleep(0.04)
        second = await get(client, served.origin)
        assert not isinstance(first.body, bytes)
        await first.body.aclose()
        assert await whole(second) == b"half"
