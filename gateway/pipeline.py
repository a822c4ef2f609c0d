"""The corridor: one request's walk, in order. Read this first.

Each room is asked one question and answers with a value; what a later step needs is what an earlier one returned, so no step can
be reached without it. Refusals that end the walk are ``GatewayError``s; ``server/problems.py`` speaks them over HTTP.

The element's budget is spent behind the cache and inside the attempt loop, because what it protects is calls that leave: a fresh
hit costs nothing, a revalidation one.
"""

from __future__ import annotations

from gateway.cache import Cache, Fresh
from gateway.callers import Callers
from gateway.exchange import Exchange, Request, Response
from gateway.instances import Resolver
from gateway.instances.provisioning import Sealer
from gateway.instances.sealing import must_seal
from gateway.paths import shape
from gateway.upstream.sender import Sender


class Pipeline:
    """Everything that happens between reading a request and writing its answer."""

    def __init__(self, callers: Callers, resolver: Resolver, cache: Cache, upstream: Sender, sealer: Sealer) -> None:
        self.callers = callers
        self.resolver = resolver
        self.cache = cache
        self.upstream = upstream
        self.sealer = sealer

    async def handle(self, request: Request, exchange: Exchange) -> Response:
        """The answer to ``request``; raises ``GatewayError`` where the walk ends early. ``exchange`` is filled on the way."""
        caller = await self.callers.identify(request.headers, request.certificate)
        exchange.caller = caller.key.id
        exchange.phase = "resolve"
        target = await self.resolver.resolve(request, caller, exchange)
        exchange.resource = shape(target.resource)
        exchange.phase = "cache"
        found = await self.cache.look_up(request, target, exchange)
        if isinstance(found, Fresh):
            return found.response
        exchange.phase = "limits"
        sealed = must_seal(request.path)
        try:
            response = await self.upstream.send(request, target, found.conditions, exchange, sealed=sealed)
            if sealed:
                response = self.upstream.masked(await self.sealer.seal(response, target.environment.name), target)
        except BaseException:
            if exchange.upstream_calls:
                await self.cache.unanswered(request, target, exchange)
            raise
        return await self.cache.settle(request, target, found, response, exchange)
