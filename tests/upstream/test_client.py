"""The HTTP client against real origins on loopback: pooling, time-outs, framing, cancellation, TLS.

Whatever happens to a call, the pool's books must balance: ``open`` counts living connections, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.errors import BadRequest, GatewayError, Overloaded, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Response
from gateway.upstream.client import Client, StaleConnection
from gateway.upstream.connection import Connection
from gateway.upstream.pool import ClientSettings, Origin, Timeouts

HEAD = b"GET /x HTTP/1.1\r\nHost: origin\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SOON = 0.15  # seconds: for time-outs that must strike

Handler = Callable[["Wire"], Awaitable[None]]


class Wire:
    """The origin's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.left = asyncio.Event()  # the client has left, or the handler has ended

    async def head(self) -> bytes:
        """The next request head; raises ``IncompleteReadError`` where the client left."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def send(self, *octets: bytes) -> None:
        self.writer.write(b"".join(octets))
        await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the client has left."""
        with contextlib.suppress(OSError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """Close with a RST."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Served:
    """A listening origin: where, and every connection that it took."""

    origin: Origin
    wires: list[Wire] = field(default_factory=list)


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Served]:
    """Serve each connection with ``handler``; the connection is closed after it."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        wire = Wire(reader, writer)
        served.wires.append(wire)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(wire)
        wire.left.set()
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    served = Served(Origin.of(f"{'https' if tls else 'http'}://{host}:{port}/base"))
    try:
        yield served
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for transport in (wire.writer.transport for wire in served.wires):
            if not transport.is_closing() or transport.get_write_buffer_size():
                transport.abort()
        await asyncio.sleep(0)


def always(*octets: bytes) -> Handler:
    """Answer every request of a connection with ``octets``."""

    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            await wire.send(*octets)

    return handler


def once(*octets: bytes) -> Handler:
    """Answer one request and close."""

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(*octets)

    return handler


async def mute(wire: Wire) -> None:
    await wire.gone()


def settings(
    *,
    connect_timeout: float = 5.0,
    response_timeout: float = 5.0,
    body_timeout: float = 5.0,
    keep_alive: float = 20.0,
    max_connections: int = 512,
    ca_file: str | None = None,
) -> ClientSettings:
    return ClientSettings(Timeouts(connect_timeout, response_timeout, body_timeout), keep_alive, max_connections, ca_file)


async def get(client: Client, origin: Origin, *, head: bytes = HEAD, head_only: bool = False, fresh: bool = False) -> Response:
    return await client.send(origin, head, b"", head_only=head_only, fresh=fresh)


async def whole(response: Response) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    async with asyncio.timeout(4):  # a body that never ends is a failure, not a wait
        return b"".join([chunk async for chunk in response.body])


def opened(client: Client, origin: Origin) -> int:
    return client._pools[origin].open


async def settled(client: Client, origin: Origin, count: int = 0) -> None:
    """Wait until the pool counts ``count`` living connections."""
    for _ in range(200):
        if opened(client, origin) == count:
            break
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.01)  # and that it stays so
    assert opened(client, origin) == count


class Upload:
    """A request body in pieces, each given when ``go`` is set; then ``error``, or the end."""

    def __init__(self, *pieces: bytes, length: int | None = None, error: Exception | None = None, endless: bool = False) -> None:
        self.pieces = pieces
        self.length = length
        self.error = error
        self.endless = endless
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun.set()
        try:
            for piece in self.pieces:
                yield piece
            if self.endless:
                await asyncio.sleep(60)
            if self.error:
                raise self.error
        finally:
            self.ended.set()

    async def aclose(self) -> None:
        """Nothing is held."""


# --- pooling


async def test_a_connection_is_used_again() -> None:
    async with serving(always(OK)) as served, Client(settings()) as client:
        for _ in range(5):
            assert await whole(await get(client, served.origin)) == b"ok"

        assert len(served.wires) == opened(client, served.origin) == 1


