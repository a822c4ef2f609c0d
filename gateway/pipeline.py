"""The corridor: one request's walk, in order. Read this first.

Each room is asked one question and answers with a value; what a later step needs is what an earlier one returned, so no step can
be reached without it. Refusals that end the walk are ``GatewayError``s; ``server/problems.py`` speaks them over HTTP.

The element's budget is spent behind the cache and inside the attempt loop, because what it protects is calls that leave: a fresh
hit costs nothing, a revalidation one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from gateway.cache import Cache, Found, Fresh
from gateway.cache.repeating import Repeatable
from gateway.callers import Callers
from gateway.callers.keys import CallerKey
from gateway.deadlines import FIELD as DEADLINE
from gateway.deadlines import before, deadline_of
from gateway.exchange import Exchange, Request, Response, Target
from gateway.explaining import FIELD, Explainer, explained, wants_explanation
from gateway.idempotency import Idempotency, names_key
from gateway.instances import Resolver
from gateway.instances.provisioning import Sealer
from gateway.instances.sealing import must_seal
from gateway.paths import shape
from gateway.pauses import Pauses
from gateway.revalidation import Revalidations, unconditional
from gateway.upstream.call import Call
from gateway.upstream.guards import Passage
from gateway.upstream.headers import end_to_end
from gateway.upstream.sender import Sender


class Pipeline:
    """Everything that happens between reading a request and writing its answer."""

    def __init__(
        self,
        callers: Callers,
        resolver: Resolver,
        cache: Cache,
        upstream: Sender,
        sealer: Sealer,
        revalidations: Revalidations,
        explainer: Explainer,
        *,
        pauses: Pauses,
        idempotency: Idempotency,
        clock: Callable[[], float],
    ) -> None:
        """``clock`` is monotonic, that of ``Exchange.started``."""
        self.callers = callers
        self.resolver = resolver
        self.pauses = pauses
        self.idempotency = idempotency
        self.clock = clock
        self.cache = cache
        self.upstream = upstream
        self.sealer = sealer
        self.revalidations = revalidations
        self.explainer = explainer

    async def handle(self, request: Request, exchange: Exchange) -> Response:
        """The answer to ``request``; raises ``GatewayError`` where the walk ends early. ``exchange`` is filled on the way."""
        caller = await self.callers.identify(request.headers, request.certificate)
        exchange.caller = caller.key.id
        exchange.batch = caller.key.priority == "batch"
        exchange.phase = "resolve"
        target = await self.resolver.resolve(request, caller, exchange)
        exchange.resource = shape(target.resource)
        self.pauses.check(exchange.environment, exchange.customer, exchange.element)
        if FIELD in request.headers and wants_explanation(request.headers):
            return explained(await self.explainer.explain(request, target, exchange), exchange)
        if DEADLINE not in request.headers:
            return await self._once(target, request, exchange)
        exchange.deadline = deadline_of(request.headers, exchange.started)
        return await before(exchange.deadline, self._once(target, request, exchange), self.clock)

    async def addressed(self, request: Request, exchange: Exchange) -> tuple[Target, bool]:
        """Whose call ``request`` is and for whom, as ``handle`` finds it out, and whether it would be the same with another path; does
        nothing but look. Raises what ``handle`` raises."""
        caller = await self.callers.identify(request.headers, request.certificate)
        exchange.caller, exchange.batch = caller.key.id, caller.key.priority == "batch"
        target = await self.resolver.resolve(request, caller, exchange)
        exchange.resource = shape(target.resource)
        return target, self.resolver.is_certain(request, caller)

    async def repeatable(self, request: Request, exchange: Exchange) -> tuple[CallerKey, Repeatable] | None:
        """Who asks, and the stored answer that ``handle`` would give now and would give again, for as long as nothing changes: no key, no
        mapping, no pause, and nothing of what the answer says of itself. None where there is none. Does nothing but look; ``exchange`` is
        filled as ``handle`` fills it. Raises what ``handle`` raises."""
        target, _ = await self.addressed(request, exchange)
        exchange.phase = "cache"
        stored = await self.cache.repeatable(request, target)
        return None if stored is None or target.caller is None else (target.caller, stored)

    async def _once(self, target: Target, request: Request, exchange: Exchange) -> Response:
        if names_key(request):
            return await self.idempotency.once(request, target, exchange, partial(self._answer, target))
        return await self._answer(target, request, exchange)

    async def _answer(self, target: Target, request: Request, exchange: Exchange) -> Response:
        exchange.phase = "cache"
        if "connection" in request.headers:
            request.headers = end_to_end(request.headers)
        found = await self.cache.look_up(request, target, exchange)
        if not isinstance(found, Fresh):
            return await self._forward(request, target, found, exchange)
        if found.refresh is not None:
            again = partial(self._forward, unconditional(request), target, found.refresh)
            if not self.revalidations.start(again, exchange):
                self.cache.abandon(found.refresh)
        return found.response

    async def resume(self, call: Call, passage: Passage, found: Found) -> Response:
        """As ``handle``, for a call that has left."""
        return await self._settled(call.request, call.target, found, self.upstream.attempts(call, passage), call.exchange)

    async def _forward(self, request: Request, target: Target, found: Found, exchange: Exchange) -> Response:
        sealed = must_seal(request.path)
        sending = self.upstream.send(request, target, found.conditions, exchange, sealed=sealed)
        if sealed:
            sending = self._sealed(sending, target)
        return await self._settled(request, target, found, sending, exchange)

    async def _sealed(self, sending: Coroutine[Any, Any, Response], target: Target) -> Response:
        return self.upstream.masked(await self.sealer.seal(await sending, target.environment.name), target)

    async def _settled(
        self, request: Request, target: Target, found: Found, sending: Coroutine[Any, Any, Response], exchange: Exchange
    ) -> Response:
        try:
            response = await sending
        except BaseException as error:
            stale = await self.cache.failed(request, target, found, error, exchange)
            if stale is None:
                raise
            return stale
        return await self.cache.settle(request, target, found, response, exchange)
