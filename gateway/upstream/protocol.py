"""What the gateway asks of an HTTP client. There are two: ``client.py``, lean, and ``session_client.py``, on ``aiohttp.ClientSession``.

``[upstream] client`` names one; the other is not loaded (``outbound.py``). ``tests/upstream/contract/`` holds both to the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self

from gateway.errors import UpstreamUnreachable
from gateway.exchange import Body, Interim, Response

if TYPE_CHECKING:
    from gateway.upstream.pool import Origin, Timeouts


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
