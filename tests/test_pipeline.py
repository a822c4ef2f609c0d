"""The whole corridor without a server: real rooms, tables for stores, a raw origin on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from gateway.cache import Cache, CachePolicy
from gateway.cache.memory import MemoryStore
from gateway.callers import Callers
from gateway.callers.keys import CallerKey, digest, mint
from gateway.errors import Forbidden, GatewayError, NoInstance, RateLimited, Unauthenticated, UpstreamTimeout
from gateway.exchange import Environment, Exchange, Headers, Instance, Pair, Request, Response
from gateway.explaining import Explainer
from gateway.idempotency import Idempotency, KeptAnswers
from gateway.instances import Resolver
from gateway.instances.provisioning import Sealer
from gateway.instances.vault import Vault
from gateway.limits import Limits
from gateway.pauses import Pauses
from gateway.pauses.store import StoredPauses
from gateway.pipeline import Pipeline
from gateway.revalidation import Revalidations
from gateway.secret import Secret
from gateway.upstream.client import Client
from gateway.upstream.guards import GuardSettings
from gateway.upstream.protocol import ClientSettings, Timeouts
from tests.support.rooms import Mappings, budget, open_new_database, open_sender

KEY_ID, TEXT = mint()
ME = TEXT.reveal()
KEY = CallerKey(KEY_ID, "n", digest(ME), environments=("dev",), scopes=("hub", "platform:read"))
ACME = Instance("gwi_instance1", "dev", "acme", "hubspot", Secret("real-token-1"))


class Tables:
    @property
    def generation(self) -> int:
        return id(self.key)

    """A ``KeyStore`` and an ``InstanceStore`` of one row each."""

    key = KEY

    async def by_id(self, key_id: str) -> CallerKey | None:
        return self.key if key_id == self.key.id else None

    def used(self, key_id: str, now: float) -> None:
        """Nobody asks."""

    async def by_handle(self, handle: str) -> Instance | None:
        return ACME if handle == ACME.handle else None

    async def of_customer(self, environment: str, customer: str) -> tuple[Instance, ...]:
        return (ACME,) if (environment, customer) == ("dev", "acme") else ()

    async def handle_of(self, environment: str, token: str) -> str | None:
        return ACME.handle if token == "real-token-1" else None


@dataclass
class House:
    pipeline: Pipeline
    tables: Tables
    answers: list[bytes] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)

    async def ask(self, path: str = "/contacts", *pairs: Pair, method: str = "GET", key: str = ME) -> tuple[Response, bytes, Exchange]:
        exchange = Exchange("id-1", method, path, time.monotonic(), traceparent="00-1-2-00")
        headers = Headers([("X-Api-Key", key), *(pairs or [("Gateway-Customer", "acme")])])
        response = await self.pipeline.handle(Request(method, path, headers), exchange)
        body = response.body if isinstance(response.body, bytes) else b"".join([chunk async for chunk in response.body])
        return response, body, exchange

    async def refused(self, path: str = "/contacts", *pairs: Pair, method: str = "GET", key: str = ME) -> tuple[GatewayError, Exchange]:
        exchange = Exchange("id-1", method, path, time.monotonic())
        headers = Headers([("X-Api-Key", key), *(pairs or [("Gateway-Customer", "acme")])])
        with pytest.raises(GatewayError) as raised:
            await self.pipeline.handle(Request(method, path, headers), exchange)
        return raised.value, exchange


def ok(body: bytes, *lines: str) -> bytes:
    return (
        "\r\n".join(("HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}", *lines, "", "")).encode() + body
    )


@asynccontextmanager
async def house(*answers: bytes, limit: int = 100) -> AsyncIterator[House]:
    queue, heads = list(answers), list[bytes]()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(queue.pop(0))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/elements/api-v2"
    dev, tables = Environment("dev", url, Secret("user-secret-1"), Secret("organization-secret-1")), Tables()
    limits = Limits(budget(f"{limit}/h"), time.monotonic, time.time)
    try:
        async with (
            open_new_database() as database,
            Client(ClientSettings()) as client,
            open_sender(client, dev, limits, Mappings(ACME), GuardSettings(Timeouts(response=0.3))) as sender,
        ):
            cache = Cache(lambda _: CachePolicy(), MemoryStore(1 << 20, time.time), time.time, 1 << 16)
            resolver, pauses = Resolver({"dev": dev}, None, tables), Pauses(StoredPauses(database), time.time)
            revalidations = Revalidations(lambda _: None, time.monotonic, time.time)
            kept = KeptAnswers(database, Vault([("k1", b"1" * 32)]), time.time, 3600, 1 << 20)
            pipeline = Pipeline(
                Callers(tables, time.time),
                resolver,
                cache,
                sender,
                Sealer(tables),
                revalidations,
                Explainer(tables, resolver, cache, limits, sender, pauses),
                pauses=pauses,
                idempotency=Idempotency(kept, 1 << 16, revalidations.start),
                clock=time.monotonic,
            )
            yield House(pipeline, tables, queue, heads)
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)


async def test_a_call_goes_through_and_is_recorded() -> None:
    async with house(ok(b"[1]", "Cache-Control: no-store")) as here:
        response, body, exchange = await here.ask("/hubs/crm/contacts?pageSize=%35")

        assert (response.status, body) == (200, b"[1]")
        assert here.heads[0].startswith(b"GET /elements/api-v2/hubs/crm/contacts?pageSize=%35 HTTP/1.1\r\n")
        assert b"\r\nAuthorization: User user-secret-1, Organization organization-secret-1, Element real-token-1\r\n" in here.heads[0]
        assert (exchange.caller, exchange.environment, exchange.customer, exchange.element) == (KEY_ID, "dev", "acme", "hubspot")
        assert (exchange.upstream_calls, exchange.upstream_status, exchange.cache) == (1, 200, "miss")


async def test_a_fresh_hit_costs_nothing() -> None:
    async with house(ok(b"[1]", "Cache-Control: max-age=60"), limit=1) as here:
        await here.ask()
        response, body, exchange = await here.ask()

        assert (response.status, body, exchange.cache, exchange.upstream_calls) == (200, b"[1]", "hit", 0)
        assert len(here.heads) == 1


async def test_a_revalidation_costs_one() -> None:
    answers = [ok(b"[1]", "Cache-Control: max-age=0", 'ETag: "v1"'), b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n']
    async with house(*answers, limit=2) as here:
        await here.ask()
        response, body, exchange = await here.ask()

        assert (response.status, body, exchange.cache, exchange.upstream_calls) == (200, b"[1]", "revalidated", 1)
        assert b'\r\nIf-None-Match: "v1"\r\n' in here.heads[1]
        error, _ = await here.refused()
        assert isinstance(error, RateLimited)


async def test_a_write_takes_what_it_touches_out_of_the_cache() -> None:
    async with house(ok(b"[1]", "Cache-Control: max-age=60"), ok(b"{}"), ok(b"[2]", "Cache-Control: max-age=60")) as here:
        await here.ask()
        await here.ask(method="POST")

        assert (await here.ask())[1] == b"[2]"


async def test_a_write_without_an_answer_takes_it_out_too() -> None:
    async with house(ok(b"[1]", "Cache-Control: max-age=60"), b"", ok(b"[2]")) as here:
        await here.ask()
        error, _ = await here.refused(method="POST")

        assert isinstance(error, UpstreamTimeout)
        assert (await here.ask())[1] == b"[2]"


async def test_a_write_that_never_left_takes_nothing_out() -> None:
    async with house(ok(b"[1]", "Cache-Control: max-age=60"), limit=1) as here:
        await here.ask()
        error, _ = await here.refused(method="POST")

        assert isinstance(error, RateLimited)
        assert (await here.ask())[2].cache == "hit"


async def test_a_platform_answer_is_sealed() -> None:
    document = json.dumps(
        [{"id": 1, "token": "real-token-1"}, {"id": 2, "token": "somebody-elses-token", "configuration": {"password": "p"}}]
    ).encode()
    async with house(ok(document)) as here:
        _, body, exchange = await here.ask("/instances", ("Gateway-Environment", "dev"), ("Accept-Encoding", "gzip"))

        assert json.loads(body) == [{"id": 1, "token": "gwi_instance1"}, {"id": 2, "token": "***", "configuration": {"password": "***"}}]
        assert b"accept-encoding" not in here.heads[0].lower()
        assert b"Element" not in here.heads[0].partition(b"Authorization")[2]
        assert exchange.element == "platform"


async def test_what_ends_early_sends_nothing_and_says_where() -> None:
    async with house() as here:
        cases = [
            (await here.refused(key="gwk_wrong"), Unauthenticated, "identify"),
            (await here.refused("/x", ("Gateway-Customer", "nobody")), NoInstance, "resolve"),
            (await here.refused("/x", ("Gateway-Environment", "dev"), method="DELETE"), Forbidden, "resolve"),
        ]
        here.tables.key = replace(KEY, customers=("other",))
        cases.append((await here.refused(), Forbidden, "resolve"))

        for (error, exchange), kind, phase in cases:
            assert (type(error), exchange.phase, exchange.upstream_calls) == (kind, phase, 0)
        assert here.heads == []


async def test_a_refused_call_ends_at_the_limits() -> None:
    async with house(ok(b"1", "Cache-Control: no-store"), limit=1) as here:
        await here.ask()
        error, exchange = await here.refused()

        assert (type(error), exchange.phase, exchange.limited) == (RateLimited, "limits", "rejected")


async def test_an_upstreams_error_passes_through_untouched() -> None:
    octets = b'HTTP/1.1 502 Their Words\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"message":"%b"}'
    async with house(octets % b"x", octets % b"y") as here:
        response, body, exchange = await here.ask(method="POST")
        assert (response.status, response.reason, body, exchange.problem) == (502, "Their Words", b'{"message":"x"}', "")
        assert exchange.upstream_calls == 1


async def test_an_upstreams_error_passes_through_untouched_after_the_retry_too() -> None:
    octets = b'HTTP/1.1 502 Their Words\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"message":"%b"}'
    async with house(octets % b"x", octets % b"y") as here:
        response, body, exchange = await here.ask()

        assert (response.status, response.reason, body, exchange.problem) == (502, "Their Words", b'{"message":"y"}', "")
        assert (exchange.upstream_calls, exchange.upstream_status) == (2, 502)
