"""Writing an answer to a caller: our own framing, octets as they come, an early end never looking like a proper one."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from gateway.errors import GatewayError
from gateway.exchange import Exchange, Response, Stream
from gateway.passing import Octets, Outlet, SinkGone, poured
from gateway.server.connection import NOT_DOWN, CallerConnection
from gateway.upstream.headers import VIA

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_NOT_DOWN = NOT_DOWN - {"content-length"}  # which a HEAD's answer keeps


class BrokenOff(Exception):
    """An answer ended early and its connection was cut; ``error`` says why."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error.slug)
        self.error = error


async def write(
    connection: CallerConnection, response: Response, exchange: Exchange, *, method: str, http_1_0: bool, keep_alive: bool, now: float
) -> None:
    """Write the whole answer. ``now`` is on the exchange's monotonic clock.

    Raises ``ConnectionError`` if the caller left, ``BrokenOff`` if the body did not come to its end.
    """
    transport = connection.transport
    body = response.body
    if transport is None:
        if not isinstance(body, bytes):
            await body.aclose()
        raise ConnectionResetError("the caller left")
    bodiless = method == "HEAD" or response.status in (204, 304)
    framing, chunked, keep_alive = _framing(response, bodiless, http_1_0, keep_alive)
    head = _head(response, exchange, framing, keep_alive, http_1_0, now)
    if bodiless or isinstance(body, bytes):
        octets = b"" if bodiless or not isinstance(body, bytes) else body
        transport.write(head + octets)
        exchange.bytes_down += len(octets)
        if not isinstance(body, bytes):
            await body.aclose()
        await connection.drain()
        return
    transport.write(head)
    await _stream(_Downward(connection, transport, exchange, chunked=chunked), connection, body, chunked)


def whole(response: Response, exchange: Exchange) -> tuple[bytes, bytes]:
    """Head and body of an answer with a body of ``bytes`` to a GET of HTTP/1.1, as octets; the connection is kept."""
    body = response.body
    if not isinstance(body, bytes):
        raise TypeError("a body that streams is not whole")
    bodiless = response.status in (204, 304)
    framing, _, _ = _framing(response, bodiless, False, True)
    octets = b"" if bodiless else body
    exchange.bytes_down += len(octets)
    return _head(response, exchange, framing, True, False, exchange.answering), octets


def form(response: Response, exchange: Exchange, length: str) -> bytes:
    """The head of a kept connection's answer to a request of HTTP/1.1 that is no HEAD, its body as long as ``length`` says."""
    return _head(response, exchange, f"Content-Length: {length}\r\n", True, False, exchange.answering)


async def _stream(down: _Downward, connection: CallerConnection, body: Stream, chunked: bool) -> None:
    try:
        await poured(body, down)
        if chunked and connection.transport is not None:
            connection.transport.write(b"0\r\n\r\n")
    except GatewayError as error:
        # The head is out: nothing can be repaired, only cut (faults, "after the head is sent").
        connection.abort()
        raise BrokenOff(error) from None
    finally:
        await body.aclose()


class _Downward:
    """Where an answer's body goes."""

    __slots__ = ("_chunked", "_connection", "_exchange", "_outlet", "when_room")

    def __init__(self, connection: CallerConnection, transport: asyncio.Transport, exchange: Exchange, *, chunked: bool) -> None:
        self._connection = connection
        self._outlet = Outlet(transport)
        self._exchange = exchange
        self._chunked = chunked
        self.when_room = connection.when_room

    def write(self, data: Octets) -> bool:
        connection = self._connection
        transport = connection.transport
        if transport is None or transport.is_closing():
            raise SinkGone("the caller left")
        if not self._chunked:
            self._outlet.write(data)
        elif data:  # an empty chunk is the last one (RFC 9112 §7.1)
            transport.writelines((b"%x\r\n" % len(data), bytes(data), b"\r\n"))
        self._exchange.bytes_down += len(data)
        return not connection.writing_paused

    async def drain(self) -> None:
        try:
            await self._connection.drain()
        except ConnectionError:
            raise SinkGone("the caller left") from None


def _framing(response: Response, bodiless: bool, http_1_0: bool, keep_alive: bool) -> tuple[str, bool, bool]:
    """(framing fields, whether chunked, whether the connection may be kept)."""
    body = response.body
    if response.status == 204:
        return "", False, keep_alive
    if bodiless:
        length = len(body) if isinstance(body, bytes) and body else None
        stated = "content-length" in response.headers
        return ("" if stated or length is None else f"Content-Length: {length}\r\n"), False, keep_alive
    length = len(body) if isinstance(body, bytes) else body.length
    if length is not None:
        return f"Content-Length: {length}\r\n", False, keep_alive
    if http_1_0:
        return "", False, False
    return "Transfer-Encoding: chunked\r\n", True, keep_alive


def _head(response: Response, exchange: Exchange, framing: str, keep_alive: bool, http_1_0: bool, now: float) -> bytes:
    status = response.status
    lines = [f"HTTP/1.1 {status} {response.reason or _REASONS.get(status, '')}\r\n"]
    dated = False
    for lowered, (name, value) in zip(response.headers.names, response.headers.pairs, strict=True):
        if lowered in _NOT_DOWN:
            continue
        dated = dated or lowered == "date"
        lines.append(f"{name}: {value}\r\n")
    if not dated:
        lines.append(f"Date: {_http_date(int(exchange.time))}\r\n")  # RFC 9110 §6.6.1
    lines.append(framing)
    if exchange.cache_status:
        lines.append(f"Cache-Status: {exchange.cache_status}\r\n")
    lines += [f"{name}: {value}\r\n" for name, value in exchange.rate_limit]
    if exchange.preference:
        lines.append(f"Preference-Applied: {exchange.preference}\r\n")
    own = max(now - exchange.started - exchange.upstream_seconds - exchange.queue_seconds, 0.0)
    lines.append(
        f"Via: {VIA}\r\nX-Request-Id: {exchange.request_id}\r\nServer-Timing: gateway;dur={own * 1000:.3f}, "
        f"queue;dur={exchange.queue_seconds * 1000:.3f}, upstream;dur={exchange.upstream_seconds * 1000:.3f}\r\n"
    )
    if not keep_alive:
        lines.append("Connection: close\r\n")
    elif http_1_0:
        lines.append("Connection: keep-alive\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")


@lru_cache(maxsize=8)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