async def test_calls_at_once_have_a_connection_each() -> None:
    async with serving(always(OK)) as served, Client(settings()) as client:
        answers = await asyncio.gather(*(get(client, served.origin) for _ in range(8)))

        assert [answer.status for answer in answers] == [200] * 8
        assert len(served.wires) == opened(client, served.origin) == 8


async def test_fresh_takes_no_kept_connection() -> None:
    async with serving(always(OK)) as served, Client(settings()) as client:
        await get(client, served.origin)
        await get(client, served.origin, fresh=True)

        assert len(served.wires) == 2


async def test_fresh_does_not_queue_behind_connections_that_are_only_kept() -> None:
    async with serving(always(OK)) as served, Client(settings(max_connections=1, connect_timeout=1.0)) as client:
        await get(client, served.origin)

        assert (await get(client, served.origin, fresh=True)).status == 200  # the kept one makes room
        assert opened(client, served.origin) == 1


async def test_without_keep_alive_no_connection_is_kept() -> None:
    async with serving(always(OK)) as served, Client(settings(keep_alive=0.0)) as client:
        await get(client, served.origin)
        await get(client, served.origin)

        assert len(served.wires) == 2
        await settled(client, served.origin)


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["connection: close", "HTTP/1.0"],
)
async def test_a_connection_that_its_upstream_will_close_is_not_kept(octets: bytes) -> None:
    async with serving(always(octets)) as served, Client(settings()) as client:
        assert await whole(await get(client, served.origin)) == b"ok"
        assert await whole(await get(client, served.origin)) == b"ok"

        assert len(served.wires) == 2


async def test_origins_do_not_share_connections() -> None:
    async with serving(always(OK)) as one, serving(always(OK)) as other, Client(settings()) as client:
        await get(client, one.origin)
        await get(client, other.origin)

        assert (len(one.wires), len(other.wires)) == (1, 1)


async def test_a_kept_connection_that_the_upstream_closed_is_not_used() -> None:
    async with serving(once(OK)) as served, Client(settings()) as client:
        await get(client, served.origin)
        await settled(client, served.origin)  # the FIN is here

        assert (await get(client, served.origin)).status == 200
        assert len(served.wires) == 2


async def test_a_kept_connection_that_dies_on_the_next_request_is_stale() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(OK)
        await wire.head()  # and no answer to this one

    async with serving(handler) as served, Client(settings()) as client:
        await get(client, served.origin)
        with pytest.raises(StaleConnection):
            await get(client, served.origin)

        await settled(client, served.origin)


async def test_a_kept_connection_that_is_reset_on_the_next_request_is_stale() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(OK)
        await wire.head()
        wire.reset()

    async with serving(handler) as served, Client(settings()) as client:
        await get(client, served.origin)
        with pytest.raises(StaleConnection):
            await get(client, served.origin)


@pytest.mark.parametrize("reset", [False, True])
async def test_a_new_connection_that_ends_without_an_answer_is_not_stale(reset: bool) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        if reset:
            wire.reset()

    async with serving(handler) as served, Client(settings()) as client:
        with pytest.raises(UpstreamUnreachable) as raised:
            await get(client, served.origin)

        assert not isinstance(raised.value, StaleConnection)
        await settled(client, served.origin)


async def test_a_kept_connection_that_ends_inside_a_head_is_not_stale() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(OK)
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-")

    async with serving(handler) as served, Client(settings()) as client:
        await get(client, served.origin)
        with pytest.raises(GatewayError) as raised:
            await get(client, served.origin)

        assert not isinstance(raised.value, StaleConnection)


async def test_idle_connections_are_swept() -> None:
    async with serving(always(OK)) as served, Client(settings(keep_alive=0.1)) as client:
        await asyncio.gather(get(client, served.origin), get(client, served.origin))
        assert opened(client, served.origin) == 2

        await settled(client, served.origin)
        await asyncio.wait_for(served.wires[0].left.wait(), 5)
        assert (await get(client, served.origin)).status == 200
        await settled(client, served.origin)  # the sweep begins anew


