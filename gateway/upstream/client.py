"""The only HTTP client: a pool of connections for each upstream, requests written as octets, answers streamed.

aiohttp's session is left out on purpose: it invents fields, follows redirects, keeps cookies, re-quotes URLs and retries behind
one's back. Its parser and stream reader, the best of those measured (reference/robustness.md), are used as they are.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from math import inf

from aiohttp import ClientPayloadError, ServerTimeoutError
from aiohttp.streams import StreamReader

from gateway.errors import GatewayError, Internal, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Body, Interim, Response, Stream
from gateway.upstream.connection import Connection, fields_of
from gateway.upstream.pool import ClientSettings, Origin, Pool, Timeouts


class StaleConnection(UpstreamUnreachable):
    """A kept connection turned out to be dead before a single octet of an answer came"""


class Client:
    """Sends one request at a time over each pooled connection. Use as an async context manager."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._pools: dict[Origin, Pool] = {}
        self._tls: ssl.SSLContext | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Client:
        # Read before the first call: loading the authorities takes milliseconds.
        self._tls = await asyncio.to_thread(ssl.create_default_context, cafile=self._settings.ca_file)
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for pool in self._pools.values():
            pool.close()

    async def send(
        self,
        origin: Origin,
        head: bytes,
        body: Body,
        *,
        head_only: bool,
        fresh: bool = False,
        interim: Interim | None = None,
        timeouts: Timeouts | None = None,
        written: Callable[[], None] | None = None,
    ) -> Response:
        """Send the octets of ``head`` and then ``body``; the answer with its body still streaming unless it is here already.

        ``head_only`` says that the method is HEAD, ``fresh`` that no kept connection may be used; ``interim`` is told of interim
        answers, ``written`` when the head has been handed to a connection that stands. Raises ``StaleConnection`` (only on a kept
        connection), ``UpstreamUnreachable``, ``UpstreamTimeout``, ``UpstreamProtocolError``, ``Overloaded``, each with ``never_left``
        where that is certain, and what the caller's ``body`` raises.
        """
        timeouts = timeouts or self._settings.timeouts
        pool = self._pool(origin)
        try:
            connection = await pool.take(timeouts.connect, fresh=fresh)
        except BaseException as error:  # also of a caller who leaves
            error.never_left = True  # type: ignore[attr-defined]
            raise
        upload: asyncio.Task[None] | None = None
        try:
            connection.ask(head_only=head_only, interim=interim)
            connection.deadline = _deadline(timeouts)
            transport = connection.transport
            if transport is None or transport.is_closing():
                raise _closed_before()
            if isinstance(body, bytes):
                transport.write(head + body if body else head)
            else:
                transport.write(head)
                upload = asyncio.create_task(self._upload(connection, body, timeouts))
            if written is not None:
                written()
            message, payload = await connection.answer()
        except BaseException as error:
            _stop(upload)
            connection.abort()
            if isinstance(error, UpstreamUnreachable) and connection.reused and not connection.heard and not error.never_left:
                raise StaleConnection(error.detail) from None
            raise
        headers = fields_of(message)
        reason = message.reason.encode("utf-8", "surrogateescape").decode("latin-1")
        down = _Download(pool, connection, payload, upload, _length(message.headers.get("Content-Length")))
        if head_only or message.code in (204, 304):
            down.finish()
            return Response(message.code, headers, b"", reason)
        if payload.is_eof() and payload.exception() is None:
            whole = payload.read_nowait(-1)
            down.finish()
            return Response(message.code, headers, whole, reason)
        connection.read_timeout = timeouts.body
        connection.start_timeout()
        return Response(message.code, headers, down, reason)

    async def _upload(self, connection: Connection, body: Stream, timeouts: Timeouts) -> None:
        """Write a streaming body, no faster than the upstream reads it. A failing ``body`` fails the call.

        The time for an answer runs while the upstream is at work: not while the caller takes its time.
        """
        chunked = body.length is None
        try:
            connection.deadline = inf
            async for chunk in body:
                if not chunk:
                    continue  # an empty chunk is the last one (RFC 9112 §7.1)
                transport = connection.transport
                if transport is None or transport.is_closing():
                    return  # who waits for the answer learns why
                transport.writelines((b"%x\r\n" % len(chunk), chunk, b"\r\n") if chunked else (chunk,))
                if connection.writing_paused:
                    connection.deadline = _deadline(timeouts)
                    await connection._drain_helper()
                    connection.deadline = inf
            if chunked and connection.transport is not None:
                connection.transport.write(b"0\r\n\r\n")
            connection.deadline = _deadline(timeouts)
        except OSError:
            return
        except GatewayError as error:
            connection.fail(error)
        except Exception:
            connection.fail(Internal("the request body could not be read"))

    def _pool(self, origin: Origin) -> Pool:
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = Pool(origin, self._settings, self._tls)
        return pool

    async def _sweep(self) -> None:
        """One look a few times within the shortest time-out costs less than a timer for each call."""
        pause_s = max(0.02, min(1.0, min(self._settings.timeouts.response, self._settings.keep_alive or 1.0) / 8))
        while True:
            await asyncio.sleep(pause_s)
            now = asyncio.get_running_loop().time()
            for pool in self._pools.values():
                pool.sweep(now)


class _Download:
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
        except ServerTimeoutError:
            raise UpstreamTimeout("the answer stopped in mid-body") from None
        except GatewayError:
            raise
        except (ClientPayloadError, OSError, RuntimeError):
            # RuntimeError is how the stream reader says that its connection is gone.
            raise UpstreamUnreachable("the answer broke off in mid-body") from None
        except Exception as error:
            raise UpstreamProtocolError(f"the body is not proper HTTP/1.1 ({type(error).__name__})") from None
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
            _stop(self._upload)
            connection.abort()
            return
        connection.done()
        self._pool.give_back(connection)

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            _stop(self._upload)
            connection.abort()


def _closed_before() -> StaleConnection:
    error = StaleConnection("a kept connection was closed")
    error.never_left = True
    return error


def _deadline(timeouts: Timeouts) -> float:
    return asyncio.get_running_loop().time() + timeouts.response


def _length(length: str | None) -> int | None:
    return int(length) if length is not None else None


def _stop(task: asyncio.Task[None] | None) -> None:
    if task is not None and not task.done():
        task.cancel()
