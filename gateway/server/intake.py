"""From what aiohttp parsed to our own ``Request``: what its parser lets through and a gateway may not (RFC 9112, contract 2)."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from urllib.parse import unquote

from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestPayloadError

from gateway.errors import BadRequest, BodyTooLarge, GatewayError, MethodNotAllowed
from gateway.exchange import Body, Exchange, Headers, Request
from gateway.passing import Octets, Sink, SinkGone
from gateway.paths import origin_form, split_prefix
from gateway.server.connection import CallerConnection
from gateway.tapping import drawn
from gateway.telemetry.ids import new_id, new_traceparent
from gateway.telemetry.tracing import Tracing

_IDENTIFYING = frozenset({"authorization", "x-api-key"})
_SINGLE = frozenset({"host", "content-length", "transfer-encoding", "content-type", "expect"}) | _IDENTIFYING
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::(\d{0,5}))?")
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_ORDINARY = re.compile(r"/[!-$&-~]*")
_KEY = re.compile(r"gwk_[A-Za-z0-9_]+")


def headers_of(message: RawRequestMessage) -> Headers:
    return Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.raw_headers])


def begin(message: RawRequestMessage, headers: Headers, started: float, tracing: Tracing | None = None) -> Exchange:
    """The record of a call that begins; ids are the caller's where they are well-formed. ``tracing`` decides whether it is traced."""
    request_id = headers.get("x-request-id")
    if request_id is None or not _REQUEST_ID.fullmatch(request_id) or "gwk_" in request_id:
        request_id = new_id()
    traceparent = headers.get("traceparent")
    goes_on = traceparent is not None and _TRACEPARENT.fullmatch(traceparent) is not None
    if traceparent is None or not goes_on:
        traceparent = new_traceparent()
    path, now = shown(message.path), time.time()
    if tracing is not None:
        return tracing.begin(request_id, message.method, path, started, now, traceparent, goes_on=goes_on)
    return Exchange(request_id, message.method, path, started, now, traceparent)


def shown(target: str) -> str:
    """The path of a request target as the log shows it: no query, no authority (either may hold secrets), no caller key."""
    path = target.partition("?")[0]
    if _ORDINARY.fullmatch(path) and "gwk_" not in path:
        return path[:2048]
    if not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    path = path.encode("ascii", "replace").decode()
    if "gwk_" in path or ("%" in path and "gwk_" in unquote(path)):
        path = _KEY.sub("gwk_…", unquote(path))
    return path[:2048]


def read(message: RawRequestMessage, payload: StreamReader, connection: CallerConnection, headers: Headers, max_body: int) -> Request:
    """The request, or ``BadRequest``, ``MethodNotAllowed``, ``NotFound``, ``BodyTooLarge``."""
    check(message, headers)
    prefix, rest = split_prefix(origin_form(message.path))
    body = _body(message, payload, connection, headers, max_body)
    interim = connection.interim if message.version == (1, 1) else None
    return Request(message.method, rest, headers, body, prefix, connection.certificate, interim)


def check(message: RawRequestMessage, headers: Headers) -> None:
    """``BadRequest`` or ``MethodNotAllowed`` for what is refused whatever its path."""
    if message.method in ("TRACE", "CONNECT"):
        # TRACE would show the caller the credential that we inject (threats 5).
        raise MethodNotAllowed(f"{message.method} is not passed on")
    _check_fields(message, headers)


def _check_fields(message: RawRequestMessage, headers: Headers) -> None:
    seen = set()
    for name in headers.names:
        if ("_" in name and name.replace("_", "-") in _IDENTIFYING | {"gateway-customer"}) or name.startswith("gateway_"):
            raise BadRequest("a header that says who calls is spelled with underscores")
        if name in seen and (name in _SINGLE or name.startswith("gateway-")):
            raise BadRequest(f"the header {name} is given twice")
        seen.add(name)
    if message.version not in ((1, 1), (1, 0)):
        raise BadRequest("the request is not HTTP/1.1")
    host = headers.get("host")
    if (host is None and message.version == (1, 1)) or (host is not None and not _is_host(host)):
        raise BadRequest("the Host header is missing or not a host")
    coding = headers.get("transfer-encoding")
    if coding is not None and (coding.lower() != "chunked" or "content-length" in seen or message.version == (1, 0)):
        raise BadRequest("the body's framing is not one that can be relied on")
    expect = headers.get("expect")
    if expect is not None and expect.lower() != "100-continue":
        raise BadRequest("the only expectation that can be met is 100-continue")


@lru_cache(maxsize=256)
def _is_host(host: str) -> bool:
    match = _HOST.fullmatch(host)
    return match is not None and int(match[1] or 0) <= 65535


def _body(message: RawRequestMessage, payload: StreamReader, connection: CallerConnection, headers: Headers, max_body: int) -> Body:
    length = int(headers.get("content-length") or 0) if "transfer-encoding" not in headers else None
    if length is not None and length > max_body:
        raise BodyTooLarge(f"the body has {length} octets, at most {max_body} are taken")
    if length == 0:
        return b""
    if payload.is_eof() and payload.exception() is None and payload.total_bytes <= max_body:
        return payload.read_nowait(-1)
    expects = "expect" in headers and message.version == (1, 1)
    connection.body_held = expects
    return CallerBody(payload, connection, length, max_body, expects)


class CallerBody:
    """A request body as it arrives. The caller is asked to send it (100 Continue) when somebody begins to read."""

    __slots__ = ("_connection", "_expects", "_max", "_payload", "length", "octets")

    def __init__(self, payload: StreamReader, connection: CallerConnection, length: int | None, max_body: int, expects: bool) -> None:
        self._payload = payload
        self._connection = connection
        self._max = max_body
        self._expects = expects
        self.length = length
        self.octets = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._ask()
        try:
            while chunk := await self._payload.readany():
                self.count(len(chunk))
                yield chunk
        except Exception as error:
            raise _in_body(error) from None

    async def pour(self, sink: Sink) -> None:
        """All of it into ``sink``. Raises what iterating it raises, and ``SinkGone``."""
        self._ask()
        try:
            await drawn(self._payload, self.length, self._connection, _Counted(sink, self.count))
        except SinkGone:
            raise
        except Exception as error:
            raise _in_body(error) from None

    def count(self, octets: int) -> None:
        """So many more were passed on. Raises ``BodyTooLarge``."""
        self.octets += octets
        if self.octets > self._max:
            raise BodyTooLarge(f"at most {self._max} octets are taken")

    def _ask(self) -> None:
        if self._expects and self._connection.transport is not None:
            self._expects = False
            self._connection.body_held = False
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def aclose(self) -> None:
        """Nothing is held: the connection reads on, or closes."""


class _Counted:
    """A sink, and how much it gets."""

    __slots__ = ("_count", "_sink", "drain", "when_room")

    def __init__(self, sink: Sink, count: Callable[[int], None]) -> None:
        self._sink = sink
        self._count = count
        self.drain = sink.drain
        self.when_room = sink.when_room

    def write(self, data: Octets) -> bool:
        self._count(len(data))
        return self._sink.write(data)


def _in_body(error: Exception) -> GatewayError:
    """What a request's body ended with."""
    if isinstance(error, RequestPayloadError):
        return BadRequest("the body's framing is broken")
    # However the reader words it: the rest of the body will not come.
    return error if isinstance(error, GatewayError) else BadRequest("the body ended early")