async def test_a_connection_in_use_is_not_swept() -> None:
    async def slow(wire: Wire) -> None:
        while True:
            await wire.head()
            await asyncio.sleep(0.3)
            await wire.send(OK)

    async with serving(slow) as served, Client(settings(keep_alive=0.05)) as client:
        assert (await get(client, served.origin)).status == 200


async def test_closing_the_client_closes_what_is_kept_and_what_comes_back_later() -> None:
    go = asyncio.Event()

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await go.wait()
        await wire.send(b"ok")
        await wire.gone()

    async with serving(handler) as served:
        async with Client(settings()) as client:
            response = await get(client, served.origin)
        go.set()
        assert await whole(response) == b"ok"
        await settled(client, served.origin)


# --- max_connections


async def test_beyond_max_connections_calls_queue() -> None:
    async with serving(always(OK)) as served, Client(settings(max_connections=2)) as client:
        answers = await asyncio.gather(*(get(client, served.origin) for _ in range(20)))

        assert [answer.status for answer in answers] == [200] * 20
        assert len(served.wires) == 2


async def test_a_place_in_the_queue_times_out_as_overloaded() -> None:
    async with serving(mute) as served, Client(settings(max_connections=1, connect_timeout=SOON)) as client:
        holder = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.02)
        with pytest.raises(Overloaded) as raised:
            await get(client, served.origin)

        assert raised.value.retry_after
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)
        await settled(client, served.origin)


async def test_a_lost_connection_lets_the_next_in_the_queue_go() -> None:
    first = asyncio.Event()

    async def handler(wire: Wire) -> None:
        await wire.head()
        if not first.is_set():
            first.set()
            await wire.gone()
        await wire.send(OK)

    async with serving(handler) as served, Client(settings(max_connections=1)) as client:
        holder = asyncio.create_task(get(client, served.origin))
        await first.wait()
        waiting = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.02)
        holder.cancel()

        assert (await asyncio.wait_for(waiting, 2)).status == 200


async def held(client: Client, served: Served, release: asyncio.Event) -> asyncio.Task[bytes]:
    """A call that holds its connection until ``release``."""

    async def hold() -> bytes:
        return await whole(await get(client, served.origin))

    task = asyncio.create_task(hold())
    await asyncio.sleep(0.05)
    return task


async def test_who_leaves_the_queue_just_when_its_turn_comes_does_not_take_the_turn_along() -> None:
    release = asyncio.Event()

    async def handler(wire: Wire) -> None:
        await wire.head()
        await release.wait()
        while True:
            await wire.send(OK)
            await wire.head()

    async with serving(handler) as served, Client(settings(max_connections=1, connect_timeout=1.0)) as client:
        holder = await held(client, served, release)
        leaver = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.01)
        patient = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.01)
        holder.add_done_callback(lambda _: None)
        release.set()
        while client._pools[served.origin].waiting and not client._pools[served.origin].waiting[0].done():
            if len(client._pools[served.origin].waiting) < 2:
                break
            await asyncio.sleep(0)
        leaver.cancel()

        assert (await asyncio.wait_for(patient, 3)).status == 200
        await holder


async def test_who_leaves_the_queue_in_time_is_passed_over() -> None:
    release = asyncio.Event()

    async def handler(wire: Wire) -> None:
        await wire.head()
        await release.wait()
        while True:
            await wire.send(OK)
            await wire.head()

    async with serving(handler) as served, Client(settings(max_connections=1)) as client:
        holder = await held(client, served, release)
        leaver = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.01)
        patient = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.01)
        leaver.cancel()
        await asyncio.sleep(0.01)
        release.set()

        assert (await asyncio.wait_for(patient, 2)).status == 200
        await holder


# --- time-outs


async def test_a_connection_that_does_not_come_about_times_out() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # nobody accepts: one or two fit, then connects hang
        port = full.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        try:
            origin = Origin.of(f"http://127.0.0.1:{port}")
            async with Client(settings(connect_timeout=SOON)) as client:
                with pytest.raises(UpstreamTimeout):
                    await get(client, origin)
                assert opened(client, origin) == 0
        finally:
            for filler in fillers:
                filler.close()


