"""Calls that nobody waits for: what was answered stale is asked for again in the background (RFC 5861 §3).

Each spends the element's budget and is recorded like any other, but for being no caller's (``Exchange.background``). Once per key is
the cache's business; here their number is bounded, so that a slow upstream does not pile them up: beyond it the stale answer stands
until the next caller comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from gateway.errors import GatewayError
from gateway.exchange import Exchange, Request, Response, Stream

log = structlog.get_logger("gateway")

MOST = 64
_THE_CALLERS = frozenset(
    {"if-none-match", "if-modified-since", "range", "if-range", "cache-control", "pragma", "prefer", "expect", "gateway-timeout"}
)


def unconditional(request: Request) -> Request:
    """The GET as if for the cache alone: without what the caller wanted for itself."""
    return replace(request, headers=request.headers.without(_THE_CALLERS), interim=None)


class Revalidations:
    """The calls on their way in the background. ``record`` is told of each at its end; the clocks are in seconds; ``most`` is the largest
    body that is kept."""

    def __init__(
        self, record: Callable[[Exchange], None], monotonic: Callable[[], float], wall: Callable[[], float], most: int = 1024**2
    ) -> None:
        self._most = most
        self._record = record
        self._monotonic = monotonic
        self._wall = wall
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, call: Callable[[Exchange], Awaitable[Response]], asker: Exchange) -> bool:
        """Make ``call`` for the one who was just answered; False where there are too many already."""
        if len(self._tasks) >= MOST:
            return False
        task = asyncio.create_task(self._run(call, asker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _run(self, call: Callable[[Exchange], Awaitable[Response]], asker: Exchange) -> None:
        started = self._monotonic()
        exchange = Exchange(asker.request_id, "GET", asker.path, started, self._wall(), asker.traceparent)
        exchange.background = True
        for name in ("caller", "environment", "customer", "element", "handle", "resource"):
            setattr(exchange, name, getattr(asker, name))
        try:
            response = await call(exchange)
            exchange.status = response.status
            if not isinstance(response.body, bytes):
                await self._drain(response.body, exchange)
        except GatewayError as error:
            exchange.status, exchange.outcome = error.status, error.slug
        except asyncio.CancelledError:
            exchange.outcome = "stopped"
            raise
        except Exception as error:  # whatever it is, it is ours, and its text may hold anything
            exchange.status, exchange.outcome = 500, "internal"
            log.error("revalidation failed", error=type(error).__name__, request_id=exchange.request_id)
        finally:
            exchange.total_seconds = self._monotonic() - started
            self._record(exchange)

    async def _drain(self, body: Stream, exchange: Exchange) -> None:
        """Read the answer for the cache; nobody needs one that is too large to be kept."""
        try:
            async for chunk in body:
                exchange.bytes_down += len(chunk)
                if exchange.bytes_down > self._most:
                    exchange.note("cache", "not stored", "too-large")
                    return
        finally:
            await body.aclose()

    async def close(self) -> None:
        """End what is on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
