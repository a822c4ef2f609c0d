"""What would happen to a call, without making it: ``Gateway-Explain: 1`` and ``gateway explain`` (contract 2.3).

Each room is asked what it would decide, in the order of the corridor; none spends, stores or sends anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gateway.cache import Cache
from gateway.errors import BadRequest
from gateway.exchange import Exchange, Headers, Pair, Request, Response, Target
from gateway.instances.sealing import must_seal
from gateway.limits import Limits
from gateway.upstream.sender import Sender

FIELD = "gateway-explain"


def wants_explanation(headers: Headers) -> bool:
    """Whether the caller only wants to know. ``BadRequest`` where it is not clear: a call that was not meant could do harm."""
    value = headers.get(FIELD)
    if value not in (None, "0", "1"):
        raise BadRequest("Gateway-Explain is neither 1 nor 0; nothing was sent")
    return value == "1"


def explained(document: dict[str, Any], exchange: Exchange) -> Response:
    """The explanation as an answer."""
    exchange.outcome = "explained"
    exchange.cache_status = "gateway; fwd=bypass; detail=explain"
    return Response(200, Headers([("Content-Type", "application/json"), ("Cache-Control", "no-store")]), json.dumps(document).encode())


class Explainer:
    """Asks the rooms behind the one that found out for whom."""

    def __init__(self, cache: Cache, limits: Limits, upstream: Sender) -> None:
        self._cache = cache
        self._limits = limits
        self._upstream = upstream

    async def explain(self, request: Request, target: Target, exchange: Exchange) -> dict[str, Any]:
        """Sections ``call``, ``cache``, ``limits`` and ``upstream``; the last two are null where the cache would answer."""
        instance = target.instance
        cache, conditions = await self._cache.explain(request, target)
        leaves = cache["outcome"] not in ("hit", "stale")
        return {
            "call": {
                "caller": exchange.caller or None,
                "environment": target.environment.name,
                "customer": instance.customer if instance else None,
                "element": target.element,
                "instance": instance.handle if instance else None,
                "resource": exchange.resource,
            },
            "cache": cache,
            "limits": self._limits.peek(target) if leaves else None,
            "upstream": self._preview(request, target, conditions, exchange) if leaves else None,
        }

    def _preview(self, request: Request, target: Target, conditions: Sequence[Pair] | None, exchange: Exchange) -> dict[str, Any]:
        return self._upstream.preview(request, target, conditions, exchange, sealed=must_seal(request.path))
