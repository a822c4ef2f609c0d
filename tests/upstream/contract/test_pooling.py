"""Connections are kept, used again, given up in time, and never more than allowed; seen from the origin's end."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import GatewayError, Overloaded, UpstreamUnreachable
from gateway.upstream.protocol import UpstreamClient
from tests.upstream.contract.conftest import Clients
from tests.upstream.contract.origins import HEAD, OK, SOON, Served, Wire, always, get, mute, once, serving, whole


async def test_a_connection_is_used_again(clients: Clients) -> None:
    async with serving(always(OK)) as served, clients() as client:
        for _ in range(5):
            assert await whole(await get(client, served.origin)) == b"ok"
        assert len(served.wires) == served.open == 1


async def test_calls_at_once_have_a_connection_each(clients: Clients) -> None:
    async with serving(always(OK)) as served, clients() as client:
        answers = await asyncio.gather(*(get(client, served.origin) for _ in range(8)))
        assert [answer.status for answer in answers] == [200] * 8
        assert len(served.wires) == served.open == 8


async def test_fresh_takes_no_kept_connection(clients: Clients) -> None:
    async with serving(always(OK)) as served, clients() as client:
        await get(client, served.origin)
        await get(client, served.origin, fresh=True)
        assert len(served.wires) == 2


async def test_fresh_does_not_queue_behind_connections_that_are_only_kept(clients: Clients) -> None:
    async with serving(always(OK)) as served, clients(max_connections=1, connect_timeout=1.0) as client:
        await get(client, served.origin)
        assert (await get(client, served.origin, fresh=True)).status == 200
        await served.settled(1)


async def test_a_fresh_connection_is_kept_in_place_of_the_one_that_made_room(clients: Clients) -> None:
    async with serving(always(OK)) as served, clients(max_connections=1) as client:
        await get(client, served.origin)
        await get(client, served.origin, fresh=True)
        clients.differs("aiohttp", "fresh calls have a pool of their own, which keeps nothing")
        await asyncio.wait_for(served.wires[0].left.wait(), 0.5)
        assert served.wires[1].open


async def test_without_keep_alive_no_connection_is_kept(clients: Clients) -> None:
    async with serving(always(OK)) as served, clients(keep_alive=0.0) as client:
        await get(client, served.origin)
        await get(client, served.origin)
        assert len(served.wires) == 2
        await served.settled()


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["connection: close", "HTTP/1.0"],
)
async def test_a_connection_that_its_upstream_will_close_is_not_kept(clients: Clients, octets: bytes) -> None:
    async with serving(always(octets)) as served, clients() as client:
        assert await whole(await get(client, served.origin)) == b"ok"
        assert await whole(await get(client, served.origin)) == b"ok"
        assert len(served.wires) == 2


async def test_origins_do_not_share_connections(clients: Clients) -> None:
    async with serving(always(OK)) as one, serving(always(OK)) as other, clients() as client:
        await get(client, one.origin)
        await get(client, other.origin)
        assert (len(one.wires), len(other.wires)) == (1, 1)


async def test_a_kept_connection_that_the_upstream_closed_is_not_used(clients: Clients) -> None:
    async with serving(once(OK)) as served, clients() as client:
        await get(client, served.origin)
        await served.settled()
        await asyncio.sleep(0.02)  # the FIN is here
        assert (await get(client, served.origin)).status == 200
        assert len(served.wires) == 2


@pytest.mark.parametrize("reset", [False, True])
async def test_a_kept_connection_that_dies_on_the_next_request_is_stale(clients: Clients, reset: bool) -> None:
    heads = []

    async def handler(wire: Wire) -> None:
        heads.append(await wire.head())
        await wire.send(OK)
        heads.append(await wire.head())
        if reset:
            wire.reset()

    async with serving(handler) as served, clients() as client:
        await get(client, served.origin)
        with pytest.raises(clients.stale) as raised:
            await get(client, served.origin)
        assert isinstance(raised.value, UpstreamUnreachable)
        assert not raised.value.never_left
        await served.settled()
    assert heads == [HEAD] * 2  # no second attempt behind one's back, idempotent as it would be


@pytest.mark.parametrize("reset", [False, True])
async def test_a_new_connection_that_ends_without_an_answer_is_not_stale(clients: Clients, reset: bool) -> None:
    heads = []

    async def handler(wire: Wire) -> None:
        heads.append(await wire.head())
        if reset:
            wire.reset()

    async with serving(handler) as served, clients() as client:
        with pytest.raises(UpstreamUnreachable) as raised:
            await get(client, served.origin)
        assert not isinstance(raised.value, clients.stale)
        assert not raised.value.never_left
        await served.settled()
    assert heads == [HEAD]


@pytest.mark.parametrize("reset", [False, True])
async def test_a_kept_connection_that_ends_inside_a_head_is_not_stale(clients: Clients, reset: bool) -> None:
    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(OK)
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-")
        if reset:
            await asyncio.sleep(0.03)
            wire.reset()

    clients.differs("aiohttp", "a reset inside the head looks as one before it", where=reset)
    async with serving(handler) as served, clients() as client:
        await get(client, served.origin)
        with pytest.raises(GatewayError) as raised:
            await get(client, served.origin)
        assert not isinstance(raised.value, clients.stale)


async def test_idle_connections_are_closed(clients: Clients) -> None:
    async with serving(always(OK)) as served, clients(keep_alive=0.1) as client:
        await asyncio.gather(get(client, served.origin), get(client, served.origin))
        assert served.open == 2
        await served.settled()
        assert (await get(client, served.origin)).status == 200
        await served.settled()  # it begins anew


async def test_a_connection_past_its_time_is_not_used(clients: Clients) -> None:
    async with serving(always(OK)) as served, clients(keep_alive=0.1) as client:
        await get(client, served.origin)
        await asyncio.sleep(0.15)
        await get(client, served.origin)
        assert len(served.wires) == 2


async def test_a_connection_in_use_is_not_idle(clients: Clients) -> None:
    async def slow(wire: Wire) -> None:
        while True:
            await wire.head()
            await asyncio.sleep(0.3)
            await wire.send(OK)

    async with serving(slow) as served, clients(keep_alive=0.05) as client:
        assert (await get(client, served.origin)).status == 200


async def test_closing_the_client_closes_what_is_kept(clients: Clients) -> None:
    async with serving(always(OK)) as served:
        async with clients() as client:
            await asyncio.gather(*(get(client, served.origin) for _ in range(3)))
            assert served.open == 3
        await served.settled()


async def test_closing_the_client_lets_an_answer_end_and_closes_its_connection_then(clients: Clients) -> None:
    go = asyncio.Event()

    async def handler(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await go.wait()
        await wire.send(b"ok")
        await wire.gone()

    clients.differs("aiohttp", "closing the client ends what is under way")
    async with serving(handler) as served:
        async with clients() as client:
            response = await get(client, served.origin)
        go.set()
        assert await whole(response) == b"ok"
        await served.settled()


# --- max_connections


async def test_beyond_max_connections_calls_wait_in_line(clients: Clients) -> None:
    async with serving(always(OK)) as served, clients(max_connections=2) as client:
        answers = await asyncio.gather(*(get(client, served.origin) for _ in range(20)))
        assert [answer.status for answer in answers] == [200] * 20
        assert len(served.wires) == 2


async def test_a_place_in_line_times_out_as_overloaded(clients: Clients) -> None:
    async with serving(mute) as served, clients(max_connections=1, connect_timeout=SOON) as client:
        holder = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.02)
        with pytest.raises(Overloaded) as raised:
            await get(client, served.origin)
        assert raised.value.retry_after
        assert raised.value.never_left
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)
        await served.settled()


async def test_a_lost_connection_lets_the_next_in_line_go(clients: Clients) -> None:
    first = asyncio.Event()

    async def handler(wire: Wire) -> None:
        await wire.head()
        if not first.is_set():
            first.set()
            await wire.gone()
        await wire.send(OK)

    async with serving(handler) as served, clients(max_connections=1) as client:
        holder = asyncio.create_task(get(client, served.origin))
        await first.wait()
        waiting = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.02)
        holder.cancel()
        assert (await asyncio.wait_for(waiting, 2)).status == 200


async def held(client: UpstreamClient, served: Served) -> asyncio.Task[bytes]:
    """A call that holds its connection until its origin answers."""

    async def hold() -> bytes:
        return await whole(await get(client, served.origin))

    task = asyncio.create_task(hold())
    await asyncio.sleep(0.05)
    return task


@pytest.mark.parametrize("turns", range(-1, 12))
async def test_who_leaves_the_line_takes_no_place_along(clients: Clients, turns: int) -> None:
    """Before its turn (-1), or so many turns of the loop after the place came free."""
    release = asyncio.Event()

    async def handler(wire: Wire) -> None:
        await wire.head()
        await release.wait()
        while True:
            await wire.send(OK)
            await wire.head()

    async with serving(handler) as served, clients(max_connections=1, connect_timeout=3.0) as client:
        holder = await held(client, served)
        leaver = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.01)
        patient = asyncio.create_task(get(client, served.origin))
        await asyncio.sleep(0.01)
        if turns < 0:
            leaver.cancel()
            await asyncio.sleep(0.01)
        release.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        leaver.cancel()
        assert (await asyncio.wait_for(patient, 3)).status == 200
        assert await holder == b"ok"
        await asyncio.gather(leaver, return_exceptions=True)
