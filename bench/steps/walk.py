"""What is asked of a whole gateway, and who asks: one caller on one connection, again as soon as it is answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bench.origin import DOCUMENT
from gateway.paths import PREFIX

KEPT, SPREAD = 500, 50_000
"""Of so many resources the cache holds every answer; so many are more than any memory of the gateway holds."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What is asked again and again: resource ``target`` with a number from 1 to ``spread`` behind it, of ``element``. Every answer has
    ``status`` and shows the octets ``shows`` in its head, but for the first, which are asked before anything is measured. ``known``: with a
    key that there is."""

    name: str
    about: str
    target: str
    status: int = 200
    shows: bytes = b"\r\nCache-Status: gateway; fwd="
    spread: int = SPREAD
    body: bytes = b""
    element: str = "hubspot"
    known: bool = True


WALKS = (
    Walk(
        "hit", "a fresh hit, the same caller repeating", "/hubs/crm/contacts/fresh-", shows=b"\r\nCache-Status: gateway; hit", spread=KEPT
    ),
    Walk("forward", "GET of 1 KB, forwarded", "/hubs/crm/contacts/"),
    Walk("post", "POST of 10 KB both ways, forwarded", "/hubs/crm/contacts?n=", body=DOCUMENT * 10),
    Walk("refused-429", "refused: the budget is spent", "/hubs/crm/contacts/", status=429, shows=b"problem+json", element="tight"),
    Walk("unknown-401", "refused: nobody has this key", "/hubs/crm/contacts/", status=401, shows=b"problem+json", known=False),
)


class Caller(asyncio.Protocol):
    """Asks, looks at the status, asks again, until it has been answered as often as it was told to."""

    def __init__(self, walk: Walk, key: str) -> None:
        self._walk = walk
        fields = f"Authorization: Bearer {key}\r\nGateway-Customer: acme\r\nGateway-Element: {walk.element}\r\nAccept: application/json\r\n"
        length = f"Content-Type: application/json\r\nContent-Length: {len(walk.body)}\r\n" if walk.body else ""
        method = "POST" if walk.body else "GET"
        self._before = f"{method} {PREFIX}{walk.target}".encode()
        self._behind = f" HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench/1\r\n{fields}{length}\r\n".encode() + walk.body
        self._expected = b"HTTP/1.1 %d " % walk.status
        self._asked = self._left = 0
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

    def _ask(self) -> None:
        self._asked = self._asked % self._walk.spread + 1
        if self._transport is not None:
            self._transport.write(b"%b%d%b" % (self._before, self._asked, self._behind))

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
