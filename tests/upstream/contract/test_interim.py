"""Interim answers of an upstream: told of one by one before the final answer, and never more than a hundred (RFC 9110 §15.2)."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import UpstreamProtocolError, UpstreamTimeout
from gateway.exchange import Headers, Response
from gateway.upstream.answer_heads import MAX_INTERIM
from gateway.upstream.protocol import Origin, UpstreamClient
from tests.upstream.contract.conftest import Clients
from tests.upstream.contract.origins import HEAD, OK, SOON, Wire, always, once, serving, then_gone, whole

Told = list[tuple[int, dict[str, str]]]
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def interim(status: int, *lines: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status} Whatever", *lines, "", "")).encode("latin-1")


async def get(client: UpstreamClient, origin: Origin, told: Told, *, head_only: bool = False) -> Response:
    return await client.send(
        origin, HEAD, b"", head_only=head_only, interim=lambda status, fields: told.append((status, dict(fields.pairs)))
    )


@pytest.mark.parametrize("status", [102, 103, 104, 110, 199])
async def test_one_is_told_of_and_the_answer_is_the_answer(clients: Clients, status: int) -> None:
    told: Told = []
    async with serving(always(interim(status, "X-A: 1"), OK)) as served, clients() as client:
        for _ in range(2):
            assert await whole(await get(client, served.origin, told)) == b"ok"
        assert told == [(status, {"X-A": "1"})] * 2
        assert len(served.wires) == served.open == 1


async def test_100_is_not_told_of(clients: Clients) -> None:
    told: Told = []
    async with serving(always(interim(100, "X-A: 1"), HINTS, interim(100), OK)) as served, clients() as client:
        assert await whole(await get(client, served.origin, told)) == b"ok"
    assert [status for status, _ in told] == [103]


async def test_several_come_in_order_and_before_the_final_head(clients: Clients) -> None:
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

    async with serving(handler) as served, clients() as client:
        call = asyncio.create_task(client.send(served.origin, HEAD, b"", head_only=False, interim=tell))
        await asyncio.wait_for(three.wait(), 4)
        assert not call.done()
        go_on.set()
        assert (await call).status == 200
    assert seen == [102, 103, 102]


@pytest.mark.parametrize("pieces", [1, 2, 7])
async def test_however_they_are_cut(clients: Clients, pieces: int) -> None:
    octets = interim(103, "X-A: 1") + interim(102) + OK

    async def handler(wire: Wire) -> None:
        await wire.head()
        for start in range(0, len(octets), pieces):
            await wire.send(octets[start : start + pieces])
            await asyncio.sleep(0)
        await wire.gone()

    told: Told = []
    async with serving(handler) as served, clients() as client:
        assert await whole(await get(client, served.origin, told)) == b"ok"
    assert told == [(103, {"X-A": "1"}), (102, {})]


@pytest.mark.parametrize("line", ["Content-Length: 5", "Transfer-Encoding: chunked"])
async def test_none_has_a_body_whatever_it_says(clients: Clients, line: str) -> None:
    async with serving(once(interim(103, line), OK)) as served, clients() as client:
        assert await whole(await get(client, served.origin, [])) == b"ok"


async def test_one_that_announces_the_end_does_not_end_the_answer(clients: Clients) -> None:
    clients.differs("aiohttp", "an interim answer with Connection: close takes the final one down")
    async with serving(once(interim(103, "Connection: close"), OK)) as served, clients() as client:
        assert await whole(await get(client, served.origin, [])) == b"ok"


@pytest.mark.parametrize(("number", "refused"), [(MAX_INTERIM, False), (MAX_INTERIM + 1, True), (5000, True)])
async def test_too_many_are_no_answer(clients: Clients, number: int, refused: bool) -> None:
    told: Told = []
    async with serving(once(interim(103) * number, OK)) as served, clients() as client:
        if refused:
            with pytest.raises(UpstreamProtocolError, match="interim"):
                await get(client, served.origin, told)
        else:
            assert (await get(client, served.origin, told)).status == 200
        assert len(told) == min(number, MAX_INTERIM)
        await served.settled()


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
async def test_one_that_may_not_be_is_no_answer_and_nobody_is_told(clients: Clients, octets: bytes) -> None:
    told: Told = []
    async with serving(once(octets, OK)) as served, clients() as client:
        with pytest.raises(UpstreamProtocolError):
            await get(client, served.origin, told)
        await served.settled()
    assert told == []


@pytest.mark.parametrize("late", [HINTS, HINTS + OK, interim(102)])
async def test_none_is_told_of_behind_the_final_head_and_the_connection_is_not_used_again(clients: Clients, late: bytes) -> None:
    told: Told = []
    async with serving(then_gone(OK, late)) as served, clients() as client:
        for _ in range(2):
            assert await whole(await get(client, served.origin, told)) == b"ok"
        assert len(served.wires) == 2
    assert told == []


@pytest.mark.parametrize("head_only", [False, True])
async def test_an_interim_answer_is_no_final_one(clients: Clients, head_only: bool) -> None:
    told: Told = []
    async with serving(then_gone(HINTS)) as served, clients(response_timeout=SOON) as client:
        with pytest.raises(UpstreamTimeout):
            await get(client, served.origin, told, head_only=head_only)
        await served.settled()
    assert len(told) == 1


async def test_one_that_the_upstream_leaves_after_is_a_broken_answer(clients: Clients) -> None:
    async with serving(once(HINTS)) as served, clients() as client:
        with pytest.raises(UpstreamProtocolError):
            await get(client, served.origin, [])


async def test_without_anybody_to_tell_they_are_left_out(clients: Clients) -> None:
    async with serving(always(HINTS * 3, OK)) as served, clients() as client:
        answer = await client.send(served.origin, HEAD, b"", head_only=False)
        assert await whole(answer) == b"ok"
        assert "link" not in answer.headers


async def test_the_next_call_on_the_connection_does_not_tell_the_one_before(clients: Clients) -> None:
    first: Told = []
    second: Told = []
    async with serving(always(HINTS, OK)) as served, clients() as client:
        await get(client, served.origin, first)
        await client.send(served.origin, HEAD, b"", head_only=False)
        await get(client, served.origin, second)
    assert (len(first), len(second)) == (1, 1)
