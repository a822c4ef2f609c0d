"""Interim answers of an upstream: told of one by one before the final answer, and never more than a hundred (RFC 9110 §15.2)."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import UpstreamProtocolError, UpstreamTimeout
from gateway.exchange import Headers, Request, Response
from gateway.upstream.client import Client
from gateway.upstream.connection import MAX_INTERIM
from gateway.upstream.pool import Origin
from tests.upstream.test_client import HEAD, OK, Wire, always, once, opened, serving, settings, settled, whole
from tests.upstream.test_sender import ORGANIZATION, TOKEN, USER, scene

Told = list[tuple[int, dict[str, str]]]
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def interim(status: int, *lines: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status} Whatever", *lines, "", "")).encode("latin-1")


async def get(client: Client, origin: Origin, told: Told, *, head_only: bool = False) -> Response:
    return await client.send(
        origin, HEAD, b"", head_only=head_only, interim=lambda status, fields: told.append((status, dict(fields.pairs)))
    )


@pytest.mark.parametrize("status", [102, 103, 104, 110, 199])
async def test_one_is_told_of_and_the_answer_is_the_answer(status: int) -> None:
    told: Told = []
    async with serving(always(interim(status, "X-A: 1"), OK)) as served, Client(settings()) as client:
        for _ in range(2):
            assert await whole(await get(client, served.origin, told)) == b"ok"
        assert told == [(status, {"X-A": "1"})] * 2
        assert len(served.wires) == opened(client, served.origin) == 1


async def test_100_is_not_told_of() -> None:
    told: Told = []
    async with serving(always(interim(100, "X-A: 1"), HINTS, interim(100), OK)) as served, Client(settings()) as client:
        assert await whole(await get(client, served.origin, told)) == b"ok"
    assert [status for status, _ in told] == [103]


async def test_several_come_in_order_and_before_the_final_head() -> None:
    seen: list[int] = []
    go_on, three = asyncio.Event(), asyncio.Event()

    def tell(status: int, _: Headers) -> None:
        seen.append(status)
        if len(seen) == 3:
            three.set()

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(interim(102), interim(103), interim(102))
        await go_on.wait()
        await wire.send(OK)
        await wire.gone()

    async with serving(handler) as served, Client(settings()) as client:
        call = asyncio.create_task(client.send(served.origin, HEAD, b"", head_only=False, interim=tell))
        await asyncio.wait_for(three.wait(), 4)
        assert not call.done()
        go_on.set()
        assert (await call).status == 200
    assert seen == [102, 103, 102]


@pytest.mark.parametrize("pieces", [1, 2, 7])
async def test_however_they_are_cut(pieces: int) -> None:
    octets = interim(103, "X-A: 1") + interim(102) + OK

    async def handler(wire: Wire) -> None:
        await wire.head()
        for start in range(0, len(octets), pieces):
            await wire.send(octets[start : start + pieces])
            await asyncio.sleep(0)
        await wire.gone()

    told: Told = []
    async with serving(handler) as served, Client(settings()) as client:
        assert await whole(await get(client, served.origin, told)) == b"ok"
    assert told == [(103, {"X-A": "1"}), (102, {})]


@pytest.mark.parametrize("line", ["Content-Length: 5", "Transfer-Encoding: chunked"])
async def test_none_has_a_body_whatever_it_says(line: str) -> None:
    async with serving(once(interim(103, line), OK)) as served, Client(settings()) as client:
        assert await whole(await get(client, served.origin, [])) == b"ok"


async def test_without_anybody_to_tell_they_are_left_out() -> None:
    async with serving(always(HINTS * 3, OK)) as served, Client(settings()) as client:
        answer = await client.send(served.origin, HEAD, b"", head_only=False)
        assert await whole(answer) == b"ok"
        assert "link" not in answer.headers


async def test_the_next_call_on_the_connection_does_not_tell_the_one_before() -> None:
    first: Told = []
    second: Told = []
    async with serving(always(HINTS, OK)) as served, Client(settings()) as client:
        await get(client, served.origin, first)
        await client.send(served.origin, HEAD, b"", head_only=False)
        await get(client, served.origin, second)
    assert (len(first), len(second)) == (1, 1)


@pytest.mark.parametrize(("number", "refused"), [(MAX_INTERIM, False), (MAX_INTERIM + 1, True), (5000, True)])
async def test_too_many_are_no_answer(number: int, refused: bool) -> None:
    told: Told = []
    async with serving(once(interim(103) * number, OK)) as served, Client(settings()) as client:
        if refused:
            with pytest.raises(UpstreamProtocolError, match="interim"):
                await get(client, served.origin, told)
        else:
            assert (await get(client, served.origin, told)).status == 200
        assert len(told) == min(number, MAX_INTERIM)
        await settled(client, served.origin)


@pytest.mark.parametrize(
    "octets",
    [
        interim(101, "Upgrade: h2c", "Connection: Upgrade"),
        interim(99),
        interim(103, "X-A: \x01"),
        interim(103, "X A: 1"),
        interim(103, "Content-Length: 1", "Transfer-Encoding: chunked"),
        b"HTTP/1.1 103 Early\x07Hints\r\n\r\n",
        b"HTTP/2.0 103 Early Hints\r\n\r\n",
    ],
)
async def test_one_that_may_not_be_is_no_answer_and_nobody_is_told(octets: bytes) -> None:
    told: Told = []
    async with serving(once(octets, OK)) as served, Client(settings()) as client:
        with pytest.raises(UpstreamProtocolError):
            await get(client, served.origin, told)
        await settled(client, served.origin)
    assert told == []


@pytest.mark.parametrize("late", [HINTS, HINTS + OK, interim(102)])
async def test_none_is_told_of_behind_the_final_head_and_the_connection_is_not_used_again(late: bytes) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", late)
        await wire.gone()

    told: Told = []
    async with serving(handler) as served, Client(settings()) as client:
        for _ in range(2):
            assert await whole(await get(client, served.origin, told)) == b"ok"
        assert len(served.wires) == 2
    assert told == []


@pytest.mark.parametrize("head_only", [False, True])
async def test_an_interim_answer_is_no_final_one(head_only: bool) -> None:
    told: Told = []

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(HINTS)
        await wire.gone()

    async with serving(handler) as served, Client(settings(response_timeout=0.15)) as client:
        with pytest.raises(UpstreamTimeout):
            await get(client, served.origin, told, head_only=head_only)
        await settled(client, served.origin)
    assert len(told) == 1


async def test_one_that_the_upstream_leaves_after_is_a_broken_answer() -> None:
    async with serving(once(HINTS)) as served, Client(settings()) as client:
        with pytest.raises(UpstreamProtocolError):
            await get(client, served.origin, [])


async def passed(*lines: str) -> Headers:
    """What is passed on of an interim answer with these fields."""
    told: list[Headers] = []
    async with scene([interim(103, *lines) + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]) as here:
        await here.send(Request("GET", "/x", Headers(), interim=lambda _, headers: told.append(headers)))
    (headers,) = told
    return headers


@pytest.mark.parametrize("secret", [USER, ORGANIZATION, TOKEN])
async def test_an_echoed_secret_is_masked(secret: str) -> None:
    headers = await passed(f"Link: </{secret}>", "X-A: 1", f"X-B: {secret}{secret}")
    assert headers.pairs == (("Link", f"</{'*' * len(secret)}>"), ("X-A", "1"), ("X-B", "*" * 2 * len(secret)))


@pytest.mark.parametrize(
    "name",
    ["Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "TE", "Trailer", "Upgrade", "Content-Length", "HTTP2-Settings"],
)
async def test_fields_of_one_hop_are_not_passed_on(name: str) -> None:
    headers = await passed("X-A: 1", f"{name}: 5" if name == "Content-Length" else f"{name}: x", "X-B: \xe4")
    assert headers.pairs == (("X-A", "1"), ("X-B", "\xe4"))


async def test_nor_those_that_connection_names() -> None:
    headers = await passed("Connection: keep-alive, X-Hop", "x-hop: 1", "X-End: 1")
    assert headers.pairs == (("X-End", "1"),)


async def test_a_repeated_call_tells_of_each() -> None:
    """A kept connection that died without a word: the second attempt's interim answers are told of."""
    told: list[int] = []
    ok = HINTS + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with scene([ok, None, ok]) as here:
        for _ in range(2):
            await here.send(Request("GET", "/x", Headers(), interim=lambda status, _: told.append(status)))
    assert told == [103, 103]