async def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        origin = Origin.of(f"http://127.0.0.1:{reserved.getsockname()[1]}")
        async with Client(settings()) as client:
            with pytest.raises(UpstreamUnreachable):
                await get(client, origin)
            assert opened(client, origin) == 0


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test"])
async def test_a_host_that_cannot_be_a_name_is_unreachable(host: str) -> None:
    origin = Origin.of(f"http://{host}:9/")
    async with Client(settings()) as client:
        with pytest.raises(UpstreamUnreachable):
            await get(client, origin)
        assert opened(client, origin) == 0


async def test_no_answer_in_time() -> None:
    async with serving(mute) as served, Client(settings(response_timeout=SOON)) as client:
        with pytest.raises(UpstreamTimeout):
            await get(client, served.origin)
        await settled(client, served.origin)


async def test_half_a_head_is_no_answer_in_time() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        with contextlib.suppress(OSError):
            await wire.send(b"HTTP/1.1 200 OK\r\n")
            while True:
                await wire.send(b"X: y\r\n")
                await asyncio.sleep(0.02)

    async with serving(handler) as served, Client(settings(response_timeout=SOON)) as client:
        with pytest.raises(UpstreamTimeout):
            await get(client, served.origin)


async def test_interim_answers_do_not_prolong_the_wait() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        while True:
            await wire.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            await asyncio.sleep(0.03)

    async with serving(handler) as served, Client(settings(response_timeout=SOON)) as client:
        with pytest.raises(UpstreamTimeout):
            await get(client, served.origin)


async def test_a_body_that_pauses_for_too_long() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await wire.gone()

    async with serving(handler) as served, Client(settings(body_timeout=SOON)) as client:
        response = await get(client, served.origin)
        with pytest.raises(UpstreamTimeout):
            await whole(response)
        await settled(client, served.origin)


async def test_a_body_that_comes_slowly_but_steadily_is_no_fault() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.05)
            await wire.send(b".")
        await wire.gone()

    async with serving(handler) as served, Client(settings(body_timeout=0.25, response_timeout=0.25)) as client:
        assert await whole(await get(client, served.origin)) == b"........"


async def test_a_kept_connection_may_idle_longer_than_a_body_may_pause() -> None:
    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            await asyncio.sleep(0.02)
            await wire.send(b"ok")

    async with serving(handler) as served, Client(settings(body_timeout=0.1, response_timeout=0.1)) as client:
        assert await whole(await get(client, served.origin)) == b"ok"
        await asyncio.sleep(0.25)

        assert await whole(await get(client, served.origin)) == b"ok"
        assert len(served.wires) == 1


async def test_the_answer_to_a_reused_connection_may_pause_as_long_as_to_a_new_one() -> None:
    pauses = iter([0.0, 0.2])

    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            await asyncio.sleep(next(pauses))
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            await asyncio.sleep(0.01)
            await wire.send(b"ok")

    async with serving(handler) as served, Client(settings(body_timeout=0.1, response_timeout=2)) as client:
        assert await whole(await get(client, served.origin)) == b"ok"
        assert await whole(await get(client, served.origin)) == b"ok"  # 0.2 s to its head: the body's time-out has no say


async def test_an_upstream_that_reads_no_upload_times_out() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await asyncio.sleep(60)

    pieces = [bytes(1 << 20)] * 64
    async with serving(handler) as served, Client(settings(response_timeout=SOON)) as client:
        with pytest.raises(UpstreamTimeout):
            await client.send(served.origin, HEAD, Upload(*pieces), head_only=False)
        await settled(client, served.origin)


# --- bodies and their ends


