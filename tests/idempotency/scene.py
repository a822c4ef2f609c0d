"""A room on a real database, calls of two customers, and an upstream that the test writes by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from gateway.exchange import Body, Environment, Exchange, Headers, Instance, Request, Response, Target
from gateway.idempotency import Idempotency, KeptAnswers
from gateway.revalidation import Revalidations
from gateway.secret import Secret

DEV = Environment("dev", "http://x", Secret("user"), Secret("organization"))
DAY_S = 86_400.0


def target(customer: str = "acme") -> Target:
    instance = Instance(f"gwi_{customer}", "dev", customer, "hubspot", Secret("token"))
    return Target(DEV, instance, "/contacts")


def request(
    key: str | None = "k-1", body: Body = b'{"a":1}', method: str = "POST", path: str = "/contacts", media: str = "a/json"
) -> Request:
    named = [("Idempotency-Key", key)] if key is not None else []
    return Request(method, path, Headers([("Content-Type", media), *named]), body)


def exchange(caller: str = "caller000001") -> Exchange:
    made = Exchange("id", "POST", "/contacts", 0.0, 1000.0)
    made.caller = caller
    return made


class Chunks:
    """A stream of what it is given; an exception among the chunks is raised in its place."""

    def __init__(self, *chunks: bytes | Exception, length: int | None = None) -> None:
        self.chunks = chunks
        self.length = length
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            await asyncio.sleep(0)
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


async def whole(body: Body) -> bytes:
    return body if isinstance(body, bytes) else b"".join([chunk async for chunk in body])


Act = Response | Exception | Callable[[Request], Awaitable[Response]]


@dataclass
class Upstream:
    """Reads each request to its end and answers in turn with ``acts``; 201 with a number of its own when they are used up.

    While ``open`` is cleared, answers are held back.
    """

    acts: list[Act] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.open.set()

    async def __call__(self, sent: Request, record: Exchange) -> Response:
        record.upstream_calls += 1
        self.bodies.append(await whole(sent.body))
        number = len(self.bodies)
        async with self._news:
            self._news.notify_all()
        act = self.acts.pop(0) if self.acts else created(number)
        await self.open.wait()
        if isinstance(act, Exception):
            raise act
        return act if isinstance(act, Response) else await act(sent)

    async def asked(self, times: int) -> None:
        """Wait until it was called so often."""
        while len(self.bodies) < times:
            async with self._news:
                await self._news.wait()


def room_on(store: KeptAnswers, most: int) -> Room:
    """A room with ``store`` and an upstream of its own."""
    recorded: list[Exchange] = []
    background = Revalidations(recorded.append, time.monotonic, time.time)
    return Room(Idempotency(store, most, background.start), Upstream(), recorded)


def created(number: int, body: Body | None = None) -> Response:
    fields = [("Content-Type", "a/json"), ("X-Number", str(number)), ("X-Request-Id", "first"), ("RateLimit", "r=1"), ("Date", "then")]
    return Response(201, Headers(fields), b'{"id":%d}' % number if body is None else body, "Created")


@dataclass
class Room:
    """The room under test, its upstream, and calls through both."""

    idempotency: Idempotency
    upstream: Upstream
    recorded: list[Exchange] = field(default_factory=list)
    """Calls that went on without their callers."""

    async def call(self, asked: Request | None = None, customer: str = "acme", record: Exchange | None = None) -> Response:
        asked = request() if asked is None else asked
        return await self.idempotency.once(asked, target(customer), record or exchange(), self.upstream)

    async def writing(self) -> None:
        """Wait until an answer is about to be written down."""
        while not self.idempotency._writing:  # noqa: ASYNC110 - the moment itself is wanted
            await asyncio.sleep(0)

    def start(self, asked: Request | None = None) -> asyncio.Task[Response]:
        return asyncio.create_task(self.call(asked))
