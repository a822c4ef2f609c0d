"""A limit's refusal on demand: each provider's form, each way to say when to come back, and the gateway understands all of them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from gateway.elements.preset import shipped
from gateway.exchange import Headers
from gateway.limits.refusal_text import provider_said
from gateway.limits.retry_after import stay_away
from gateway.limits.signals import Signal, signalled
from gateway.sandbox import Sandbox
from gateway.sandbox.catalog import ELEMENTS
from gateway.sandbox.limits.dialled import WAYS, Refused, Way
from gateway.sandbox.limits.forms import FORMS
from gateway.sandbox.limits.table import TABLE

from .conftest import Api, Reply

AWAY_S = 600


@pytest.fixture
def sandbox() -> Sandbox:
    """By the real clock, as the ``Date`` of its answers is."""
    return Sandbox(everything=True)


async def refused(api: Api, key: str, **rate_limit: Any) -> Reply:
    await turn(api, key, **rate_limit)
    return await api("GET", "/ping", as_=f"hooli-{key}")


async def turn(api: Api, key: str, **rate_limit: Any) -> None:
    assert (await api("PUT", "/sandbox/dials", as_=None, json={key: {"rate_limit": {"next": 1, **rate_limit}}})).status == 200


def recognised(key: str, reply: Reply) -> bool:
    signals = [Signal(**signal.model_dump()) for signal in shipped()[key].element.limit_signals]
    return signalled(signals, reply.status, Headers(reply.headers.items()), reply.raw) is not None


def test_every_way_has_a_name() -> None:
    assert tuple(WAYS) == get_args(Way)


@pytest.mark.parametrize("told", WAYS)
@pytest.mark.parametrize("form", ["own", "plain", "xero"])
async def test_each_way_to_say_when_is_understood(api: Api, told: str, form: str) -> None:
    reply = await refused(api, "marketo", retry_after=AWAY_S, told=told, form=form)
    found = stay_away(Headers(reply.headers.items()), provider_said(reply.raw), time.time())

    assert found is not None
    assert found.source == (WAYS[told][0] or "message")  # type: ignore[index]
    assert AWAY_S <= found.seconds <= AWAY_S + 2
    assert recognised("marketo", reply)
    assert (await api("GET", "/ping", as_="hooli-marketo")).status == 200


@pytest.mark.parametrize("told", get_args(Way))
def test_no_way_lets_come_back_too_early(told: Way) -> None:
    now = datetime(2026, 11, 22, 10, 0, 0, 400_000, tzinfo=UTC)
    answer = Refused("box", "own", "rate", 2.25, told, now).answer("request-id")
    found = stay_away(Headers(answer.headers.items()), provider_said(answer.encoded()), now.timestamp())

    assert found is not None
    assert 2.2499 <= found.seconds < 3.25


@pytest.mark.parametrize("key", sorted(TABLE.keys() & shipped().keys()))
@pytest.mark.parametrize("kind", ["rate", "daily", "concurrency"])
async def test_an_element_refuses_in_its_own_form(api: Api, key: str, kind: str) -> None:
    reply = await refused(api, key, form="own", kind=kind)

    assert recognised(key, reply)
    assert ("Retry-After" in reply.headers) == (TABLE[key].form in ("retry-after", "xero"))


async def test_a_form_that_tells_a_time_by_itself_tells_the_dial_s(api: Api) -> None:
    assert (await refused(api, "box", form="own", retry_after=7.5)).headers["Retry-After"] == "7.5"
    other = await refused(api, "box", form="own", retry_after=7, told="delta")

    assert (other.headers.get("Retry-After"), other.headers["X-RateLimit-Reset"]) == (None, "7")


async def test_marketo_s_day(api: Api) -> None:
    reply = await refused(api, "marketo", form="own", kind="daily")

    assert (reply.status, reply.json["errors"][0]["code"]) == (200, "607")


async def test_what_has_no_form_of_its_own_is_plain(api: Api) -> None:
    key = next(key for key in ELEMENTS if key not in TABLE)
    await turn(api, "platform", form="own", retry_after=3)
    platform = await api("GET", "/instances")

    assert (platform.status, platform.headers["Retry-After"]) == (429, "3")
    assert (await refused(api, key, form="own")).status == 429


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"form": "carrier pigeon"}, f"hubspot.rate_limit.form: Value error, expected own or one of {', '.join(FORMS)}"),
        ({"told": "soon"}, "hubspot.rate_limit.told: Input should be 'seconds', 'date'"),
        ({"retry_after": -1}, "hubspot.rate_limit.retry_after"),
        ({"retry_after": 1e300}, "hubspot.rate_limit.retry_after"),
        ({"kind": "never"}, "hubspot.rate_limit.kind"),
    ],
)
async def test_what_cannot_be_said_is_refused(api: Api, wrong: dict[str, Any], expected: str) -> None:
    reply = await api("PUT", "/sandbox/dials", as_=None, json={"hubspot": {"rate_limit": wrong}})

    assert reply.status == 400
    assert reply.json["message"].startswith(expected)
