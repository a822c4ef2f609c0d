"""One call on its way up, as all of its attempts see it."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from gateway.errors import GatewayError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Exchange, Pair, Request, Response, Target
from gateway.upstream.guards import Guard
from gateway.upstream.injection import Injection


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt that left ``at`` (monotonic), and what brings its answer."""

    answer: Awaitable[Response]
    at: float


@dataclass(slots=True)
class Call:
    """``conditions`` stand in for the caller's conditional fields; ``deadline`` is monotonic and ends every attempt. How often the call was
    ``retried`` after a failure, and refused by a signal of its provider (``signals``); ``fresh``: no kept connection will do;
    ``examined``: a 401 was looked into."""

    request: Request
    target: Target
    conditions: Sequence[Pair] | None
    exchange: Exchange
    sealed: bool
    guard: Guard
    deadline: float
    fresh: bool = False
    retried: int = 0
    signals: int = 0
    examined: bool = False
    sent: Sent | None = None
    """Its next attempt is on its way already."""
    took: float = 0.0
    """Seconds until the answer to the last attempt."""
    injection: Injection | None = None
    """What the last attempt carried."""

    @property
    def replayable(self) -> bool:
        """Whether its body can be sent again."""
        return isinstance(self.request.body, bytes)

    def repeats(self, status: int) -> None:
        """What it was answered is not passed on: it is made again, and counted all the same."""
        self.exchange.repeated += ((status, self.took),)


def blames_upstream(error: BaseException) -> bool:
    """Whether ``error`` is the upstream's; it is not where the caller left, or broke off."""
    return isinstance(error, (UpstreamUnreachable, UpstreamProtocolError, UpstreamTimeout))


def told(error: GatewayError) -> GatewayError:
    """``error`` as callers see it: that a connection was a kept one is not their business."""
    return UpstreamUnreachable(error.detail) if type(error) is not UpstreamUnreachable and isinstance(error, UpstreamUnreachable) else error
