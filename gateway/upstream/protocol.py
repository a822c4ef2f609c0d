"""What the gateway asks of an HTTP client. There are two: ``client.py``, lean, and ``session_client.py``, on ``aiohttp.ClientSession``.

``[upstream] client`` names one; the other is not loaded (``outbound.py``). ``tests/upstream/contract/`` holds both to the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self
from urllib.parse import urlsplit

from gateway.errors import UpstreamUnreachable
from gateway.exchange import Body, Interim, Response


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: until a connection is made (name, TCP, TLS), until the head of the answer, between two octets of its body, and for the
    whole of a call (0: no end)."""

    connect: float = 5.0
    response: float = 120.0
    body: float = 60.0
    call: float = 0.0


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Seconds, and the most connections that one upstream may hold open. ``timeouts`` are for calls that have none of their own."""

    timeouts: Timeouts = Timeouts()
    keep_alive: float = 20.0
    max_connections: int = 512
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where connections go, and under which name. ``authority`` is the Host field, ``path`` stands before every target."""

    secure: bool
    host: str
    port: int
    authority: str
    path: str

    @classmethod
    def of(cls, base_url: str) -> Origin:
        url = urlsplit(base_url)
        secure = url.scheme == "https"
        return cls(secure, url.hostname or "", url.port or (443 if secure else 80), url.netloc, url.path)


class StaleConnection(UpstreamUnreachable):
    """A kept connection turned out to be dead before a single octet of an answer came"""


class UpstreamClient(Protocol):
    """Sends requests over connections of its own. Use as an async context manager."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def send(
        self,
        origin: Origin,
        head: bytes,
        body: Body,
        *,
        head_only: bool,
        fresh: bool = False,
        interim: Interim | None = None,
        timeouts: Timeouts | None = None,
        written: Callable[[], None] | None = None,
    ) -> Response:
        """Send the octets of ``head`` and then ``body``; the answer with its body still streaming unless it is here already.

        A ``body`` of ``bytes`` goes as it is, a stream of unknown length in chunks; ``head`` says which. ``head_only`` says that the
        method is HEAD, ``fresh`` that no kept connection may be used; ``interim`` is told of interim answers but 100, ``written``
        when the head has been handed to a connection that stands. The answer has every field as it came, and of its trailers none.
        Raises ``StaleConnection`` (only on a kept connection), ``UpstreamUnreachable``, ``UpstreamTimeout``,
        ``UpstreamProtocolError``, ``Overloaded`` (no place in line came free), each with ``never_left`` where that is certain, and
        what the caller's ``body`` raises. So does the body of the answer: what ends early never looks complete.
        """
