"""``Gateway-Explain: 1`` through the whole corridor: says what would happen, does nothing of it (contract 2.3)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import BadRequest, Forbidden, NoInstance, Unauthenticated
from gateway.exchange import Environment, Exchange, Headers, Instance, Pair, Request, Target
from gateway.explaining import FIELD, wants_explanation
from gateway.limits import Limits
from gateway.secret import Secret
from gateway.upstream.client import Client
from gateway.upstream.protocol import ClientSettings
from tests.support.rooms import Mappings, budget, open_sender
from tests.test_pipeline import ACME, KEY_ID, ME, House, house, ok

HERE: Pair = ("Gateway-Customer", "acme")
EXPLAIN: Pair = ("Gateway-Explain", "1")
SECRETS = ("user-secret-1", "organization-secret-1", "real-token-1")


async def explain(here: House, path: str = "/contacts", *fields: Pair, method: str = "GET") -> tuple[dict[str, Any], Exchange]:
    response, body, exchange = await here.ask(path, HERE, EXPLAIN, *fields, method=method)
    assert (response.status, response.headers.get("content-type"), response.headers.get("cache-control")) == (
        200,
        "application/json",
        "no-store",
    )
    assert not [secret for secret in (*SECRETS, ME) if secret in body.decode()]
    return json.loads(body), exchange


@pytest.mark.parametrize(("value", "wanted"), [(None, False), ("0", False), ("1", True)])
def test_one_means_yes(value: str | None, wanted: bool) -> None:
    assert wants_explanation(Headers([(FIELD, value)] if value is not None else [])) is wanted


@pytest.mark.parametrize("values", [["2"], ["true"], [""], [" 1"], ["1", "1"], ["0", "1"], ["01"], ["1;q=0"]])
async def test_what_is_not_clear_is_refused_and_nothing_is_sent(values: list[str]) -> None:
    async with house() as here:
        error, exchange = await here.refused("/contacts", HERE, *(("Gateway-Explain", value) for value in values))
        assert isinstance(error, BadRequest)
        assert (here.heads, exchange.upstream_calls) == ([], 0)


async def test_zero_is_a_call_like_any_other() -> None:
    async with house(ok(b"[1]")) as here:
        assert (await here.ask("/contacts", HERE, ("Gateway-Explain", "0")))[1] == b"[1]"
        assert b"explain" not in here.heads[0].lower()


async def test_the_whole_document_of_a_miss() -> None:
    async with house(limit=7) as here:
        document, exchange = await explain(here, "/hubs/crm/contacts/7?a=%20b", ("Accept", "text/csv"), ("Cookie", "c"))

    assert document["call"] == {
        "caller": KEY_ID,
        "environment": "dev",
        "customer": "acme",
        "element": "hubspot",
        "instance": ACME.handle,
        "resource": "/contacts/{id}",
    }
    assert (document["cache"]["outcome"], document["cache"]["reason"]) == ("miss", "uri-miss")
    assert document["limits"]["outcome"] == "allowed"
    assert [(quota["limit"], quota["remaining"]) for quota in document["limits"]["quotas"]] == [(7, 7)]
    assert document["upstream"] == {
        "method": "GET",
        "target": "/hubs/crm/contacts/7?a=%20b",
        "fields": [
            ["Accept", "text/csv"],
            ["Authorization", "User ***, Organization ***, Element ***"],
            ["Via", "1.1 gateway"],
            ["X-Request-Id", "id-1"],
            ["traceparent", "00-1-2-00"],
        ],
        "breaker": {"state": "closed", "reason": "", "calls": 0, "failures": 0, "slow": 0, "retry_after_s": 0.0},
        "under_way": 0,
        "bulkhead": 256,
    }
    assert (exchange.outcome, exchange.cache_status) == ("explained", "gateway; fwd=bypass; detail=explain")


async def test_nothing_is_sent_spent_or_stored() -> None:
    async with house(ok(b"[1]", "Cache-Control: max-age=60"), limit=1) as here:
        for method in ("GET", "POST", "DELETE", "HEAD"):
            for _ in range(3):
                _, exchange = await explain(here, "/contacts", method=method)
                assert (exchange.upstream_calls, exchange.limited, exchange.rate_limit, exchange.cache) == (0, "", (), "bypass")
        assert here.heads == []
        assert (await here.ask())[2].cache == "miss"
        await explain(here, "/contacts", method="DELETE")
        assert (await here.ask())[2].cache == "hit"


async def test_a_hit_leaves_nothing_to_send() -> None:
    async with house(ok(b"[1]", "Cache-Control: max-age=60"), limit=1) as here:
        await here.ask()
        document, _ = await explain(here)
        assert (document["cache"]["outcome"], document["limits"], document["upstream"]) == ("hit", None, None)
        document, _ = await explain(here, "/contacts", ("Cache-Control", "no-cache"))
        assert document["cache"]["outcome"] == "miss"
        assert document["limits"]["outcome"] == "refused"
        assert "hubspot for acme allows 1 call" in document["limits"]["reason"]


async def test_the_conditions_of_a_revalidation_stand_in_for_the_callers() -> None:
    async with house(ok(b"[1]", "Cache-Control: max-age=0", 'ETag: "v1"')) as here:
        await here.ask()
        document, _ = await explain(here, "/contacts", ("If-None-Match", '"mine"'))
        sent = dict(map(tuple, document["upstream"]["fields"]))
        assert sent["If-None-Match"] == '"v1"'
        assert document["cache"]["stored"]["fresh_for"] <= 0


async def test_a_write_tells_what_it_would_drop_and_send() -> None:
    async with house() as here:
        document, _ = await explain(here, "/contacts/7", ("Content-Length", "0"), method="PATCH")
        assert document["cache"]["drops"] == {"at": ["/contacts"], "below": ["/contacts/7"]}
        assert document["upstream"]["method"] == "PATCH"
        assert ["Content-Length", "0"] in document["upstream"]["fields"]


async def test_who_may_not_call_may_not_ask_either() -> None:
    async with house() as here:
        for error, kind in (
            ((await here.refused("/contacts", HERE, EXPLAIN, key="gwk_wrong"))[0], Unauthenticated),
            ((await here.refused("/contacts", ("Gateway-Customer", "nobody"), EXPLAIN))[0], NoInstance),
            ((await here.refused("/instances", ("Gateway-Environment", "dev"), EXPLAIN, method="POST"))[0], Forbidden),
        ):
            assert isinstance(error, kind)


class Held:
    """A request body that nobody may read."""

    length = 5

    async def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    async def aclose(self) -> None:
        """Nothing is held."""


async def test_a_body_is_not_read() -> None:
    async with house() as here:
        exchange = Exchange("id", "POST", "/contacts", 0.0)
        fields = Headers([("X-Api-Key", ME), HERE, EXPLAIN, ("Content-Length", "5")])
        response = await here.pipeline.handle(Request("POST", "/contacts", fields, Held()), exchange)
        assert isinstance(response.body, bytes)
        assert ["Content-Length", "5"] in json.loads(response.body)["upstream"]["fields"]


@pytest.mark.parametrize("secrets", [("u", "o", "t"), ("a=b", "=", "**"), ("x" * 1024, "y" * 1024, "z" * 1024)])
@pytest.mark.parametrize("platform", [False, True])
async def test_no_secret_is_shown_in_the_preview_however_short(secrets: tuple[str, str, str], platform: bool) -> None:
    user, organization, token = secrets
    environment = Environment("dev", "http://127.0.0.1:1/elements/api-v2", Secret(user), Secret(organization))
    target = Target(environment, None if platform else Instance("gwi_a", "dev", "acme", "hubspot", Secret(token)), "/x")
    limits = Limits(budget(), time.monotonic, time.time)
    async with open_sender(Client(ClientSettings()), environment, limits, Mappings()) as sender:
        preview = sender.preview(Request("GET", "/x", Headers()), target, None, Exchange("id", "GET", "/x", 0.0))
    shown = dict(map(tuple, preview["fields"]))["Authorization"]
    assert shown == "User ***, Organization ***" + ("" if platform else ", Element ***")


async def test_a_stale_answer_is_not_asked_for_again() -> None:
    answers = ok(b"[1]", "Cache-Control: max-age=0, stale-while-revalidate=60", 'ETag: "1"'), b"HTTP/1.1 304 Not Modified\r\n\r\n"
    async with house(*answers) as here:
        await here.ask()
        document, _ = await explain(here)
        assert (document["cache"]["outcome"], document["upstream"]) == ("stale", None)
        await asyncio.sleep(0.02)
        assert len(here.heads) == 1
        response, _, exchange = await here.ask()
        assert (response.status, exchange.cache) == (200, "stale")
        await asyncio.sleep(0.05)
        assert len(here.heads) == 2
