"""The only HTTP client: a pool of connections for each upstream, requests written as octets, answers streamed.

aiohttp's session is left out on purpose: it invents fields, follows redirects, keeps cookies, re-quotes URLs and retries behind
one's back. Its parser and stream reader, the best of those measured (reference/robustness.md), are used as they are.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from math import inf
from urllib.parse import urlsplit

import aiohappyeyeballs
from aiohttp import ClientPayloadError, ServerTimeoutError
from aiohttp.streams import StreamReader

from gateway.errors import GatewayError, Internal, Overloaded, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Body, Headers, Response, Stream
from gateway.upstream.connection import Connection

_FAMILY_HEAD_START_S = 0.25  # RFC 8305 §8, faults 59


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Seconds, and the most connections that one upstream may hold open."""

    connect_timeout: float = 5.0
    response_timeout: float = 120.0
    body_timeout: float = 60.0
    keep_alive: float = 20.0
    max_connections: int = 512
    ca_file: str | None = None


class StaleConnection(UpstreamUnreachable):
    """A kept connection turned out to be dead before a single octet of an answer came"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where connections go, and under which name. ``authority`` is the Host field, ``path`` stands before every target."""

    secure: bool
    host: str
    port: int
    authority: str
    path: str

    @classmethod
    def of(cls, base_url: str) -> Origin:
        url = urlsplit(base_url)
        secure = url.scheme == "https"
        return cls(secure, url.hostname or "", url.port or (443 if secure else 80), url.netloc, url.path)


