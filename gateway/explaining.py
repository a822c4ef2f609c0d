"""What would happen to a call, without making it: ``Gateway-Explain: 1`` and ``gateway explain`` (contract 2.3).

Each room is asked what it would decide, in the order of the corridor; none spends, stores or sends anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from gateway.cache import Cache
from gateway.callers import Caller
from gateway.callers.keys import CallerKey
from gateway.errors import BadRequest, MethodNotAllowed
from gateway.exchange import Exchange, Headers, Pair, Request, Response, Target
from gateway.instances import Resolver
from gateway.instances.sealing import must_seal
from gateway.limits import Limits
from gateway.paths import PREFIX, origin_form, shape, split_prefix
from gateway.pauses import Pauses
from gateway.reports import Question
from gateway.upstream.sender import Sender

FIELD = "gateway-explain"
_ADDRESS = ("environment", "customer", "element", "instance")


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


class Keys(Protocol):
    """Where caller keys are found by their ids."""

    async def by_id(self, key_id: str) -> CallerKey | None: ...


_ANYBODY = CallerKey("", "anybody", b"", scopes=("hub", "platform:read", "platform:write"))


class Explainer:
    """Asks the rooms of the corridor. ``keys``, ``resolver`` and ``pauses`` are needed by ``answer`` only."""

    def __init__(self, keys: Keys, resolver: Resolver, cache: Cache, limits: Limits, upstream: Sender, pauses: Pauses) -> None:
        self._keys = keys
        self._resolver = resolver
        self._cache = cache
        self._limits = limits
        self._upstream = upstream
        self._pauses = pauses

    async def explain(self, request: Request, target: Target, exchange: Exchange) -> dict[str, Any]:
        """Sections ``call``, ``cache``, ``limits`` and ``upstream``; the last two are null where the cache would answer, ``upstream``
        also where the budget would not let it leave."""
        instance = target.instance
        cache, conditions = await self._cache.explain(request, target)
        limits = self._limits.peek(request, target) if cache["outcome"] in ("miss", "bypass") else None
        leaves = limits is not None and limits["outcome"] != "refused"
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
            "limits": limits,
            "upstream": self._preview(request, target, conditions, exchange) if leaves else None,
        }

    async def answer(self, question: Question) -> dict[str, Any]:
        """The same for an operator, who has no such call at hand; raises what the call itself would be refused with."""
        key = await self._keys.by_id(question.key) if question.key is not None else replace(_ANYBODY, environments=self._resolver.names)
        if key is None:
            raise BadRequest("there is no caller key of this id")
        named = f"{PREFIX}/" in question.path.partition("?")[0]  # as it stands in a log, say
        prefix, rest = split_prefix(origin_form(question.path if named else f"{PREFIX}{question.path}"))
        said = [(f"Gateway-{name.title()}", value) for name in _ADDRESS if (value := getattr(question, name)) is not None]
        if question.method in ("TRACE", "CONNECT"):
            raise MethodNotAllowed(f"{question.method} is not passed on")
        request = Request(question.method, rest, Headers([*question.headers.items(), *said]), prefix=prefix)
        exchange = Exchange("(drawn)", question.method, request.path, 0.0, traceparent="(drawn)")
        exchange.caller = key.id
        target = await self._resolver.resolve(request, Caller(key), exchange)
        exchange.resource = shape(target.resource)
        self._pauses.check(exchange.environment, exchange.customer, exchange.element)
        return await self.explain(request, target, exchange)

    def _preview(self, request: Request, target: Target, conditions: Sequence[Pair] | None, exchange: Exchange) -> dict[str, Any]:
        return self._upstream.preview(request, target, conditions, exchange, sealed=must_seal(request.path))
