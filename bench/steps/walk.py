"""What is asked of a whole gateway, and who asks: one caller on one connection, again as soon as it is answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from bench.origin import DOCUMENT
from gateway.paths import PREFIX

KEPT, SPREAD = 500, 50_000
"""Of so many resources the cache holds every answer; so many are more than any memory of the gateway holds."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What is asked again and again: resource ``target`` with a number from 1 to ``spread`` behind it, of ``element``. Every answer has
    ``status`` and shows the octets ``shows`` in its head, but for the first, which are asked before anything is measured. ``known``: with a
    key that there is; ``ids``: with a ``traceparent`` and an ``X-Request-Id`` that are new each time.

    The gateway is told to have its fast paths on or off (``fast_path``); ``short``: each call takes one to its end, else none does."""

    name: str
    about: str
    target: str
    status: int = 200
    shows: bytes = b"\r\nCache-Status: gateway; fwd="
    spread: int = SPREAD
    body: bytes = b""
    element: str = "hubspot"
    known: bool = True
    ids: bool = False
    fast_path: bool = True
    short: bool = True

    @property
    def unmeasured(self) -> int:
        """How many calls it takes until each is like the one before: a miss, a hit, and a hit of which the gateway learns."""
        return 3 * self.spread if self.spread <= KEPT else KEPT


_HIT = Walk(
    "hit", "a fresh hit, the same caller repeating", "/hubs/crm/contacts/fresh-", shows=b"\r\nCache-Status: gateway; hit", spread=KEPT
)
_FORWARD = Walk("forward", "GET of 1 KB, forwarded", "/hubs/crm/contacts/")
_SHORT = (
    _HIT,
    replace(_HIT, name="hit-ids", about="a fresh hit, each request with ids of its own", ids=True),
    _FORWARD,
    Walk("post", "POST of 10 KB both ways, forwarded", "/hubs/crm/contacts?n=", body=DOCUMENT * 10),
)
_REFUSED = (
    Walk("refused-429", "refused: the budget is spent", _FORWARD.target, status=429, shows=b"problem+json", element="tight", short=False),
    Walk("unknown-401", "refused: nobody has this key", _FORWARD.target, status=401, shows=b"problem+json", known=False, short=False),
)
WALKS = (
    *_SHORT,
    *_REFUSED,
    *(
        replace(walk, name=f"{walk.name}-corridor", about=f"{walk.about}; without fast paths", fast_path=False, short=False)
        for walk in _SHORT
    ),
)


class Caller(asyncio.Protocol):
    """Asks, looks at the status, asks again, until it has been answered as often as it was told to."""

    def __init__(self, walk: Walk, key: str) -> None:
        self._walk = walk
        fields = f"Authorization: Bearer {key}\r\nGateway-Customer: acme\r\nGateway-Element: {walk.element}\r\nAccept: application/json\r\n"
        length = f"Content-Type: application/json\r\nContent-Length: {len(walk.body)}\r\n" if walk.body else ""
        method = "POST" if walk.body else "GET"
        self._before = f"{method} {PREFIX}{walk.target}".encode()
        self._behind = f" HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench/1\r\n{fields}{length}".encode()
        self._end = b"\r\n" + walk.body
        self._expected = b"HTTP/1.1 %d " % walk.status
        self._asked = self._left = self._all = 0
        self._buffer = b""
        self._done: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self.strict = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    async def ask(self, calls: int) -> None:
        """Ask ``calls`` times, one after the other."""
        self._left = calls
        self._done = asyncio.get_running_loop().create_future()
        self._ask()
        await self._done

    def octets(self, number: int) -> bytes:
        """The request for resource ``number``."""
        end = self._end
        if self._walk.ids:
            self._all += 1
            end = b"traceparent: 00-%032x-%016x-00\r\nX-Request-Id: %032x\r\n%b" % (self._all, self._all, self._all, end)
        return b"%b%d%b%b" % (self._before, number, self._behind, end)

    def _ask(self) -> None:
        self._asked = self._asked % self._walk.spread + 1
        if self._transport is not None:
            self._transport.write(self.octets(self._asked))

    def data_received(self, data: bytes) -> None:
        self._buffer = data = self._buffer + data if self._buffer else data
        end = data.find(b"\r\n\r\n")
        at = data.find(b"\r\nContent-Length: ", 0, end + 2)
        if end < 0 or at < 0 or len(data) < end + 4 + int(data[at + 18 : data.index(b"\r", at + 18)]):
            return
        self._buffer = b""
        if self.strict and not (data.startswith(self._expected) and data.find(self._walk.shows, 0, end) >= 0):
            self._fail(f"{self._walk.name}: an answer begins {data[:20]!r}, expected {self._expected!r} and {self._walk.shows!r}")
            return
        self._left -= 1
        if self._left:
            self._ask()
        elif self._done is not None:
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._left:
            self._fail(f"{self._walk.name}: the connection was closed")

    def _fail(self, text: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(RuntimeError(text))