@pytest.mark.parametrize(
    ("octets", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n", b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: x\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    ],
    ids=["length", "length 0", "chunked", "chunk extension and trailer", "chunked empty", "204", "304 with length", "100", "103 and 102"],
)
@pytest.mark.parametrize("dribbled", [False, True])
async def test_a_delimited_body_is_whole_and_its_connection_is_kept(octets: bytes, body: bytes, dribbled: bool) -> None:
    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            if not dribbled:
                await wire.send(octets)
            else:
                for octet in octets:
                    await wire.send(bytes([octet]))
                    await asyncio.sleep(0)

    async with serving(handler) as served, Client(settings()) as client:
        for _ in range(2):
            assert await whole(await get(client, served.origin)) == body

        assert len(served.wires) == opened(client, served.origin) == 1


async def test_the_answer_to_head_has_no_body_whatever_its_length_says() -> None:
    async with serving(always(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")) as served, Client(settings()) as client:
        for _ in range(2):
            response = await get(client, served.origin, head=b"HEAD /x HTTP/1.1\r\nHost: o\r\n\r\n", head_only=True)
            assert (response.body, response.headers.get("content-length")) == (b"", "12345")

        assert len(served.wires) == 1


async def test_a_get_after_a_head_has_its_body() -> None:
    async def handler(wire: Wire) -> None:
        while True:
            head = await wire.head()
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"" if head.startswith(b"HEAD") else b"ok"))

    async with serving(handler) as served, Client(settings()) as client:
        await get(client, served.origin, head=b"HEAD /x HTTP/1.1\r\nHost: o\r\n\r\n", head_only=True)
        assert await whole(await get(client, served.origin)) == b"ok"
        assert len(served.wires) == 1


async def test_octets_of_fields_and_reason_come_as_they_are() -> None:
    octets = b"HTTP/1.1 299 Gr\xfc\xdfe \xe2\x82\xac\r\nX-B: \xe9\x80\r\nx-a: 1\r\nX-A: 2\r\nContent-Length: 0\r\n\r\n"
    async with serving(always(octets)) as served, Client(settings()) as client:
        response = await get(client, served.origin)

        assert response.reason.encode("latin-1") == b"Gr\xfc\xdfe \xe2\x82\xac"
        assert response.headers.pairs == (("X-B", "\xe9\x80"), ("x-a", "1"), ("X-A", "2"), ("Content-Length", "0"))


async def test_a_large_body_streams_whole_and_with_back_pressure() -> None:
    sent = 0

    async def handler(wire: Wire) -> None:
        nonlocal sent
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
        for _ in range(64):
            await wire.send(bytes(1 << 20))
            sent += 1 << 20

    async with serving(handler) as served, Client(settings()) as client:
        response = await get(client, served.origin)
        await asyncio.sleep(0.1)
        assert sent < 32 << 20  # nobody reads: it stands in socket buffers at most

        assert not isinstance(response.body, bytes)
        assert response.body.length == 64 << 20
        assert sum([len(chunk) async for chunk in response.body]) == 64 << 20


async def test_a_body_may_last_until_the_connection_closes() -> None:
    async with serving(once(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as served, Client(settings()) as client:
        response = await get(client, served.origin)

        assert await whole(response) == b"all of it"
        await settled(client, served.origin)


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\n\r\nhalf of it",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf of it",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
    ids=["until close", "length", "chunked"],
)
async def test_a_reset_in_mid_body_is_no_end(octets: bytes) -> None:
    go = asyncio.Event()

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(octets)
        await go.wait()
        wire.reset()

    async with serving(handler) as served, Client(settings()) as client:
        response = await get(client, served.origin)
        go.set()
        with pytest.raises(UpstreamUnreachable):
            await whole(response)
        await settled(client, served.origin)


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    ],
    ids=["length", "chunked", "last chunk only", "inside a chunk"],
)
async def test_a_close_in_mid_body_is_no_end(octets: bytes) -> None:
    async with serving(once(octets)) as served, Client(settings()) as client:
        with pytest.raises(GatewayError) as raised:
            await whole(await get(client, served.origin))

        assert raised.value.source == "upstream"
        await settled(client, served.origin)


