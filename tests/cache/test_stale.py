"""Stale answers: while another is fetched, and where none can be had; and never where something forbids it (RFC 5861, RFC 9111 §4.2.4)."""

from __future__ import annotations

import pytest

from gateway.cache import CachePolicy, Found, Fresh, Lifetimes
from gateway.errors import BodyTooLarge, GatewayError, Overloaded, RateLimited, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Exchange, Headers, Pair, Request, Response, Target
from tests.cache.house import ACME, DEV, House

LIFETIMES = Lifetimes(60, stale_while_revalidate=30, stale_if_error=600)
FORBIDDING = ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60", "stale-while-revalidate=0, stale-if-error=0"]


async def stored(*fields: Pair, lifetimes: Lifetimes = LIFETIMES) -> House:
    house = House(CachePolicy(lifetimes=lifetimes))
    asking = house.start(1)
    (await house.left(1))[0].answer(*fields)
    await asking[0]
    house.calls.clear()
    return house


async def looked(house: House, *fields: Pair) -> tuple[Found, Exchange]:
    request, exchange = Request("GET", "/contacts", Headers(fields)), Exchange("id", "GET", "/contacts", 0.0)
    return await house.cache.look_up(request, Target(DEV, ACME, "/contacts"), exchange), exchange


async def is_given(house: House, *fields: Pair) -> bool:
    """Whether a stored answer is given; the call to renew it is not made."""
    found, _ = await looked(house, *fields)
    house.cache.abandon(found.refresh if isinstance(found, Fresh) and found.refresh else found)
    return isinstance(found, Fresh)


class TestWhileRevalidating:
    async def test_it_is_given_and_asked_for_once(self) -> None:
        house = await stored(("ETag", '"1"'))
        house.now += 61
        found, exchange = await looked(house)
        again, _ = await looked(house)

        assert isinstance(found, Fresh)
        assert isinstance(again, Fresh)
        assert found.refresh is not None
        assert found.refresh.conditions == (("If-None-Match", '"1"'),)
        assert again.refresh is None
        assert (exchange.cache, exchange.cache_status) == ("stale", "gateway; hit; ttl=-1; detail=stale-while-revalidate")
        assert found.response.headers.get("age") == "61"

    async def test_until_the_window_ends(self) -> None:
        house = await stored()
        house.now += 89.9
        assert await is_given(house)
        house.now += 0.1
        assert not await is_given(house)

    async def test_a_revalidation_that_cannot_be_made_is_left_to_the_next(self) -> None:
        house = await stored()
        house.now += 61
        found, _ = await looked(house)
        assert isinstance(found, Fresh)
        assert found.refresh is not None
        house.cache.abandon(found.refresh)
        found, _ = await looked(house)
        assert isinstance(found, Fresh)
        assert found.refresh is not None

    async def test_its_answer_is_the_next_ones(self) -> None:
        house = await stored()
        house.now += 61
        found, _ = await looked(house)
        assert isinstance(found, Fresh)
        assert found.refresh is not None
        request, exchange = Request("GET", "/contacts", Headers()), Exchange("id", "GET", "/contacts", 0.0)
        renewed = Response(200, Headers([("Content-Type", "application/json")]), b"[2]")
        await house.cache.settle(request, Target(DEV, ACME, "/contacts"), found.refresh, renewed, exchange)

        response, exchange = await house.get()
        assert (response.body, exchange.cache_status) == (b"[2]", "gateway; hit; ttl=60")

    @pytest.mark.parametrize("directive", FORBIDDING)
    async def test_the_answer_may_forbid_it(self, directive: str) -> None:
        house = await stored(("Cache-Control", f"max-age=60, {directive}"), ("ETag", '"1"'))
        house.now += 61
        assert not await is_given(house)

    async def test_the_answers_own_window_goes_before_the_configured_one(self) -> None:
        house = await stored(("Cache-Control", "max-age=60, stale-while-revalidate=5"))
        house.now += 64
        assert await is_given(house)
        house.now += 2
        assert not await is_given(house)

    @pytest.mark.parametrize("wish", ["no-cache", "max-age=60", "min-fresh=1"])
    async def test_a_caller_may_tighten(self, wish: str) -> None:
        house = await stored()
        house.now += 61
        assert not await is_given(house, ("Cache-Control", wish))

    async def test_and_not_loosen(self) -> None:
        house = await stored(lifetimes=Lifetimes(60))
        house.now += 61
        assert not await is_given(house, ("Cache-Control", "max-stale=1000"))

    async def test_who_wants_only_what_is_cached_gets_it(self) -> None:
        house = await stored()
        house.now += 61
        assert await is_given(house, ("Cache-Control", "only-if-cached"))
        house.now += 40
        with pytest.raises(UpstreamTimeout):
            await looked(house, ("Cache-Control", "only-if-cached"))


