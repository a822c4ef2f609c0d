"""The attempt loop against a raw origin: what leaves, how often, and what of it is spent."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.errors import RateLimited, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Body, Environment, Exchange, Headers, Instance, Pair, Request, Response, Target
from gateway.limits import Limits
from gateway.secret import Secret
from gateway.telemetry.metrics import Metrics
from gateway.upstream.client import Client
from gateway.upstream.guards import GuardSettings
from gateway.upstream.protocol import ClientSettings, Timeouts
from gateway.upstream.sender import Sender
from tests.support.rooms import Mappings, budget, open_sender

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
USER, ORGANIZATION, TOKEN = "user+secret/1=", "organization-secret-2", "instance-token-3="


@dataclass
class Scene:
    """A sender whose element may be called ``limit`` times, before an origin that answers by ``script``, one entry a request."""

    sender: Sender
    target: Target
    heads: list[bytes] = field(default_factory=list)
    exchange: Exchange = field(default_factory=lambda: Exchange("id-1", "GET", "/x", 0.0, traceparent="00-1-2-00"))

    async def send(self, request: Request, conditions: Sequence[Pair] | None = None, **more: bool) -> Response:
        return await self.sender.send(request, self.target, conditions, self.exchange, **more)


Script = Sequence[bytes | None]


@asynccontextmanager
async def scene(script: Script, *, limit: int = 100, response_timeout: float = 5.0, retries: int = 1) -> AsyncIterator[Scene]:
    answers = iter(script)
    heads: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                answer = next(answers, None)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    environment = Environment("dev", f"http://127.0.0.1:{port}/elements/api-v2", Secret(USER), Secret(ORGANIZATION))
    target = Target(environment, Instance("gwi_abcdefgh", "dev", "acme", "hubspot", Secret(TOKEN)), "/x")
    assert target.instance is not None
    limits = Limits(budget(f"{limit}/h"), time.monotonic, time.time)
    settings = GuardSettings(Timeouts(response=response_timeout), retries=retries)
    try:
        async with (
            Client(ClientSettings()) as client,
            open_sender(client, environment, limits, Mappings(target.instance), settings) as sender,
        ):
            yield Scene(sender, target, heads)
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)


def request(method: str = "GET", *pairs: Pair, target: str = "/hubs/crm/x?a=%20b", body: Body = b"") -> Request:
    return Request(method, target, Headers(pairs), body)


async def octets(response: Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b"".join([chunk async for chunk in response.body])


def fields(head: bytes) -> list[str]:
    return head.decode("latin-1").split("\r\n")[1:-2]


async def test_what_leaves() -> None:
    async with scene([OK]) as here:
        response = await here.send(request("GET", ("Authorization", "Bearer gwk_x"), ("accept", "a/b"), ("Gateway-Customer", "acme")))
        host = here.target.environment.base_url.removeprefix("http://").partition("/")[0]

        assert here.heads[0].startswith(b"GET /elements/api-v2/hubs/crm/x?a=%20b HTTP/1.1\r\n")
        assert fields(here.heads[0]) == [
            f"Host: {host}",
            "accept: a/b",
            f"Authorization: User {USER}, Organization {ORGANIZATION}, Element {TOKEN}",
            "Via: 1.1 gateway",
            "X-Request-Id: id-1",
            "traceparent: 00-1-2-00",
        ]
        assert (response.status, await octets(response)) == (200, b"{}")


async def test_a_platform_call_names_no_element() -> None:
    async with scene([OK]) as here:
        here.target = Target(here.target.environment, None, "/x")
        await here.send(request())

        assert f"Authorization: User {USER}, Organization {ORGANIZATION}" in fields(here.heads[0])


async def test_a_new_token_is_used_at_once() -> None:
    async with scene([OK, OK]) as here:
        await here.send(request())
        here.target = Target(here.target.environment, Instance("gwi_abcdefgh", "dev", "acme", "hubspot", Secret("another")), "/x")
        await here.send(request())

        assert "Element another" in here.heads[1].decode()


@pytest.mark.parametrize(
    ("given", "body", "framing"),
    [
        ([], b"", []),
        ([("Content-Length", "0")], b"", ["Content-Length: 0"]),
        ([("Transfer-Encoding", "chunked")], b"", ["Transfer-Encoding: chunked"]),
        ([("Content-Length", "3")], b"abc", ["Content-Length: 3"]),
        ([("Transfer-Encoding", "chunked")], b"abc", ["Transfer-Encoding: chunked"]),
    ],
)
async def test_framing_of_a_body_that_is_here(given: list[Pair], body: bytes, framing: list[str]) -> None:
    async with scene([OK]) as here:
        await here.send(request("POST", *given, body=body))

        found = [line for line in fields(here.heads[0]) if line.lower().startswith(("content-length", "transfer-encoding"))]
        assert found == framing


async def test_what_is_to_be_sealed_is_asked_for_whole_and_uncoded() -> None:
    async with scene([OK]) as here:
        sent = request("GET", ("Accept-Encoding", "br"), ("Range", "bytes=0-1"), ("If-Range", '"x"'), ("Accept", "a/b"))
        await here.send(sent, sealed=True)

        assert not [line for line in fields(here.heads[0]) if line.lower().startswith(("accept-encoding", "range", "if-range"))]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_a_stale_connection_is_tried_again_where_that_is_safe_and_costs_one_more(method: str) -> None:
    ok = OK.removesuffix(b"{}") if method == "HEAD" else OK
    async with scene([ok, None, ok], limit=3) as here:
        await here.send(request(method))
        assert (await here.send(request(method))).status == 200

        assert (here.exchange.upstream_calls, here.exchange.upstream_failures) == (3, 1)
        with pytest.raises(RateLimited):
            await here.send(request(method))
        assert len(here.heads) == 3


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_stale_connection_is_not_tried_again_where_that_could_do_it_twice(method: str) -> None:
    async with scene([OK, None, OK]) as here:
        await here.send(request("GET"))
        with pytest.raises(UpstreamUnreachable):
            await here.send(request(method))

        assert len(here.heads) == 2


class Once:
    """A body that can be read once."""

    length = 3

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"abc"

    async def aclose(self) -> None:
        """Nothing is held."""


async def test_a_body_that_streams_is_not_sent_twice() -> None:
    async with scene([OK, None, OK]) as here:
        await here.send(request("GET"))
        with pytest.raises(UpstreamUnreachable):
            await here.send(request("PUT", body=Once()))

        assert len(here.heads) == 2


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_no_answer_on_a_new_connection_is_tried_again_once_and_costs_one_more(method: str) -> None:
    async with scene([None, None, OK], limit=2) as here:
        with pytest.raises(UpstreamUnreachable):
            await here.send(request(method))

        assert (here.exchange.upstream_calls, here.exchange.upstream_failures) == (2, 2)
        with pytest.raises(RateLimited):
            await here.send(request(method))
        assert len(here.heads) == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_no_answer_on_a_new_connection_is_not_tried_again_where_that_could_do_it_twice(method: str) -> None:
    async with scene([None, OK]) as here:
        with pytest.raises(UpstreamUnreachable):
            await here.send(request(method))

        assert (here.exchange.upstream_calls, here.exchange.upstream_failures, len(here.heads)) == (1, 1, 1)


async def test_without_retries_one_loss_is_the_end() -> None:
    async with scene([None, OK], retries=0) as here:
        with pytest.raises(UpstreamUnreachable):
            await here.send(request())

        assert len(here.heads) == 1


async def test_a_spent_budget_sends_nothing() -> None:
    async with scene([OK, OK], limit=1) as here:
        await here.send(request())
        with pytest.raises(RateLimited) as raised:
            await here.send(request())

        assert raised.value.retry_after
        assert raised.value.retry_after > 0
        assert (len(here.heads), here.exchange.upstream_calls, here.exchange.limited) == (1, 1, "rejected")


def echo(body: bytes, *lines: str) -> bytes:
    head = "\r\n".join(("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *lines, "", ""))
    return head.encode("latin-1") + body


@pytest.mark.parametrize("secret", [USER, ORGANIZATION, TOKEN])
@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Type: application/json"],
        ["Content-Type: text/html; charset=x"],
        ["Content-Type: application/problem+JSON"],
        [],
        ["Content-Type: text/plain", "Content-Encoding: identity"],
        ["Content-Type: text/plain", "Content-Encoding: Identity"],
    ],
    ids=["json", "html", "+JSON", "no type", "identity", "Identity"],
)
async def test_an_echoed_secret_is_masked_in_text(secret: str, lines: list[str]) -> None:
    async with scene([echo(b'{"you":"' + secret.encode() + b'"}', f"X-Echo: {secret}", *lines)]) as here:
        response = await here.send(request())

        assert await octets(response) == b'{"you":"' + b"*" * len(secret) + b'"}'
        assert response.headers.get("x-echo") == "*" * len(secret)


async def test_an_echo_in_the_reason_phrase_is_masked() -> None:
    async with scene([f"HTTP/1.1 401 Bad token {TOKEN}\r\nContent-Length: 0\r\n\r\n".encode()]) as here:
        response = await here.send(request())

        assert TOKEN not in response.reason


@pytest.mark.parametrize("line", ["Content-Type: application/octet-stream", "Content-Encoding: gzip"])
async def test_files_and_coded_bodies_are_left_alone(line: str) -> None:
    async with scene([echo(b"<" + TOKEN.encode() + b">", line)]) as here:
        assert await octets(await here.send(request())) == b"<" + TOKEN.encode() + b">"


async def test_the_record_of_an_answered_call() -> None:
    async with scene([echo(b"", "Elements-Request-Id: " + "e" * 100)]) as here:
        await here.send(request())

        assert (here.exchange.upstream_status, here.exchange.upstream_calls, here.exchange.upstream_failures) == (200, 1, 0)
        assert here.exchange.elements_request_id == "e" * 64
        assert here.exchange.upstream_seconds > 0


async def counted(here: Scene, send: Callable[[], Awaitable[object]]) -> str:
    """The metrics after a call that failed."""
    with contextlib.suppress(UpstreamTimeout, asyncio.CancelledError):
        await send()
    metrics = Metrics()
    here.exchange.environment, here.exchange.element = "dev", "hubspot"
    metrics.count(here.exchange)
    return metrics.expose("")[0].decode()


async def test_a_call_without_an_answer_is_counted_as_such() -> None:
    async with scene([b""], response_timeout=0.1) as here:
        text = await counted(here, lambda: here.send(request()))

        assert 'resource="",status="none"} 1.0' in text.replace('method="GET",', "")


async def test_a_call_whose_caller_left_is_counted_as_one_without_an_answer() -> None:
    async with scene([b""]) as here:

        async def leave() -> None:
            call = asyncio.create_task(here.send(request()))
            await asyncio.sleep(0.05)
            call.cancel()
            await call

        text = await counted(here, leave)

        assert 'status="none"' in text
        assert 'status="0"} 1.0' not in text.partition("gateway_upstream_requests_total{")[2].splitlines()[0]
