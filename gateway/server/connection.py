"""A caller's connection: aiohttp's request handler with the time-outs, caps and silences that a public listener needs.

aiohttp's parser is the best of those measured, the code around it is not made for strangers (reference/robustness.md): it holds
half a body for ever, logs header values on a parse error, and refuses a good request together with garbage behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from gateway.errors import BadRequest, RequestTimeout

log = structlog.get_logger("gateway.server")

READ_BUFFER = 64 * 1024
_HEAD_END = b"\r\n\r\n"
_MAX_WAITING = 16  # pipelined requests that are parsed before they are served
_MAX_PIECES = 64  # of a chunked body, in what is received at once
_MAX_FRAMING = 16 * 1024  # octets of chunk sizes and extensions, beside sixteen for each octet that they frame
_UNREADABLE = _ErrInfo(400, BadRequest(), "")
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\nConnection: close\r\n"


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """What a listener puts up with: seconds, octets and numbers (the ``[listen]`` section of the configuration)."""

    header_timeout: float = 10.0
    body_timeout: float = 30.0
    keep_alive_timeout: float = 75.0
    write_timeout: float = 30.0
    max_connections: int = 10_000
    max_line_bytes: int = 8192
    max_head_bytes: int = 65536
    max_fields: int = 100
    max_body_bytes: int = 6 * 1024**3


class Sent:
    """Stands for an answer that is on the wire already, where aiohttp wants one to send."""

    __slots__ = ("keep_alive",)

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to do."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to do."""


Serve = Callable[["DataConnection", RawRequestMessage, StreamReader], Awaitable[bool]]
"""Answers one request; whether the connection may be kept."""
Refuse = Callable[["CallerConnection"], Awaitable[bool]]
"""Answers a request that the parser did not take."""


