"""A caller's connection: time-outs, caps and silences that a public listener needs, around aiohttp's request handler.

Left alone, that holds half a body for ever and logs header values on a parse error (reference/robustness.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import structlog
from aiohttp import web

from gateway.errors import RequestTimeout
from gateway.exchange import Headers
from gateway.server.feeding import FeedingHandler
from gateway.server.listen_settings import ListenSettings
from gateway.server.tls import shown

if TYPE_CHECKING:
    from gateway.callers.certificates import Certificate
    from gateway.server.listener import GuardedServer

FIRST_CALL_S = 0.5
"""How long a new connection is not hung up on while draining: its caller could not know, and is about to send (RFC 9112 §9.5)."""
log = structlog.get_logger("gateway.server")

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\nConnection: close\r\n"
# Ours stands for the upstream's id; cookies belong to the gateway's account, not to its callers (contract 2.3); framing is our own.
NOT_DOWN = frozenset({"x-request-id", "set-cookie", "set-cookie2", "content-length"})
_INTERIM_UNREAD = 64 * 1024
_INTERIM = {102: "Processing", 103: "Early Hints", 104: "Upload Resumption Supported"}


class Sent:
    """Stands for an answer that is on the wire already, where aiohttp wants one to send."""

    __slots__ = ("keep_alive",)

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to do."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to do."""


class CallerConnection(FeedingHandler):
    """The protocol of one caller's connection."""

    __slots__ = (
        "_closing_since",
        "_on_room",
        "_unsent",
        "_unsent_since",
        "_wire",
        "body_held",
        "certificate",
    )

    own_keep_alive = 1
    """1: aiohttp closes idle connections; 0: ``sweep`` does."""

    def __init__(self, server: GuardedServer, loop: asyncio.AbstractEventLoop, settings: ListenSettings) -> None:
        super().__init__(server, loop, settings, keep_alive_s=self.own_keep_alive * settings.keep_alive_timeout)
        self._wire: asyncio.Transport | None = None
        self._unsent = 0
        self._unsent_since = self._head_since
        self._closing_since = 0.0
        self._on_room: Callable[[], None] | None = None
        self.body_held = False  # the caller waits for 100 Continue: its silence is no fault
        self.certificate: Certificate | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast("asyncio.Transport", transport)
        server = cast("GuardedServer", self._manager)
        server.arriving -= 1
        peer = transport.get_extra_info("peercert")
        self.certificate = shown(peer) if peer else None
        if len(server.connections) >= self._settings.max_connections:
            self._force_close = True
            self._wire.write(_FULL + server.full_body())
            self._wire.close()
            return
        super().connection_made(transport)

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
        held = self.body_held or self._reading_paused or self._buffer_paused or (self.tap is not None and self.tap.held)
        if payload is None or payload.is_eof() or held:
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
    def idle(self) -> bool:
        """Whether nothing is being received or answered."""
        return not self._request_in_progress and not self._messages and not self._head_octets

    def expected(self, now: float) -> bool:
        """Whether the first request can still be on its way: the connection was accepted a moment ago."""
        return self.idle and self._head_since > 0.0 and now - self._head_since < FIRST_CALL_S

    def abort(self) -> None:
        """Cut the connection: what the caller got so far must not look complete."""
        self._force_close = True
        if self._wire is not None:
            self._wire.abort()

    def interim(self, status: int, headers: Headers) -> None:
        """Tell the caller of an interim answer; only before the final one (RFC 9110 §15.2). One who does not read is spared them."""
        if self._wire is None or self._wire.is_closing() or self._wire.get_write_buffer_size() > _INTERIM_UNREAD:
            return
        fields = "".join(
            [f"{name}: {value}\r\n" for lowered, (name, value) in zip(headers.names, headers.pairs, strict=True) if lowered not in NOT_DOWN]
        )
        reason = _INTERIM.get(status, "")
        self._wire.write(f"HTTP/1.1 {status} {reason}\r\n{fields}\r\n".encode("latin-1"))

    async def drain(self) -> None:
        """Wait until the caller has taken enough for more to be written. Raises ``ConnectionError`` if it left."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("the caller left")
        if self.writing_paused:
            await self._drain_helper()

    def when_room(self, tell: Callable[[], None] | None) -> None:
        """Have ``tell`` called each time that the caller has taken enough for more to be written; None: no more."""
        self._on_room = tell

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._on_room is not None:
            self._on_room()

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
