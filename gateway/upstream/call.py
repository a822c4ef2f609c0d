"""One call on its way up, as all of its attempts see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import GatewayError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Exchange, Pair, Request, Target
from gateway.upstream.guards import Guard
from gateway.upstream.injection import Injection


@dataclass(slots=True)
class Call:
    """``conditions`` stand in for the caller's conditional fields; ``deadline`` is monotonic. How often it was ``retried`` after a failure,
    and refused by a ``signals`` of its provider; ``fresh``: no kept connection will do; ``examined``: a 401 was looked into."""

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
    injection: Injection | None = None
    """What the last attempt carried."""

    @property
    def replayable(self) -> bool:
        """Whether its body can be sent again."""
        return isinstance(self.request.body, bytes)

    def blames_upstream(self, error: BaseException, now: float) -> bool:
        """Whether ``error`` is the upstream's; it is not where the caller left, or gave no time."""
        if isinstance(error, (UpstreamUnreachable, UpstreamProtocolError)):
            return True
        return isinstance(error, UpstreamTimeout) and now < self.deadline

    def repeats(self, status: int) -> None:
        """What it was answered is not passed on: it is made again, and counted all the same."""
        exchange = self.exchange
        before = sum([took for _, took in exchange.repeated])
        exchange.repeated += ((status, exchange.upstream_seconds - before),)


def told(error: GatewayError) -> GatewayError:
    """``error`` as callers see it: that a connection was a kept one is not their business."""
    return UpstreamUnreachable(error.detail) if type(error) is not UpstreamUnreachable and isinstance(error, UpstreamUnreachable) else error
