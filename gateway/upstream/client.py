"""The only HTTP client: a pool of connections for each upstream, requests written as octets, answers streamed.

aiohttp's session is left out on purpose: it invents fields, follows redirects, keeps cookies, re-quotes URLs and retries behind
one's back. Its parser and stream reader, the best of those measured (reference/robustness.md), are used as they are.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from math import inf

from aiohttp import ClientError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from gateway.errors import GatewayError, Internal, UpstreamProtocolError, UpstreamUnreachable
from gateway.exchange import Body, Interim, Response, Stream
from gateway.passing import poured
from gateway.upstream.answer_heads import AnswerHead, fields_of
from gateway.upstream.connection import Connection
from gateway.upstream.pool import Pool
from gateway.upstream.protocol import ClientSettings, Origin, StaleConnection, Timeouts
from gateway.upstream.streaming import Download, Upward, deadline_in, stop


async def answer_of(connection: Connection) -> tuple[AnswerHead, StreamReader]:
    """The head and body of the final answer.

    Raises ``UpstreamProtocolError``, ``UpstreamTimeout`` (past the connection's ``deadline``), ``UpstreamUnreachable`` where it ended
    without one, and whatever ``fail`` was told.
    """
    try:
        return await connection.read()
    except HttpProcessingError:
        raise UpstreamProtocolError("the answer is not proper HTTP/1.1") from None
    except (OSError, ClientError):
        raise connection.lost() from None
    finally:
        connection.deadline = inf


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
            connection.deadline = deadline_in(timeouts)
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
            message, payload = await answer_of(connection)
        except BaseException as error:
            stop(upload)
            raise _failed(connection, error) from None
        return self._answered(pool, connection, message, payload, upload, timeouts, head_only=head_only)

    def pool(self, origin: Origin) -> Pool:
        """The connections to ``origin``."""
        return self._pool(origin)

    async def resume(self, pool: Pool, connection: Connection, timeouts: Timeouts | None) -> Response:
        """The answer to a request, not HEAD, all of which was written to a ``connection`` of ``pool``; as ``send`` gives it and raises."""
        try:
            message, payload = await answer_of(connection)
        except BaseException as error:
            raise _failed(connection, error) from None
        return self._answered(pool, connection, message, payload, None, timeouts or self._settings.timeouts, head_only=False)

    def _answered(
        self,
        pool: Pool,
        connection: Connection,
        message: AnswerHead,
        payload: StreamReader,
        upload: asyncio.Task[None] | None,
        timeouts: Timeouts,
        *,
        head_only: bool,
    ) -> Response:
        headers = fields_of(message)
        reason = message.reason.encode("utf-8", "surrogateescape").decode("latin-1")
        down = Download(pool, connection, payload, upload, _length(message.headers.get("Content-Length")))
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
            transport = connection.transport
            if transport is None:
                return
            await poured(body, Upward(connection, transport, timeouts, chunked=chunked))
            if chunked and connection.transport is not None:
                connection.transport.write(b"0\r\n\r\n")
            connection.deadline = deadline_in(timeouts)
        except OSError:
            return  # who waits for the answer learns why
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


def _failed(connection: Connection, error: BaseException) -> BaseException:
    """What is raised for a call whose answer did not come."""
    connection.abort()
    if isinstance(error, UpstreamUnreachable) and connection.reused and not connection.heard and not error.never_left:
        return StaleConnection(error.detail)
    return error


def _closed_before() -> StaleConnection:
    error = StaleConnection("a kept connection was closed")
    error.never_left = True
    return error


def _length(length: str | None) -> int | None:
    return int(length) if length is not None else None
