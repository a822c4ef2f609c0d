"""Request bodies: framed as the head says, no faster than they are read, given up when nobody wants them any more."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator

import pytest

from gateway.errors import BadRequest, Internal, UpstreamUnreachable
from tests.upstream.contract.conftest import Clients
from tests.upstream.contract.origins import HEAD, OK, Upload, Wire, get, mute, serving, then_gone, whole


@pytest.mark.parametrize(
    ("upload", "octets"),
    [
        ((b"one", b"two"), b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
        ((), b"0\r\n\r\n"),
        ((b"one", b"", b"two"), b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
        ((b"a" * 300,), b"12c\r\n" + b"a" * 300 + b"\r\n0\r\n\r\n"),
    ],
    ids=["two pieces", "nothing", "an empty piece is not the end", "hexadecimal"],
)
async def test_a_body_of_unknown_length_goes_up_in_chunks(clients: Clients, upload: tuple[bytes, ...], octets: bytes) -> None:
    got = bytearray()

    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            got.extend(await wire.reader.readexactly(len(octets)))
            await wire.send(OK)

    async with serving(handler) as served, clients(response_timeout=1.0) as client:
        for _ in range(2):
            response = await client.send(served.origin, HEAD, Upload(*upload), head_only=False)
            assert await whole(response) == b"ok"
            await asyncio.sleep(0.01)
        assert bytes(got) == octets * 2
        assert len(served.wires) == 1


async def test_a_body_of_known_length_goes_up_as_it_is(clients: Clients) -> None:
    got = bytearray()

    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            got.extend(await wire.reader.readexactly(6))
            await wire.send(OK)

    async with serving(handler) as served, clients() as client:
        await client.send(served.origin, HEAD, Upload(b"one", b"two", length=6), head_only=False)
        await asyncio.sleep(0.01)
        await client.send(served.origin, HEAD, b"onetwo", head_only=False)
        assert bytes(got) == b"onetwoonetwo"
        assert len(served.wires) == 1


@pytest.mark.parametrize("known", [False, True])
async def test_a_large_body_goes_as_it_came(clients: Clients, known: bool) -> None:
    pieces = [random.Random(number).randbytes(100_000 + number * 7) for number in range(80)]
    total = sum(map(len, pieces))
    arrived = hashlib.sha256()

    async def handler(wire: Wire) -> None:
        await wire.head()
        left = total
        while left:
            size = left if known else int((await wire.reader.readline()), 16)
            while size:
                data = await wire.reader.read(min(size, 65536))
                arrived.update(data)
                size -= len(data)
                left -= len(data)
            if not known:
                assert await wire.reader.readline() == b"\r\n"
        await wire.send(OK)
        await wire.gone()

    async with serving(handler) as served, clients() as client:
        upload = Upload(*pieces, length=total if known else None)
        assert (await client.send(served.origin, HEAD, upload, head_only=False)).status == 200
    assert arrived.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()


async def test_a_body_goes_no_faster_than_it_is_read(clients: Clients) -> None:
    go = asyncio.Event()

    async def handler(wire: Wire) -> None:
        await wire.head()
        await go.wait()
        left = 64 << 20
        while left:
            left -= len(await wire.reader.read(1 << 20))
        await wire.send(OK)
        await wire.gone()

    upload = Upload(*[bytes(1 << 20)] * 64, length=64 << 20)
    async with serving(handler) as served, clients() as client:
        call = asyncio.create_task(client.send(served.origin, HEAD, upload, head_only=False))
        await asyncio.sleep(0.1)
        assert upload.given < 32 << 20  # the rest is still with the caller
        go.set()
        assert (await call).status == 200


@pytest.mark.parametrize("framing", [b"Content-Length: 4\r\n\r\nhalt", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalt\r\n0\r\n\r\n"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_early_answer_comes_through_and_ends_the_upload(clients: Clients, framing: bytes, streamed: bool) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        octets = b"HTTP/1.1 413 Too Much\r\n" + framing
        if streamed:
            await wire.send(octets[:-3])
            await asyncio.sleep(0.05)
            await wire.send(octets[-3:])
        else:
            await wire.send(octets)
        await wire.gone()

    upload = Upload(b"some", endless=True)
    async with serving(handler) as served, clients() as client:
        response = await client.send(served.origin, HEAD, upload, head_only=False)
        assert (response.status, await whole(response)) == (413, b"halt")
        await asyncio.wait_for(upload.ended.wait(), 2)
        await served.settled()  # half a request is on that connection


async def test_an_answer_before_the_upload_began_leaves_no_half_request_on_a_kept_connection(clients: Clients) -> None:
    """The origin answers the head alone, at once: what follows on that connection would be taken for a body."""

    async def handler(wire: Wire) -> None:
        while (await wire.head()).startswith(b"GET"):
            await wire.send(OK)
        await wire.send(OK)
        await wire.gone()

    async with serving(handler) as served, clients() as client:
        for _ in range(5):
            upload = Upload(b"some", endless=True, length=99)
            head = b"POST /x HTTP/1.1\r\nHost: o\r\nContent-Length: 99\r\n\r\n"
            assert await whole(await client.send(served.origin, head, upload, head_only=False)) == b"ok"
            assert await whole(await get(client, served.origin)) == b"ok"


@pytest.mark.parametrize("error", [BadRequest("the body ended early"), ValueError("a secret")])
async def test_a_failing_upload_fails_the_call(clients: Clients, error: Exception) -> None:
    upload = Upload(b"some", error=error)
    async with serving(mute) as served, clients() as client:
        with pytest.raises(BadRequest if isinstance(error, BadRequest) else Internal) as raised:
            await client.send(served.origin, HEAD, upload, head_only=False)
        assert "secret" not in str(raised.value)
        await served.settled()


async def test_an_upload_that_fails_after_the_answer_began_breaks_the_answer_off(clients: Clients) -> None:
    go = asyncio.Event()

    class Late(Upload):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"some"
            await go.wait()
            raise BadRequest("the body ended early")

    async with serving(then_gone(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")) as served, clients() as client:
        response = await client.send(served.origin, HEAD, Late(), head_only=False)
        go.set()
        with pytest.raises(BadRequest):
            await whole(response)
        await served.settled()


async def test_an_upload_that_its_upstream_resets_is_unreachable(clients: Clients) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.reader.read(1000)
        wire.reset()

    async with serving(handler) as served, clients() as client:
        with pytest.raises(UpstreamUnreachable):
            await client.send(served.origin, HEAD, Upload(*[bytes(1 << 16)] * 200), head_only=False)
        await served.settled()