class CallerConnection(RequestHandler):
    """The protocol of one caller's connection."""

    __slots__ = (
        "_chunk_octets",
        "_chunked",
        "_closing_since",
        "_edge",
        "_head_octets",
        "_head_since",
        "_heard_at",
        "_last_payload",
        "_last_piece",
        "_left",
        "_settings",
        "_spoiled",
        "_unparsed",
        "_unsent",
        "_unsent_since",
        "_wire",
        "body_held",
    )

    own_keep_alive = 1
    """1: aiohttp closes idle connections; 0: ``sweep`` does."""

    def __init__(self, server: GuardedServer, loop: asyncio.AbstractEventLoop, settings: ListenSettings) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=self.own_keep_alive * settings.keep_alive_timeout,
            access_log=cast("Any", None),
            max_line_size=settings.max_line_bytes,
            max_field_size=settings.max_line_bytes,
            max_headers=settings.max_fields,
            read_bufsize=READ_BUFFER,
            auto_decompress=False,
            lingering_time=2.0,
        )
        self._settings = settings
        self._wire: asyncio.Transport | None = None
        self._last_payload: StreamReader | None = None
        self._head_since = loop.time()
        self._head_octets = 0
        self._heard_at = self._head_since
        self._unsent = 0
        self._unsent_since = self._head_since
        self._closing_since = 0.0
        self._chunked = False  # whether the body that arrives, or came last, is
        self._chunk_octets = 0  # of it, with its framing
        self._left = 0  # octets to come of a body whose length is stated
        self._last_piece = False  # the rest of what was received is fed as one: too many pieces cost too much
        self._edge = b""  # what was fed last: an empty line may begin in it
        self._unparsed = b""
        self._spoiled = False  # the parser has lost its way: nothing more is read
        self.body_held = False  # the caller waits for 100 Continue: its silence is no fault

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast("asyncio.Transport", transport)
        server = cast("GuardedServer", self._manager)
        if len(server.connections) >= self._settings.max_connections:
            self._force_close = True
            server.refused += 1
            self._wire.write(_FULL + server.full_body())
            self._wire.close()
            return
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Feed the parser up to the end of one head (or of one chunked body) at a time.

        So garbage does not take a good request before it down with it, and the trailers of a request cannot become fields of the
        next one, as they would in aiohttp 3.14. What must wait, waits here. Without ``data``: go on, there is room again.
        """
        if data:
            self._heard_at = self._loop.time()
        else:
            self._feed(b"")
        if self._unparsed:
            data, self._unparsed = self._unparsed + data, b""
        start = pieces = 0
        while start < len(data) and not self._spoiled:
            if self._reading_paused or len(self._messages) >= _MAX_WAITING:
                self._unparsed = data[start:]
                if not self._buffer_paused and not self._reading_paused:
                    self._pause_reading_for_buffer()
                return
            pieces += self._chunked
            self._last_piece = pieces > _MAX_PIECES
            end = len(data) if self._last_piece else self._boundary(data, start)
            self._feed(data[start:end] if start or end < len(data) else data)
            start = end
        if self._buffer_paused and len(self._messages) < _MAX_WAITING:
            self._resume_reading_for_buffer()

    def _boundary(self, data: bytes, start: int) -> int:
        """Up to where ``data`` can be fed: to the end of a body of stated length, else to that of the next empty line, its beginning
        perhaps fed before; all of it if that is not there."""
        if self._left:
            return min(start + self._left, len(data))
        if data[start] in b"\r\n":
            found = (self._edge + data[start : start + 3]).find(_HEAD_END)
            if found != -1:
                return start + found + 4 - len(self._edge)
        found = data.find(_HEAD_END, start)
        return len(data) if found == -1 else found + 4

    def _feed(self, data: bytes) -> None:
        waiting, payload = len(self._messages), self._last_payload
        in_body = payload is not None and not payload.is_eof()
        super().data_received(data)
        self._edge = data[-3:] if len(data) > 2 else (self._edge + data)[-3:]
        self._left = max(self._left - len(data), 0)
        if not in_body:
            self._head_octets += len(data)
        if len(self._messages) > waiting:
            self._arrived(waiting, payload if in_body else None)
        elif in_body:
            self._check_chunks(cast("StreamReader", payload), len(data))
        elif data and not self._request_in_progress:
            self._head_since = self._head_since or self._heard_at
            if self._head_octets > self._settings.max_head_bytes:
                self._spoiled = True
                self._messages.append((_UNREADABLE, EMPTY_PAYLOAD))
                self._awake()
        if self._upgraded:
            self._decline_upgrade()
        if self._chunked and self._last_payload is not None and self._last_payload.is_eof():
            self._chunked = False
            self._parser = self._new_parser()
            # What came in one piece with a body's end cannot be told from its trailers: it is not looked at.
            self._spoiled = self._spoiled or self._last_piece

    def _arrived(self, first: int, unfinished: StreamReader | None) -> None:
        """The parser has a request, or has given up. ``unfinished`` is the body that it was reading."""
        message, payload = self._messages[first]
        self._head_since, head_octets, self._head_octets = 0.0, self._head_octets, 0
        if isinstance(message, RawRequestMessage) and head_octets <= self._settings.max_head_bytes and not self._last_piece:
            self._last_payload, self._chunked, self._chunk_octets = payload, message.chunked, 0
            length = "" if message.chunked else message.headers.get("Content-Length", "")
            self._left = int(length) if length.isascii() and length.isdigit() else 0
            return
        # Nobody knows where the next request begins: what comes now is not looked at.
        self._spoiled = True
        while len(self._messages) > first:
            self._messages.pop()
        if self._last_piece and (unfinished is None or unfinished.is_eof()):
            return
        if unfinished is not None and not unfinished.is_eof():
            unfinished.set_exception(RequestPayloadError("the body's framing is broken"))
        else:
            self._messages.append((_UNREADABLE, EMPTY_PAYLOAD))

    def _check_chunks(self, payload: StreamReader, octets: int) -> None:
        """Chunk sizes and extensions may not outweigh what they frame (RFC 9112 §7.1.1, threats 46)."""
        self._chunk_octets += octets
        if not self._chunked or self._reading_paused or payload.exception() is not None:
            return
        if self._chunk_octets - payload.total_bytes > _MAX_FRAMING + 16 * payload.total_bytes:
            self._spoiled = True
            payload.set_exception(RequestPayloadError("the body is mostly framing"))

    def _resume_reading_for_buffer(self) -> None:
        """aiohttp thinks that there is room again; not while requests wait here."""
        if not self._unparsed:
            super()._resume_reading_for_buffer()

    def _awake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _decline_upgrade(self) -> None:
        """The request is served as if it had asked for no upgrade, and so is what follows it."""
        self._upgraded = False
        tail, self._message_tail = self._message_tail, b""
        if self._parser is not None:
            self._parser.set_upgraded(False)
        if tail:
            self._feed(tail)

    def _new_parser(self) -> HttpRequestParser:
        settings = self._settings
        return HttpRequestParser(
            self,
            self._loop,
            READ_BUFFER,
            max_line_size=settings.max_line_bytes,
            max_field_size=settings.max_line_bytes,
            max_headers=settings.max_fields,
            payload_exception=RequestPayloadError,
            auto_decompress=False,
        )

    def sweep(self, now: float) -> None:
        """Enforce the time-outs; called a few times within the shortest of them."""
        settings = self._settings
        if self.transport is None:
            # Closed by us, but a caller who reads nothing keeps the socket until the last octet is taken.
            self._closing_since = self._closing_since or now
            if now - self._closing_since > settings.write_timeout:
                self.abort()
            return
        if self._head_since and now - self._head_since > settings.header_timeout and not self._request_in_progress:
            self.abort()
            return
        self._sweep_body(now)
        self._sweep_writing(now)

    def _sweep_body(self, now: float) -> None:
        payload = self._last_payload
        if payload is None or payload.is_eof() or self.body_held or self._reading_paused or self._buffer_paused:
            self._heard_at = now
        elif now - self._heard_at > self._settings.body_timeout and payload.exception() is None:
            payload.set_exception(RequestTimeout("the body stopped arriving"))

    def _sweep_writing(self, now: float) -> None:
        if not self.writing_paused or self._wire is None:
            self._unsent_since = now
            return
        unsent = self._wire.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        elif now - self._unsent_since > self._settings.write_timeout:
            self.abort()

    @property
    def spoiled(self) -> bool:
        """Whether nothing that can be read comes after what has been."""
        return self._spoiled and not self._messages

    @property
    def idle(self) -> bool:
        """Whether nothing is being received or answered."""
        return not self._request_in_progress and not self._messages and not self._head_octets

    def abort(self) -> None:
        """Cut the connection: what the caller got so far must not look complete."""
        self._force_close = True
        if self._wire is not None:
            self._wire.abort()

    async def drain(self) -> None:
        """Wait until the caller has taken enough for more to be written. Raises ``ConnectionError`` if it left."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("the caller left")
        if self.writing_paused:
            await self._drain_helper()

    def _make_error_handler(self, err_info: Any) -> Any:
        """A request that the parser refuses. Its error quotes the request, keys and all: it goes nowhere."""

        async def refuse(request: web.BaseRequest) -> Sent:
            return Sent(await cast("GuardedServer", self._manager).refuse(self))

        return refuse

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> Any:
        """Never reached by our handler, which speaks every error itself; if it is, nothing is shown."""
        self.log_exception("unexpected", exc_info=exc)
        self.abort()
        return Sent(keep_alive=False)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """By type only: the text of somebody else's exception may hold what a caller sent."""
        log.error("connection failed", error=type(kw.get("exc_info")).__name__)


