"""Heads, both ways: a request goes up as it was made; of an answer every octet comes down, or none (RFC 9112 §4, §5, §6.3)."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import GatewayError, UpstreamProtocolError
from tests.support.misbehaviour import DOUBTFUL, NONSENSE
from tests.upstream.contract.conftest import Clients
from tests.upstream.contract.origins import OK, Wire, always, get, serving, then_gone, whole


@pytest.mark.parametrize(
    "head",
    [
        b"GET /a?b=c HTTP/1.1\r\nHost: o\r\n\r\n",
        b"GET //a/../%2e%2e/b%20c?#? HTTP/1.1\r\nHost: o\r\n\r\n",
        b"GET /a? HTTP/1.1\r\nHost: elsewhere:99\r\nX-b: 1\r\nx-B: 2\r\nA: \xe4\xff\xe2\x82\xac\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: o\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: o\r\n\r\n",
        b"report /a HTTP/1.1\r\nHost: o\r\nCookie: a=b\r\nAuthorization: User x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: o\r\nExpect-CT: 1\r\nAccept-Encoding: \r\n\r\n",
    ],
)
async def test_a_request_goes_as_it_was_made(clients: Clients, head: bytes) -> None:
    heads = []

    async def handler(wire: Wire) -> None:
        while True:
            heads.append(await wire.head())
            await wire.send(OK)

    async with serving(handler) as served, clients() as client:
        for _ in range(2):
            assert await whole(await get(client, served.origin, head=head)) == b"ok"
        assert heads == [head] * 2


async def test_written_is_told_when_the_head_has_a_connection(clients: Clients) -> None:
    told: list[str] = []

    async def handler(wire: Wire) -> None:
        await wire.head()
        told.append("arrived")
        await wire.send(OK)
        await wire.gone()

    async with serving(handler) as served, clients() as client:
        await client.send(served.origin, b"GET / HTTP/1.1\r\nHost: o\r\n\r\n", b"", head_only=False, written=lambda: told.append("written"))
    assert told == ["written", "arrived"]


async def test_written_is_not_told_where_nothing_left(clients: Clients) -> None:
    told: list[str] = []
    async with serving(always(OK)) as served:
        pass
    async with clients() as client:
        with pytest.raises(GatewayError) as raised:
            await client.send(served.origin, b"GET / HTTP/1.1\r\n\r\n", b"", head_only=False, written=lambda: told.append("written"))
    assert raised.value.never_left
    assert told == []


async def test_octets_of_fields_and_reason_come_as_they_are(clients: Clients) -> None:
    octets = b"HTTP/1.1 299 Gr\xfc\xdfe \xe2\x82\xac\r\nX-B: \xe9\x80\r\nx-a: 1\r\nX-A: 2\r\nSet-Cookie: a\r\nContent-Length: 0\r\n\r\n"
    async with serving(always(octets)) as served, clients() as client:
        response = await get(client, served.origin)
        assert (response.status, response.reason.encode("latin-1")) == (299, b"Gr\xfc\xdfe \xe2\x82\xac")
        pairs = (("X-B", "\xe9\x80"), ("x-a", "1"), ("X-A", "2"), ("Set-Cookie", "a"), ("Content-Length", "0"))
        assert response.headers.pairs == pairs


def octets_of(steps: tuple[object, ...]) -> bytes:
    return b"".join(step for step in steps if isinstance(step, bytes))


@pytest.mark.parametrize("name", [*NONSENSE])
async def test_what_is_not_proper_http_is_refused(clients: Clients, name: str) -> None:
    """The origin ends its side behind it, so that nobody waits for more."""

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(octets_of(NONSENSE[name]))
        wire.writer.write_eof()
        await wire.gone()

    async with serving(handler) as served, clients() as client:
        with pytest.raises(UpstreamProtocolError):
            await get(client, served.origin)
        await served.settled()


@pytest.mark.parametrize("name", [*DOUBTFUL])
async def test_what_is_doubtful_is_refused_or_well_formed(clients: Clients, name: str) -> None:
    async with serving(then_gone(octets_of(DOUBTFUL[name]))) as served, clients(response_timeout=1.0, body_timeout=1.0) as client:
        try:
            response = await get(client, served.origin)
        except UpstreamProtocolError:
            return
        assert response.status == 200
        for field, value in response.headers.pairs:
            assert field.isascii()
            assert not set(field + value) & set("\r\n\0")
            assert ":" not in field
        assert len(response.headers.getall("content-length")) == 1
        await whole(response)


@pytest.mark.parametrize("pieces", [1, 2, 7])
async def test_a_head_however_it_is_cut(clients: Clients, pieces: int) -> None:
    octets = b"HTTP/1.1 201 Made\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok"

    async def handler(wire: Wire) -> None:
        await wire.head()
        for start in range(0, len(octets), pieces):
            await wire.send(octets[start : start + pieces])
            await asyncio.sleep(0)
        await wire.gone()

    async with serving(handler) as served, clients() as client:
        response = await get(client, served.origin)
        assert (response.status, response.reason, response.headers.get("x-a")) == (201, "Made", "1")
        assert await whole(response) == b"ok"
