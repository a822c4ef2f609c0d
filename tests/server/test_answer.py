"""Writing answers, looked at as octets on a real connection: framing, our fields, and ends that are none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from gateway.errors import UpstreamUnreachable
from gateway.exchange import Body, Exchange, Headers, Pair, Response
from gateway.server.answer import BrokenOff, write
from gateway.server.connection import CallerConnection
from gateway.server.listen_settings import ListenSettings
from gateway.server.listener import GuardedServer
from gateway.server.shedding import Shedder


class Arriving:
    """A streaming body that may end in an error."""

    def __init__(self, *chunks: bytes, length: int | None = None, error: Exception | None = None) -> None:
        self.chunks = chunks
        self.length = length
        self.error = error
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
            await asyncio.sleep(0)
        if self.error:
            raise self.error

    async def aclose(self) -> None:
        self.closed = True


def made(**more: object) -> Exchange:
    exchange = Exchange("id-1", "GET", "/x", 10.0, 1_700_000_000.0)
    for name, value in more.items():
        setattr(exchange, name, value)
    return exchange


async def answered(
    response: Response, exchange: Exchange | None = None, *, method: str = "GET", http_1_0: bool = False, keep_alive: bool = True
) -> tuple[bytes, BaseException | None]:
    """(every octet that a caller gets for ``response``, what ``write`` raised). The connection is closed behind it."""
    raised: list[BaseException] = []

    async def serve(connection: CallerConnection, message: RawRequestMessage, payload: StreamReader) -> bool:
        try:
            await write(connection, response, exchange or made(), method=method, http_1_0=http_1_0, keep_alive=keep_alive, now=10.5)
        except Exception as error:
            raised.append(error)
        return False

    guarded = GuardedServer(serve, _never, ListenSettings(), lambda: b"", Shedder(0.0), bytes)
    server = await asyncio.get_running_loop().create_server(guarded, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    octets = bytearray()
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(5):
            while chunk := await reader.read(65536):
                octets += chunk
    writer.close()
    server.close()
    await guarded.shutdown(1.0)
    await asyncio.sleep(0)
    return bytes(octets), raised[0] if raised else None


def parted(octets: bytes) -> tuple[str, list[str], bytes]:
    """(status line, fields, body)."""
    head, _, body = octets.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    return line, fields, body


def framing(fields: list[str]) -> list[str]:
    return [field for field in fields if field.lower().startswith(("content-length", "transfer-encoding", "connection"))]


CASES: list[tuple[str, int, list[Pair], Body, list[str], bytes]] = [
    ("GET", 200, [], b"hello", ["Content-Length: 5"], b"hello"),
    ("GET", 200, [], b"", ["Content-Length: 0"], b""),
    ("GET", 200, [], Arriving(b"he", b"llo", length=5), ["Content-Length: 5"], b"hello"),
    ("GET", 200, [], Arriving(b"he", b"llo"), ["Transfer-Encoding: chunked"], b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    ("GET", 200, [], Arriving(), ["Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    ("GET", 200, [], Arriving(b"he", b"", b"llo"), ["Transfer-Encoding: chunked"], b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    ("GET", 204, [], b"", [], b""),
    ("GET", 204, [], Arriving(b"x"), [], b""),
    ("GET", 304, [("ETag", "x")], b"", [], b""),
    ("GET", 304, [("Content-Length", "9")], b"", ["Content-Length: 9"], b""),
    ("HEAD", 200, [("Content-Length", "9")], b"", ["Content-Length: 9"], b""),
    ("HEAD", 200, [], b"hello", ["Content-Length: 5"], b""),
    ("HEAD", 200, [], b"", [], b""),
    ("HEAD", 200, [], Arriving(b"x", length=1), [], b""),
    ("GET", 500, [], b"oops", ["Content-Length: 4"], b"oops"),
]


@pytest.mark.parametrize(("method", "status", "fields", "body", "expected", "octets"), CASES)
async def test_framing(method: str, status: int, fields: list[Pair], body: Body, expected: list[str], octets: bytes) -> None:
    got, error = await answered(Response(status, Headers(fields), body), method=method)
    _, found, rest = parted(got)

    assert error is None
    assert (framing(found), rest) == (expected, octets)
    assert isinstance(body, bytes) or getattr(body, "closed", False)


async def test_http_1_0_gets_no_chunks_and_the_close_ends_the_body() -> None:
    got, _ = await answered(Response(200, Headers(), Arriving(b"he", b"llo")), http_1_0=True)
    _, fields, body = parted(got)

    assert (framing(fields), body) == (["Connection: close"], b"hello")


@pytest.mark.parametrize(
    ("http_1_0", "keep_alive", "expected"), [(True, True, "keep-alive"), (True, False, "close"), (False, False, "close")]
)
async def test_what_becomes_of_the_connection(http_1_0: bool, keep_alive: bool, expected: str) -> None:
    _, fields, _ = parted((await answered(Response(200, Headers(), b""), http_1_0=http_1_0, keep_alive=keep_alive))[0])

    assert f"Connection: {expected}" in fields


async def test_our_fields_stand_beside_the_upstreams() -> None:
    theirs = [("x-A", "\xe9"), ("Date", "yesterday"), ("X-A", "2"), ("X-Request-Id", "theirs"), ("Set-Cookie", "a=b"), ("set-cookie2", "c")]
    exchange = made(
        cache_status="gateway; hit; ttl=42",
        rate_limit=(("RateLimit-Policy", '"a";q=1'), ("RateLimit", '"a";r=0;t=1')),
        upstream_seconds=0.25,
        queue_seconds=0.125,
    )
    line, fields, _ = parted((await answered(Response(200, Headers(theirs), b"", "Gr\xfc\xdfe"), exchange))[0])

    assert line == "HTTP/1.1 200 Gr\xfc\xdfe"
    assert fields == [
        "x-A: \xe9",
        "Date: yesterday",
        "X-A: 2",
        "Content-Length: 0",
        "Cache-Status: gateway; hit; ttl=42",
        'RateLimit-Policy: "a";q=1',
        'RateLimit: "a";r=0;t=1',
        "Via: 1.1 gateway",
        "X-Request-Id: id-1",
        "Server-Timing: gateway;dur=125.000, queue;dur=125.000, upstream;dur=250.000",
    ]


async def test_a_date_and_a_reason_where_there_is_none() -> None:
    line, fields, _ = parted((await answered(Response(404, Headers(), b"")))[0])

    assert line == "HTTP/1.1 404 Not Found"
    assert "Date: Tue, 14 Nov 2023 22:13:20 GMT" in fields


@pytest.mark.parametrize("length", [None, 9])
async def test_a_body_that_breaks_off_never_looks_complete(length: int | None) -> None:
    body = Arriving(b"half", length=length, error=UpstreamUnreachable("broke off"))
    got, error = await answered(Response(200, Headers(), body))

    assert isinstance(error, BrokenOff)
    assert error.error.slug == "upstream-unreachable"
    assert not got.endswith(b"0\r\n\r\n")
    assert body.closed


async def test_octets_that_go_down_are_counted() -> None:
    exchange = made()
    await answered(Response(200, Headers(), Arriving(b"he", b"llo")), exchange)
    await answered(Response(200, Headers(), b"hello"), exchange)
    await answered(Response(200, Headers(), b"hello"), exchange, method="HEAD")

    assert exchange.bytes_down == 10


async def test_a_caller_who_left_gets_nothing_and_the_body_is_freed() -> None:
    body = Arriving(b"x")
    connection = CallerConnection(
        GuardedServer(_never, _never, ListenSettings(), lambda: b"", Shedder(0.0), bytes), asyncio.get_running_loop(), ListenSettings()
    )
    with pytest.raises(ConnectionError):
        await write(connection, Response(200, Headers(), body), made(), method="GET", http_1_0=False, keep_alive=True, now=10.5)

    assert body.closed


async def _never(*_: object) -> bool:
    raise AssertionError("nobody calls")