async def test_broken_chunks_are_a_protocol_error_or_break_off() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await asyncio.sleep(0.05)
        await wire.send(b"not a size\r\n")
        await wire.gone()

    async with serving(handler) as served, Client(settings()) as client:
        with pytest.raises((UpstreamProtocolError, UpstreamUnreachable)):
            await whole(await get(client, served.origin))
        await settled(client, served.origin)


@pytest.mark.parametrize(
    "octets",
    [
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 200,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 400 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
    ids=[
        "ssh",
        "version 2",
        "101",
        "two lengths",
        "+2",
        "both framings",
        "gzip, chunked",
        "NUL",
        "blank in name",
        "200 interims",
        "fields",
        "long",
    ],
)
async def test_what_is_not_proper_http_is_refused(octets: bytes) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(octets)
        await wire.gone()

    async with serving(handler) as served, Client(settings()) as client:
        with pytest.raises(UpstreamProtocolError):
            await get(client, served.origin)
        await settled(client, served.origin)


# --- surplus


@pytest.mark.parametrize(
    "surplus", [b"!", OK, b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n\r\n"], ids=["garbage", "answer", "interim", "blank lines"]
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_surplus_octets_spoil_the_connection_and_reach_nobody(surplus: bytes, at_once: bool) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        if at_once:
            await wire.send(OK, surplus)
        else:
            await wire.send(OK)
            await asyncio.sleep(0.03)
            await wire.send(surplus)
        await wire.gone()

    async with serving(handler) as served, Client(settings(response_timeout=1.0)) as client:
        assert await whole(await get(client, served.origin)) == b"ok"
        await asyncio.sleep(0.08)
        assert await whole(await get(client, served.origin)) == b"ok"

        assert len(served.wires) == 2


async def test_a_body_behind_the_answer_to_head_reaches_nobody() -> None:
    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with serving(handler) as served, Client(settings()) as client:
        for _ in range(2):
            response = await get(client, served.origin, head=b"HEAD /x HTTP/1.1\r\nHost: o\r\n\r\n", head_only=True)
            assert response.headers.get("content-length") == "38"
            await asyncio.sleep(0.02)

        assert len(served.wires) == 2


# --- uploads


async def received(wire: Wire, length: int) -> bytes:
    return await wire.reader.readexactly(length)


@pytest.mark.parametrize(
    ("upload", "octets"),
    [
        ((b"one", b"two"), b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
        ((), b"0\r\n\r\n"),
        ((b"one", b"", b"two"), b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
    ],
    ids=["two pieces", "nothing", "an empty piece is not the end"],
)
async def test_a_body_of_unknown_length_goes_up_in_chunks(upload: tuple[bytes, ...], octets: bytes) -> None:
    got = bytearray()

    async def handler(wire: Wire) -> None:
        await wire.head()
        got.extend(await received(wire, len(octets)))
        await wire.send(OK)
        await wire.gone()

    async with serving(handler) as served, Client(settings(response_timeout=1.0)) as client:
        response = await client.send(served.origin, HEAD, Upload(*upload), head_only=False)

        assert (response.status, bytes(got)) == (200, octets)


async def test_a_body_of_known_length_goes_up_as_it_is() -> None:
    got = bytearray()

    async def handler(wire: Wire) -> None:
        while True:
            await wire.head()
            got.extend(await received(wire, 6))
            await wire.send(OK)

    async with serving(handler) as served, Client(settings()) as client:
        await client.send(served.origin, HEAD, Upload(b"one", b"two", length=6), head_only=False)
        await asyncio.sleep(0.01)
        await client.send(served.origin, HEAD, b"onetwo", head_only=False)

        assert bytes(got) == b"onetwoonetwo"
        assert len(served.wires) == 1


@pytest.mark.parametrize("framing", [b"Content-Length: 4\r\n\r\nhalt", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalt\r\n0\r\n\r\n"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_early_answer_comes_through_and_ends_the_upload(framing: bytes, streamed: bool) -> None:
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
    async with serving(handler) as served, Client(settings()) as client:
        response = await client.send(served.origin, HEAD, upload, head_only=False)

        assert (response.status, await whole(response)) == (413, b"halt")
        await asyncio.wait_for(upload.ended.wait(), 2)
        await settled(client, served.origin)  # half a request is on that connection


async def test_a_failing_upload_fails_the_call() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.gone()

    async with serving(handler) as served, Client(settings()) as client:
        with pytest.raises(BadRequest, match="ended early"):
            await client.send(served.origin, HEAD, Upload(b"some", error=BadRequest("the body ended early")), head_only=False)
        await asyncio.wait_for(served.wires[0].left.wait(), 2)
        await settled(client, served.origin)


async def test_an_upload_that_fails_after_the_answer_began_breaks_the_answer_off() -> None:
    go = asyncio.Event()

    class Late(Upload):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"some"
            await go.wait()
            raise BadRequest("the body ended early")

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")
        await wire.gone()

    async with serving(handler) as served, Client(settings()) as client:
        response = await client.send(served.origin, HEAD, Late(), head_only=False)
        go.set()
        with pytest.raises(BadRequest):
            await whole(response)
        await settled(client, served.origin)


async def test_an_upload_that_its_upstream_resets_is_unreachable_or_answered() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.reader.read(1000)
        wire.reset()

    async with serving(handler) as served, Client(settings()) as client:
        with pytest.raises(UpstreamUnreachable):
            await client.send(served.origin, HEAD, Upload(*[bytes(1 << 16)] * 200), head_only=False)
        await settled(client, served.origin)


# --- cancellation


async def test_calls_cancelled_at_any_step_leave_balanced_books() -> None:
    async with serving(mute) as served, Client(settings()) as client:
        for steps in [*range(25)] * 8:
            call = asyncio.create_task(get(client, served.origin))
            for _ in range(steps):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await settled(client, served.origin)


async def test_a_call_cancelled_just_when_its_connection_came_about_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Connection.connection_made

    def made_and_cancelled(connection: Connection, transport: asyncio.BaseTransport) -> None:
        made(connection, transport)
        call.cancel()

    monkeypatch.setattr(Connection, "connection_made", made_and_cancelled)
    async with serving(mute) as served, Client(settings()) as client:
        call = asyncio.create_task(get(client, served.origin))
        await asyncio.gather(call, return_exceptions=True)
        await settled(client, served.origin)


async def test_a_call_cancelled_while_waiting_closes_its_connection() -> None:
    async with serving(mute) as served, Client(settings()) as client:
        call = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        await asyncio.wait_for(served.wires[0].left.wait(), 2)
        await settled(client, served.origin)


async def test_an_answer_that_is_not_read_on_closes_its_connection() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")
        await wire.gone()

    async with serving(handler) as served, Client(settings()) as client:
        response = await get(client, served.origin)
        assert not isinstance(response.body, bytes)
        await response.body.aclose()
        await response.body.aclose()  # harmless

        await asyncio.wait_for(served.wires[0].left.wait(), 2)
        await settled(client, served.origin)


async def test_a_reader_cancelled_in_mid_body_closes_its_connection() -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")
        await wire.gone()

    async with serving(handler) as served, Client(settings()) as client:
        reading = asyncio.create_task(whole(await get(client, served.origin)))
        await asyncio.sleep(0.02)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

        await asyncio.wait_for(served.wires[0].left.wait(), 2)
        await settled(client, served.origin)


async def test_a_cancelled_upload_stops() -> None:
    upload = Upload(b"some", endless=True)
    async with serving(mute) as served, Client(settings()) as client:
        call = asyncio.create_task(client.send(served.origin, HEAD, upload, head_only=False))
        await upload.begun.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

        await asyncio.wait_for(upload.ended.wait(), 2)
        await settled(client, served.origin)


# --- TLS


@dataclass(frozen=True)
class Authority:
    """A certificate authority of ours: its file, and a server's context with a certificate for 127.0.0.1 and localhost."""

    ca_file: str
    server: ssl.SSLContext


def authority(folder: Path, names: tuple[str, ...] = ("localhost",)) -> Authority:
    key, ca = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our authority")])
    now = datetime.datetime.now(datetime.UTC)

    def begun(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )

    ours = (
        begun(issuer, ca.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(ca, hashes.SHA256())
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")) if "localhost" in names else x509.DNSName("other.test"))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = (
        begun(subject, key.public_key()).add_extension(x509.SubjectAlternativeName(alternatives), critical=False).sign(ca, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    ca_file, chain = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(ours.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(private + certificate.public_bytes(pem))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return Authority(str(ca_file), server)


async def test_tls_with_a_trusted_certificate(tmp_path: Path) -> None:
    ours = authority(tmp_path)
    async with serving(always(OK), ours.server, "localhost") as served, Client(settings(ca_file=ours.ca_file)) as client:
        for _ in range(2):
            assert await whole(await get(client, served.origin)) == b"ok"

        assert len(served.wires) == 1


@pytest.mark.parametrize("wrong", ["untrusted", "other name"])
async def test_tls_that_cannot_be_trusted_is_refused_and_no_octet_is_sent(tmp_path: Path, wrong: str) -> None:
    ours = authority(tmp_path, ("localhost",) if wrong == "untrusted" else ("elsewhere.test",))
    heard: list[bytes] = []

    async def handler(wire: Wire) -> None:
        heard.append(await wire.head())

    async with serving(handler, ours.server, "localhost") as served:
        async with Client(settings(ca_file=None if wrong == "untrusted" else ours.ca_file)) as client:
            with pytest.raises(UpstreamUnreachable) as raised:
                await get(client, served.origin)
            await settled(client, served.origin)
        assert "localhost" not in raised.value.detail  # an upstream's address is nobody's business
        assert not heard


async def test_plain_http_on_a_tls_port_is_unreachable() -> None:
    async def handler(wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(handler) as served, Client(settings()) as client:
        origin = Origin.of(f"https://127.0.0.1:{served.origin.port}")
        with pytest.raises(UpstreamUnreachable):
            await get(client, origin)
        await settled(client, origin)


async def test_a_tls_handshake_that_hangs_times_out() -> None:
    async with serving(mute) as served, Client(settings(connect_timeout=SOON)) as client:
        origin = Origin.of(f"https://127.0.0.1:{served.origin.port}")
        with pytest.raises(UpstreamTimeout):
            await get(client, origin)
        await settled(client, origin)


# --- another loop


def test_the_same_on_uvloop(tmp_path: Path) -> None:
    async def story() -> None:
        await test_a_connection_is_used_again()
        await test_beyond_max_connections_calls_queue()
        await test_a_body_may_last_until_the_connection_closes()
        await test_a_reset_in_mid_body_is_no_end(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        await test_no_answer_in_time()
        await test_a_body_that_pauses_for_too_long()
        await test_a_call_cancelled_while_waiting_closes_its_connection()
        await test_an_early_answer_comes_through_and_ends_the_upload(b"Content-Length: 4\r\n\r\nhalt", streamed=True)
        await test_a_failing_upload_fails_the_call()
        await test_tls_with_a_trusted_certificate(tmp_path)
        await test_tls_that_cannot_be_trusted_is_refused_and_no_octet_is_sent(tmp_path, "untrusted")
        await test_calls_cancelled_at_any_step_leave_balanced_books()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/elements/api-v2", Origin(False, "h", 80, "h", "/elements/api-v2")),
        (
            "https://api.cloud-elements.com/elements/api-v2",
            Origin(True, "api.cloud-elements.com", 443, "api.cloud-elements.com", "/elements/api-v2"),
        ),
        ("http://h:8080", Origin(False, "h", 8080, "h:8080", "")),
        ("https://[::1]:9/x", Origin(True, "::1", 9, "[::1]:9", "/x")),
    ],
)
def test_origins(url: str, expected: Origin) -> None:
    assert Origin.of(url) == expected
