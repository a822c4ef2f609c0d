"""Errors as answers, and those that are given most when there is least time: to calls that are shed."""

from __future__ import annotations

from gateway.errors import GatewayError, Overloaded
from gateway.exchange import Exchange, Response
from gateway.server import answer
from gateway.server.problems import problem
from gateway.telemetry.ids import new_id

TOO_MUCH = "calls come faster than they can be served"


def spoken(error: GatewayError, exchange: Exchange) -> Response:
    """``error`` as an answer; ``exchange`` learns of it."""
    exchange.status = error.status
    exchange.problem = error.slug
    exchange.outcome = error.slug
    if not exchange.decisions or exchange.decisions[-1][2] != error.detail:  # else the room has said so itself
        exchange.note(exchange.phase, error.slug, error.detail)
    return problem(error, exchange.request_id)


class Refusals:
    """Answers to calls that are shed. All that differs in those of one second is the id, so they are made from one."""

    def __init__(self) -> None:
        self._second = -1
        self._made = b""
        self._id = b""
        self._octets = 0

    def answer(self, exchange: Exchange) -> bytes:
        """The whole answer; ``exchange`` learns how it ended."""
        request_id = exchange.request_id.encode()
        if int(exchange.time) != self._second:
            self._make(exchange)
        if len(request_id) != len(self._id):  # the length of the body would be another
            return b"".join(answer.whole(spoken(Overloaded(TOO_MUCH, retry_after=1), exchange), exchange))
        exchange.status, exchange.problem, exchange.outcome = Overloaded.status, Overloaded.slug, Overloaded.slug
        exchange.note("accept", Overloaded.slug, TOO_MUCH)
        exchange.bytes_down = self._octets
        return self._made.replace(self._id, request_id)

    def _make(self, exchange: Exchange) -> None:
        # With an id of ours, which cannot be part of anything else in it.
        first = Exchange(new_id(), "GET", "", exchange.started, exchange.time)
        first.answering = first.started
        self._made = b"".join(answer.whole(spoken(Overloaded(TOO_MUCH, retry_after=1), first), first))
        self._id, self._octets, self._second = first.request_id.encode(), first.bytes_down, int(exchange.time)
