"""Bodies on their way over a connection to an upstream: requests up, answers down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from math import inf

from aiohttp import ClientPayloadError, ServerTimeoutError
from aiohttp.streams import StreamReader

from gateway.errors import GatewayError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.passing import Octets, Outlet, Sink, SinkGone
from gateway.tapping import drawn
from gateway.upstream.connection import Connection
from gateway.upstream.pool import Pool
from gateway.upstream.protocol import Timeouts


class Upward:
    """Where a request's body goes; the time for an answer runs while the upstream does not read."""

    __slots__ = ("_chunked", "_connection", "_outlet", "_timeouts")

    def __init__(self, connection: Connection, transport: asyncio.Transport, timeouts: Timeouts, *, chunked: bool) -> None:
        self._connection = connection
        self._outlet = Outlet(transport)
        self._timeouts = timeouts
        self._chunked = chunked

    def write(self, data: Octets) -> bool:
        connection = self._connection
        transport = connection.transport
        if transport is None or transport.is_closing():
            raise SinkGone("the upstream left")
        if not self._chunked:
            self._outlet.write(data)
        elif data:  # an empty chunk is the last one (RFC 9112 §7.1)
            transport.writelines((b"%x\r\n" % len(data), bytes(data), b"\r\n"))
        if connection.writing_paused:
            connection.deadline = deadline_in(self._timeouts)
            return False
        return True

    async def drain(self) -> None:
        try:
            await self._connection._drain_helper()
        except ConnectionError:
            raise SinkGone("the upstream left") from None
        self._connection.deadline = inf

    def when_room(self, tell: Callable[[], None] | None) -> None:
        self._connection.on_room = None if tell is None else partial(self._room, tell)

    def _room(self, tell: Callable[[], None]) -> None:
        self._connection.deadline = inf
        tell()


class Download:
    """The body of an answer as it arrives; hands its connection back at the end, aborts it otherwise."""

    __slots__ = ("_connection", "_length", "_payload", "_pool", "_upload")

    def __init__(
        self,
        pool: Pool,
        connection: Connection,
        payload: StreamReader,
        upload: asyncio.Task[None] | None,
        length: int | None,
    ) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self._payload = payload
        self._upload = upload
        self._length = length

    @property
    def length(self) -> int | None:
        return self._length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while chunk := await self._payload.readany():
                yield chunk
        except Exception as error:
            raise _in_body(error) from None
        else:
            self.finish()
        finally:
            await self.aclose()

    async def pour(self, sink: Sink) -> None:
        """All of it into ``sink``. Raises what iterating it raises, and ``SinkGone``."""
        try:
            if self._connection is not None:
                await drawn(self._payload, self._length, self._connection, sink)
        except SinkGone:
            raise
        except Exception as error:
            raise _in_body(error) from None
        else:
            self.finish()
        finally:
            await self.aclose()

    def finish(self) -> None:
        """The answer is complete. A request body still on its way spoils the connection: nobody reads it any more."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._upload is not None and not self._upload.done():
            stop(self._upload)
            connection.abort()
            return
        connection.done()
        self._pool.give_back(connection)

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            stop(self._upload)
            connection.abort()


def _in_body(error: Exception) -> GatewayError:
    """What is told of an answer whose body ended with ``error``."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, ServerTimeoutError):
        return UpstreamTimeout("the answer stopped in mid-body")
    if isinstance(error, (ClientPayloadError, OSError, RuntimeError)):
        # RuntimeError is how the stream reader says that its connection is gone.
        return UpstreamUnreachable("the answer broke off in mid-body")
    return UpstreamProtocolError(f"the body is not proper HTTP/1.1 ({type(error).__name__})")


def deadline_in(timeouts: Timeouts) -> float:
    """When, on the loop's clock, the head of an answer must be here if its time begins now."""
    return asyncio.get_running_loop().time() + timeouts.response


def stop(task: asyncio.Task[None] | None) -> None:
    """Cancel an upload that is not over."""
    if task is not None and not task.done():
        task.cancel()
