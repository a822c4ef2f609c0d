"""A call of the gateway's own: one GET with a pair of secrets, to see what Cloud Elements makes of them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

from gateway.authorization import build
from gateway.bodies import gathered
from gateway.errors import GatewayError
from gateway.exchange import Environment, Exchange, Headers, SecretPair
from gateway.paths import shape
from gateway.upstream.credentials import Asked
from gateway.upstream.headers import VIA, request_head
from gateway.upstream.protocol import Origin, UpstreamClient

_MOST_OCTETS = 1024**2
_FIELDS = (("Accept", "application/json"),)


class Prober:
    """Makes such calls over ``client``. ``record`` is told of each at its end, as of any call; the clocks are in seconds."""

    def __init__(
        self, client: UpstreamClient, record: Callable[[Exchange], None], monotonic: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._client = client
        self._record = record
        self._monotonic = monotonic
        self._wall = wall

    async def ask(self, environment: Environment, pair: SecretPair, path: str) -> Asked:
        """The answer to a GET of ``path`` (below the base URL, query and all) as a platform call; ``GatewayError`` where none came."""
        exchange = self._begin(environment, path)
        try:
            answer = await self._sent(environment, pair, path, exchange)
        except GatewayError as error:
            exchange.status, exchange.outcome = error.status, error.slug
            raise
        except asyncio.CancelledError:
            exchange.outcome = "stopped"
            raise
        finally:
            exchange.total_seconds = self._monotonic() - exchange.started
            self._record(exchange)
        return answer

    def _begin(self, environment: Environment, path: str) -> Exchange:
        request_id, trace = f"{random.getrandbits(128):032x}", f"{random.getrandbits(192) | 1 << 64 | 1:048x}"
        traceparent = f"00-{trace[:32]}-{trace[32:]}-00"
        exchange = Exchange(request_id, "GET", path.partition("?")[0], self._monotonic(), self._wall(), traceparent)
        exchange.background = True
        exchange.environment, exchange.element = environment.name, "platform"
        exchange.resource = shape(exchange.path)
        exchange.phase = "upstream"
        exchange.note("authorization", "probe", "whether Cloud Elements takes the environment's secrets")
        return exchange

    async def _sent(self, environment: Environment, pair: SecretPair, path: str, exchange: Exchange) -> Asked:
        origin = Origin.of(environment.base_url)
        added = [("Authorization", build(pair, None)), ("Via", VIA), ("X-Request-Id", exchange.request_id)]
        added.append(("traceparent", exchange.traceparent))
        head = request_head("GET", origin.path + path, origin.authority, _FIELDS, added)
        exchange.upstream_calls = 1
        try:
            answer = await self._client.send(origin, head, b"", head_only=False)
        except BaseException:
            exchange.upstream_failures = 1
            raise
        finally:
            exchange.upstream_seconds = self._monotonic() - exchange.started
        exchange.status = exchange.upstream_status = answer.status
        body = await gathered(answer.body, _MOST_OCTETS)
        if not isinstance(body, bytes):
            await body.aclose()
            return Asked(answer.status)
        return Asked(answer.status, _json(answer.headers, body))


def _json(headers: Headers, body: bytes) -> Any:
    if "json" not in (headers.get("content-type") or "").lower():
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