class DataConnection(CallerConnection):
    """A connection that calls go through: each is served in the connection's own task, without the objects that only
    ``web.Application`` needs."""

    __slots__ = ("_idle_since",)
    own_keep_alive = 0

    async def start(self) -> None:
        """Serve one request after the other until the connection ends."""
        server = cast("GuardedServer", self._manager)
        while not self._force_close:
            if not self._messages:
                self._idle_since = self._loop.time()
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, payload = self._messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
            if not await self._answered(server, message, payload):
                break
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _answered(self, server: GuardedServer, message: Any, payload: StreamReader) -> bool:
        """Serve one request; whether the connection may be kept."""
        self._request_in_progress = True
        try:
            if isinstance(message, RawRequestMessage):
                keep = await server.serve(self, message, payload)
            else:
                keep = await server.refuse(self)
            if not payload.is_eof():
                # Closing on octets that were not read resets the connection, and with it the answer (RFC 9112 §9.6).
                await self._linger(payload)
                return False
            return keep
        except ConnectionError:
            return False
        except asyncio.CancelledError:
            self.force_close()
            raise
        except Exception as error:
            self.log_exception("unexpected", exc_info=error)
            self.abort()
            return False
        finally:
            self._request_in_progress = False

    async def _linger(self, payload: StreamReader) -> None:
        if self.body_held:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(self._lingering_time):
                while not payload.is_eof():
                    await payload.readany()

    def sweep(self, now: float) -> None:
        """Also close what has been idle for too long."""
        super().sweep(now)
        if self._waiter is not None and not self._head_since and now - self._idle_since > self._settings.keep_alive_timeout:
            self.force_close()


class GuardedServer(web.Server):
    """Makes connections and enforces their time-outs: ``DataConnection``s with ``serve``, or ``CallerConnection``s for a
    ``web.Application``."""

    def __init__(self, serve: Serve, refuse: Refuse, settings: ListenSettings, full_body: Callable[[], bytes]) -> None:
        super().__init__(cast("Any", serve), handler_cancellation=True)
        self.serve = serve
        self.refuse = refuse
        self.app: web.Application | None = None
        self.full_body = full_body
        self.refused = 0
        self._settings = settings
        shortest = min(settings.header_timeout, settings.body_timeout, settings.write_timeout)
        self._pause_s = min(1.0, max(0.02, shortest / 8))

    async def carry(self, app: web.Application) -> None:
        """Serve ``app`` behind this server's guarded connections."""
        app._set_loop(asyncio.get_running_loop())
        app.on_startup.freeze()
        await app.startup()
        app.freeze()
        self.request_handler = cast("Any", app._handle)
        self.request_factory = app._make_request
        self.app = app

    def __call__(self) -> RequestHandler:
        kind = DataConnection if self.app is None else CallerConnection
        return kind(self, self._loop, self._settings)

    async def sweep(self) -> None:
        """Enforce the time-outs of every connection until cancelled."""
        while True:
            await asyncio.sleep(self._pause_s)
            now = self._loop.time()
            for connection in self.connections:
                cast("CallerConnection", connection).sweep(now)

    async def drain(self, seconds: float, hurry: asyncio.Event) -> int:
        """Close what is idle, let open calls finish for ``seconds`` or until ``hurry``, then cut; how many were cut.

        aiohttp's own way stops reading at once, and so loses every upload that is on its way.
        """
        ends = self._loop.time() + seconds
        while True:
            for connection in self.connections:
                if cast("CallerConnection", connection).idle:
                    connection.force_close()
            open_calls = [connection for connection in self.connections if not cast("CallerConnection", connection).idle]
            if not open_calls or hurry.is_set() or self._loop.time() >= ends:
                break
            await asyncio.sleep(0.02)
        for connection in self.connections:
            cast("CallerConnection", connection).abort()
        await self.shutdown(1.0)
        return len(open_calls)