@dataclass(slots=True)
class _Pool:
    idle: deque[Connection] = field(default_factory=deque)
    all: set[Connection] = field(default_factory=set)
    open: int = 0
    """Connections, and those being made."""
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Client:
    """Sends one request at a time over each pooled connection. Use as an async context manager."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._pools: dict[Origin, _Pool] = {}
        self._tls: ssl.SSLContext | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Client:
        # Read before the first call: loading the authorities takes milliseconds.
        self._tls = await asyncio.to_thread(ssl.create_default_context, cafile=self._settings.ca_file)
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for pool in self._pools.values():
            while pool.idle:
                pool.idle.popleft().close()

    async def send(self, origin: Origin, head: bytes, body: Body, *, head_only: bool, fresh: bool = False) -> Response:
        """Send the octets of ``head`` and then ``body``; the answer with its body still streaming unless it is here already.

        ``head_only`` says that the method is HEAD, ``fresh`` that no kept connection may be used. Raises ``StaleConnection`` (only
        on a kept connection), ``UpstreamUnreachable``, ``UpstreamTimeout``, ``UpstreamProtocolError``, ``Overloaded``, and what
        the caller's ``body`` raises.
        """
        connection = await self._connection(origin, fresh)
        upload: asyncio.Task[None] | None = None
        try:
            connection.ask(head_only=head_only)
            connection.deadline = self._deadline()
            transport = connection.transport
            if transport is None:
                raise StaleConnection("a kept connection was closed")
            if isinstance(body, bytes):
                transport.write(head + body if body else head)
            else:
                transport.write(head)
                upload = asyncio.create_task(self._upload(connection, body))
            message, payload = await connection.answer()
        except BaseException as error:
            _stop(upload)
            connection.abort()
            if isinstance(error, UpstreamUnreachable) and connection.reused and not connection.heard:
                raise StaleConnection(error.detail) from None
            raise
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.raw_headers])
        reason = message.reason.encode("utf-8", "surrogateescape").decode("latin-1")
        down = _Download(self, origin, connection, payload, upload, _length(message.headers.get("Content-Length")))
        if head_only or message.code in (204, 304):
            down.finish()
            return Response(message.code, headers, b"", reason)
        if payload.is_eof() and payload.exception() is None:
            whole = payload.read_nowait(-1)
            down.finish()
            return Response(message.code, headers, whole, reason)
        connection.read_timeout = self._settings.body_timeout
        connection.start_timeout()
        return Response(message.code, headers, down, reason)

    async def _upload(self, connection: Connection, body: Stream) -> None:
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
                    connection.deadline = self._deadline()
                    await connection._drain_helper()
                    connection.deadline = inf
            if chunked and connection.transport is not None:
                connection.transport.write(b"0\r\n\r\n")
            connection.deadline = self._deadline()
        except OSError:
            return
        except GatewayError as error:
            connection.fail(error)
        except Exception:
            connection.fail(Internal("the request body could not be read"))

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._settings.response_timeout

    async def _connection(self, origin: Origin, fresh: bool) -> Connection:
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = _Pool()
        while pool.idle and not fresh:
            connection = pool.idle.pop()
            if connection.is_connected() and not connection.should_close:
                connection.reused = True
                return connection
            _retire(pool, connection)
        if pool.idle and pool.open >= self._settings.max_connections:
            _retire(pool, pool.idle.popleft())  # a fresh one is wanted, and an idle one is in its way
        while pool.open >= self._settings.max_connections:
            await self._wait_for_place(pool)
            if pool.idle:
                return await self._connection(origin, fresh)
        pool.open += 1
        try:
            connection = await self._connect(origin, pool)
        except BaseException:
            _free(pool)
            raise
        pool.all.add(connection)
        return connection

    async def _wait_for_place(self, pool: _Pool) -> None:
        place = asyncio.get_running_loop().create_future()
        pool.waiting.append(place)
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                _wake(pool)  # who was called and cannot come lets the next one in
            place.cancel()
            if isinstance(error, TimeoutError):
                raise Overloaded("all connections to the upstream are busy", retry_after=1) from None
            raise

    async def _connect(self, origin: Origin, pool: _Pool) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                addresses = await loop.getaddrinfo(origin.host, origin.port, type=1)
                sock = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=_FAMILY_HEAD_START_S, loop=loop)
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, lambda lost: _lost(pool, lost)),
                    sock=sock,
                    ssl=self._tls if origin.secure else None,
                    server_hostname=origin.host if origin.secure else None,
                )
        except TimeoutError:
            raise UpstreamTimeout("no connection came about in time") from None
        except ssl.SSLError:
            raise UpstreamUnreachable("no trusted TLS connection came about") from None
        except (OSError, UnicodeError) as error:  # UnicodeError: the host cannot be a name
            raise UpstreamUnreachable(f"no connection came about ({type(error).__name__})") from None
        if not connection.is_connected():
            raise UpstreamUnreachable("the connection ended at once")
        return connection

    def _give_back(self, origin: Origin, connection: Connection) -> None:
        if self._closed or not self._settings.keep_alive or connection.should_close or not connection.is_connected():
            connection.close()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        pool = self._pools[origin]
        pool.idle.append(connection)
        _wake(pool)

    async def _sweep(self) -> None:
        """Fail overdue calls, and close connections that have been idle for long: an upstream closes them too, and ours must be
        first (faults 10). One look a few times within the shortest time-out costs less than a timer for each call."""
        loop = asyncio.get_running_loop()
        pause_s = max(0.02, min(1.0, min(self._settings.response_timeout, self._settings.keep_alive or 1.0) / 8))
        while True:
            await asyncio.sleep(pause_s)
            now = loop.time()
            for pool in self._pools.values():
                while pool.idle and (pool.idle[0].idle_since <= now - self._settings.keep_alive or not pool.idle[0].is_connected()):
                    pool.idle.popleft().close()
                for connection in tuple(pool.all):
                    connection.sweep(now)


class _Download:
    """The body of an answer as it arrives; hands its connection back at the end, aborts it otherwise."""

    __slots__ = ("_client", "_connection", "_length", "_origin", "_payload", "_upload")

    def __init__(
        self,
        client: Client,
        origin: Origin,
        connection: Connection,
        payload: StreamReader,
        upload: asyncio.Task[None] | None,
        length: int | None,
    ) -> None:
        self._client = client
        self._origin = origin
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
        self._client._give_back(self._origin, connection)

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            _stop(self._upload)
            connection.abort()


def _length(length: str | None) -> int | None:
    return int(length) if length is not None else None


def _stop(task: asyncio.Task[None] | None) -> None:
    if task is not None and not task.done():
        task.cancel()


def _retire(pool: _Pool, connection: Connection) -> None:
    connection.close()
    _lost(pool, connection)


def _lost(pool: _Pool, connection: Connection) -> None:
    if connection in pool.all:
        pool.all.remove(connection)
        _free(pool)


def _free(pool: _Pool) -> None:
    pool.open -= 1
    _wake(pool)


def _wake(pool: _Pool) -> None:
    while pool.waiting:
        place = pool.waiting.popleft()
        if not place.done():
            place.set_result(None)
            return
