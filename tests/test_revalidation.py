"""Calls that nobody waits for: bounded, recorded once as nobody's, and harmless however they end (RFC 5861 §3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.cache import CachePolicy, Fresh, Lifetimes
from gateway.cache.coalesce import FAILED_S
from gateway.errors import GatewayError, RateLimited, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Exchange, Headers, Pair, Request, Response, Target
from gateway.revalidation import MOST, Revalidations, unconditional
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import as_json
from tests.cache.house import ACME, DEV, House

Call = Callable[[Exchange], Awaitable[Response]]


class Watched:
    """Revalidations by a clock of ours, and what they recorded."""

    def __init__(self) -> None:
        self.now = 100.0
        self.recorded: list[Exchange] = []
        self.revalidations = Revalidations(self.recorded.append, lambda: self.now, lambda: 1_700_000_000.0)

    def start(self, call: Call) -> bool:
        return self.revalidations.start(call, asker())

    async def ended(self, number: int) -> list[Exchange]:
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(self.recorded) == number
        return self.recorded


def asker() -> Exchange:
    exchange = Exchange("id-7", "GET", "/contacts/7", 1.0, 2.0, "00-1-2-00")
    exchange.caller, exchange.environment, exchange.customer, exchange.element = "k1", "dev", "acme", "hubspot"
    exchange.handle, exchange.resource = ACME.handle, "/contacts/{id}"
    exchange.cache, exchange.cache_status, exchange.status = "stale", "gateway; hit", 200
    return exchange


@pytest.fixture
def watched() -> Watched:
    return Watched()


class Body:
    """A body of pieces, one of which may be an error."""

    length = None

    def __init__(self, *pieces: bytes | GatewayError) -> None:
        self.pieces = pieces
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, GatewayError):
                raise piece
            yield piece

    async def aclose(self) -> None:
        self.closed = True


async def test_it_is_recorded_once_as_that_callers_and_nobodys(watched: Watched) -> None:
    async def call(exchange: Exchange) -> Response:
        exchange.upstream_calls, exchange.upstream_status = 1, 304
        watched.now += 2.5
        return Response(200, Headers(), b"[1]")

    assert watched.start(call)
    (exchange,) = await watched.ended(1)
    assert exchange.background
    assert (exchange.request_id, exchange.method, exchange.path, exchange.traceparent) == ("id-7", "GET", "/contacts/7", "00-1-2-00")
    assert (exchange.caller, exchange.environment, exchange.customer, exchange.element) == ("k1", "dev", "acme", "hubspot")
    assert (exchange.handle, exchange.resource) == (ACME.handle, "/contacts/{id}")
    assert (exchange.status, exchange.outcome, exchange.total_seconds, exchange.time) == (200, "ok", 2.5, 1_700_000_000.0)
    assert as_json(exchange)["background"] is True


async def test_it_counts_as_a_call_that_left_and_not_as_a_request(watched: Watched) -> None:
    async def call(exchange: Exchange) -> Response:
        exchange.upstream_calls, exchange.upstream_status = 1, 200
        return Response(200, Headers(), b"")

    watched.start(call)
    metrics = Metrics()
    metrics.count((await watched.ended(1))[0])
    text = metrics.expose("")[0].decode()
    assert "\ngateway_requests_total{" not in text
    assert (
        'gateway_upstream_requests_total{element="hubspot",environment="dev",method="GET",resource="/contacts/{id}",status="200"} 1.0'
        in text
    )


@pytest.mark.parametrize("error", [UpstreamUnreachable(), UpstreamTimeout(), RateLimited("x", retry_after=1)])
async def test_an_error_is_swallowed_and_recorded(watched: Watched, error: GatewayError) -> None:
    async def call(_: Exchange) -> Response:
        raise error

    watched.start(call)
    (exchange,) = await watched.ended(1)
    assert (exchange.status, exchange.outcome) == (error.status, error.slug)


async def test_a_body_is_read_to_its_end_and_closed(watched: Watched) -> None:
    body = Body(b"ab", b"cde")

    async def call(_: Exchange) -> Response:
        return Response(200, Headers(), body)

    watched.start(call)
    (exchange,) = await watched.ended(1)
    assert (exchange.bytes_down, exchange.outcome, body.closed) == (5, "ok", True)


async def test_a_body_that_breaks_is_recorded_so(watched: Watched) -> None:
    async def call(_: Exchange) -> Response:
        return Response(200, Headers(), Body(b"ab", UpstreamUnreachable()))

    watched.start(call)
    (exchange,) = await watched.ended(1)
    assert (exchange.bytes_down, exchange.outcome) == (2, "upstream-unreachable")


async def test_their_number_is_bounded_and_room_comes_back(watched: Watched) -> None:
    go_on = asyncio.Event()

    async def call(_: Exchange) -> Response:
        await go_on.wait()
        return Response(200, Headers(), b"")

    assert [watched.start(call) for _ in range(MOST + 3)] == [True] * MOST + [False] * 3
    go_on.set()
    await watched.ended(MOST)
    assert watched.start(call)
    await watched.ended(MOST + 1)


async def test_at_the_stop_all_are_ended(watched: Watched) -> None:
    async def call(_: Exchange) -> Response:
        await asyncio.sleep(60)
        raise AssertionError

    for _ in range(5):
        watched.start(call)
    await watched.ended(0)
    await watched.revalidations.close()
    assert len(watched.recorded) == 5
    assert len(asyncio.all_tasks()) == 1
    await watched.revalidations.close()


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        (("If-None-Match", '"1"'), False),
        (("If-Modified-Since", "x"), False),
        (("Range", "bytes=0-1"), False),
        (("If-Range", '"1"'), False),
        (("Cache-Control", "max-age=0"), False),
        (("pragma", "no-cache"), False),
        (("Prefer", "wait=0"), False),
        (("Expect", "100-continue"), False),
        (("Accept", "text/csv"), True),
        (("Accept-Encoding", "gzip"), True),
        (("Elements-Version", "Helium"), True),
        (("X-Any", "1"), True),
    ],
)
def test_what_the_caller_wanted_for_itself_is_not_asked_for(field: Pair, sent: bool) -> None:
    request = Request("GET", "/x?a=1", Headers([field]), interim=lambda _, __: None)
    again = unconditional(request)
    assert (field[0].lower() in again.headers) is sent
    assert (again.method, again.target, again.interim) == ("GET", "/x?a=1", None)
    assert request.interim is not None


class TestThroughTheCache:
    """A stale answer, and the call behind it, as the pipeline goes it."""

    async def stale(self) -> tuple[House, Revalidations, list[Exchange]]:
        house, recorded = House(CachePolicy(lifetimes=Lifetimes(60, 30))), list[Exchange]()
        (asking,) = house.start(1)
        (await house.left(1))[0].answer(("ETag", '"1"'))
        await asking
        house.now += 61
        return house, Revalidations(recorded.append, time.monotonic, time.time), recorded

    async def look(self, house: House, revalidations: Revalidations) -> Exchange:
        request, target, exchange = Request("GET", "/contacts", Headers()), Target(DEV, ACME, "/contacts"), asker()
        found = await house.cache.look_up(request, target, exchange)
        assert isinstance(found, Fresh)
        refresh = found.refresh
        if refresh is not None:

            async def again(background: Exchange) -> Response:
                (call,) = house.start(1, "/behind")
                try:
                    response, _ = await call
                except BaseException as error:
                    await house.cache.failed(request, target, refresh, error, background)
                    raise
                return await house.cache.settle(request, target, refresh, response, background)

            assert revalidations.start(again, exchange)
        return exchange

    async def test_once_for_all_who_ask(self) -> None:
        house, revalidations, recorded = await self.stale()
        assert [(await self.look(house, revalidations)).cache for _ in range(20)] == ["stale"] * 20
        (await house.left(2))[1].answer(body=b"[2]")
        await house.left(2)
        assert [exchange.outcome for exchange in recorded] == ["ok"]
        response, exchange = await house.get()
        assert (response.body, exchange.cache) == (b"[2]", "hit")

    async def test_one_that_fails_leaves_what_there_was_and_is_tried_again_a_moment_later(self) -> None:
        house, revalidations, recorded = await self.stale()
        for number in (2, 3):
            await self.look(house, revalidations)
            (await house.left(number))[-1].done.set_exception(UpstreamUnreachable())
            await house.left(number)
            assert (await self.look(house, revalidations)).cache == "stale"
            await house.left(number)  # not at once: the budget is for those who wait
            house.now += FAILED_S + 0.1
        assert [exchange.outcome for exchange in recorded] == ["upstream-unreachable"] * 2
        assert not house.cache._flights._flying

    async def test_one_that_is_ended_at_the_stop_leaves_nobody_waiting(self) -> None:
        house, revalidations, _ = await self.stale()
        await self.look(house, revalidations)
        await house.left(2)
        waiting = house.start(1, "/contacts", ("Cache-Control", "min-fresh=1"))
        await house.left(2)
        await revalidations.close()
        (await house.left(3))[2].answer()
        assert (await waiting[0])[1].cache == "miss"