async def asked(house: House, outcome: int | GatewayError, *fields: Pair) -> tuple[Response, Exchange]:
    asking = house.start(1, "/contacts", *fields)
    (call,) = await house.left(1)
    if isinstance(outcome, GatewayError):
        call.done.set_exception(outcome)
    else:
        call.answer(status=outcome, body=b"broken")
    return await asking[0]


FAILURES = [
    (500, "500"), (502, "502"), (503, "503"), (504, "504"),
    (UpstreamUnreachable(), "upstream-unreachable"), (UpstreamTimeout(), "upstream-timeout"),
    (UpstreamProtocolError(), "upstream-protocol-error"), (RateLimited(), "rate-limited"), (Overloaded(), "overloaded"),
]  # fmt: skip


class TestOnErrors:
    @pytest.mark.parametrize(("outcome", "detail"), FAILURES)
    async def test_it_stands_in(self, outcome: int | GatewayError, detail: str) -> None:
        house = await stored()
        house.now += 659
        response, exchange = await asked(house, outcome)

        assert (response.status, response.body) == (200, b"[1]")
        assert (exchange.cache, exchange.cache_status) == ("stale", f"gateway; fwd=stale; detail={detail}")

    @pytest.mark.parametrize("outcome", [501, 404, 429])
    async def test_an_answer_that_says_something_is_the_answer(self, outcome: int) -> None:
        house = await stored()
        house.now += 100
        response, _ = await asked(house, outcome)
        assert response.status == outcome

    async def test_a_fault_of_the_callers_is_the_callers(self) -> None:
        house = await stored()
        house.now += 100
        with pytest.raises(BodyTooLarge):
            await asked(house, BodyTooLarge())

    async def test_not_beyond_the_window(self) -> None:
        house = await stored()
        house.now += 660
        assert (await asked(house, 503))[0].status == 503

    @pytest.mark.parametrize("directive", FORBIDDING)
    async def test_the_answer_may_forbid_it(self, directive: str) -> None:
        house = await stored(("Cache-Control", f"max-age=60, {directive}"), ("ETag", '"1"'))
        house.now += 61
        with pytest.raises(UpstreamUnreachable):
            await asked(house, UpstreamUnreachable())

    @pytest.mark.parametrize("wish", ["no-cache", "max-age=10", "min-fresh=1"])
    async def test_a_caller_may_tighten(self, wish: str) -> None:
        house = await stored()
        house.now += 100
        assert (await asked(house, 503, ("Cache-Control", wish)))[0].status == 503

    async def test_without_policy_there_is_none(self) -> None:
        house = await stored(lifetimes=Lifetimes(60))
        house.now += 61
        assert (await asked(house, 503))[0].status == 503

    async def test_a_write_meanwhile_makes_it_worthless(self) -> None:
        house = await stored(("ETag", '"1"'))
        house.now += 100
        asking = house.start(1)
        (call,) = await house.left(1)
        await house.cache.drop_instance("dev", ACME.handle)
        call.answer(status=503)
        assert (await asking[0])[0].status == 503
