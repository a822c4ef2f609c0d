"""The cache with its calls held in the air: a test decides when each is answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gateway.cache import Cache, CachePolicy, Fresh, Lifetimes
from gateway.cache.memory import MemoryStore
from gateway.exchange import Environment, Exchange, Headers, Instance, Pair, Request, Response, Target
from gateway.secret import Secret

ACME = Instance("gwi_acme0001", "dev", "acme", "hubspot", Secret("t1"))
DEV = Environment("dev", "https://api.invalid/elements/api-v2", Secret("u"), Secret("o"))
JSON = ("Content-Type", "application/json")


@dataclass
class Call:
    """A call that left: ``answer`` it or ``fail`` it."""

    headers: Headers
    done: asyncio.Future[Response]

    def answer(self, *fields: Pair, body: bytes = b"[1]", status: int = 200) -> None:
        self.done.set_result(Response(status, Headers([JSON, *fields]), body))


@dataclass
class House:
    """The cache, and the way through it as the pipeline goes it; ``calls`` are those that left."""

    policy: CachePolicy = field(default_factory=lambda: CachePolicy(lifetimes=Lifetimes(60)))
    now: float = 1_700_000_000.0
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cache = Cache(lambda _: self.policy, MemoryStore(1_000_000, lambda: self.now), lambda: self.now, 100_000)

    async def get(self, path: str = "/contacts", *fields: Pair, method: str = "GET") -> tuple[Response, Exchange]:
        request, exchange = Request(method, path, Headers(fields)), Exchange("id", method, path, 0.0)
        target = Target(DEV, ACME, path)
        found = await self.cache.look_up(request, target, exchange)
        if isinstance(found, Fresh):
            return found.response, exchange
        exchange.upstream_calls = 1
        call = Call(request.headers, asyncio.get_running_loop().create_future())
        self.calls.append(call)
        try:
            response = await call.done
        except BaseException as error:
            stale = await self.cache.failed(request, target, found, error, exchange)
            if stale is None:
                raise
            return stale, exchange
        return await self.cache.settle(request, target, found, response, exchange), exchange

    def start(self, number: int, path: str = "/contacts", *fields: Pair) -> list[asyncio.Task[tuple[Response, Exchange]]]:
        return [asyncio.create_task(self.get(path, *fields)) for _ in range(number)]

    async def left(self, number: int) -> list[Call]:
        """The calls that left, once all that could move has moved."""
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(self.calls) == number
        return self.calls
