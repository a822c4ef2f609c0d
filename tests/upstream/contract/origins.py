"""Raw origins on loopback that serve each connection with a handler, and see from their end what a client keeps open.

In the test's own loop, so that a test can hold an origin at any octet.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.exchange import Response
from gateway.upstream.protocol import Origin, UpstreamClient

HEAD = b"GET /x HTTP/1.1\r\nHost: origin\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SOON = 0.15  # seconds: for time-outs that must strike

Handler = Callable[["Wire"], Awaitable[None]]


class Wire:
    """The origin's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.left = asyncio.Event()  # the handler has ended, mostly as the client has left

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

    @property
    def open(self) -> bool:
        """Whether neither side has ended it."""
        over = self.left.is_set() or self.reader.at_eof() or self.reader.exception() is not None
        return not over and not self.writer.transport.is_closing()


@dataclass
class Served:
    """A listening origin: where, and every connection that it took."""

    origin: Origin
    wires: list[Wire] = field(default_factory=list)

    async def settled(self, count: int = 0) -> None:
        """Wait until ``count`` connections are open, and see that it stays so."""
        for _ in range(400):
            if self.open == count:
                break
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.01)
        assert self.open == count, [wire.open for wire in self.wires]

    @property
    def open(self) -> int:
        return sum(wire.open for wire in self.wires)


@asynccontextmanager
async def serving(
    handler: Handler, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", at: str = "127.0.0.1"
) -> AsyncIterator[Served]:
    """Serve each connection with ``handler``; the connection is closed after it. ``host`` is the name under which it is called."""
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

    server = await asyncio.start_server(serve, at, 0, ssl=tls)
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


def once(*octets: bytes, reset: bool = False) -> Handler:
    """Answer one request and close, or ``reset`` after a moment."""

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(*octets)
        if reset:
            await asyncio.sleep(0.03)
            wire.reset()

    return handler


def then_gone(*octets: bytes) -> Handler:
    """Answer one request and wait until the client has left."""

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(*octets)
        await wire.gone()

    return handler


async def mute(wire: Wire) -> None:
    await wire.gone()


async def get(client: UpstreamClient, origin: Origin, *, head: bytes = HEAD, head_only: bool = False, fresh: bool = False) -> Response:
    return await client.send(origin, head, b"", head_only=head_only, fresh=fresh)


async def whole(response: Response) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    async with asyncio.timeout(4):  # a body that never ends is a failure, not a wait
        return b"".join([chunk async for chunk in response.body])


class Upload:
    """A request body in pieces; then ``error``, or the end, or (``endless``) neither."""

    def __init__(self, *pieces: bytes, length: int | None = None, error: Exception | None = None, endless: bool = False) -> None:
        self.pieces = pieces
        self.length = length
        self.error = error
        self.endless = endless
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun.set()
        try:
            for piece in self.pieces:
                self.given += len(piece)
                yield piece
            if self.endless:
                await asyncio.sleep(60)
            if self.error:
                raise self.error
        finally:
            self.ended.set()

    async def aclose(self) -> None:
        """Nothing is held."""
