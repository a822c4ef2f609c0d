"""A call that took the fast path and has left: what is known of it, in the fewest words, and all of it where the corridor takes it over
(``fastforward.py``)."""

from __future__ import annotations

from copy import copy
from math import inf
from typing import TYPE_CHECKING

import structlog

from gateway.cache.coalesce import Flight
from gateway.cache.found import Bypass, Found, Miss, Plan
from gateway.cache.key import Key
from gateway.exchange import Exchange, Interim, Request, Target
from gateway.faults import where
from gateway.paths import shape
from gateway.server.data_connection import DataConnection
from gateway.server.forms import Forms
from gateway.server.heads import headers_in
from gateway.server.known_callers import KnownCaller
from gateway.upstream.call import Call, Sent
from gateway.upstream.guards import Passage
from gateway.upstream.prepared import Admission

if TYPE_CHECKING:
    from gateway.server.fastforward import FastForwarding
    from gateway.upstream.connection import Connection

log = structlog.get_logger("gateway.server")


class Underway:
    """One call that has left; the ``Brief`` of its upstream connection, and in flight. ``resource`` is its path without hub, ``asked`` when
    the cache was, and ``time`` when it started, by the wall clock; ``overtaken``: how many invalidations there had been. Other times are
    monotonic."""

    __slots__ = (
        "_exchange", "admission", "asked", "body", "caller", "connection", "flight", "forms", "forwarding", "head", "holds", "key", "known",
        "left_at", "method", "overtaken", "path", "request_id", "resource", "sent", "started", "target", "time", "traceparent",
    )  # fmt: skip
    phase = "upstream"
    flight: Flight | None
    key: Key | None

    forwarding: FastForwarding
    caller: DataConnection
    known: KnownCaller
    forms: Forms
    connection: Connection
    admission: Admission
    method: bytes
    path: bytes
    target: bytes
    resource: str
    head: bytes
    body: bytes
    request_id: bytes
    traceparent: bytes
    started: float
    time: float
    asked: float
    sent: float
    left_at: float
    overtaken: int
    holds: bool
    """Whether it holds what it was admitted with."""
    _exchange: Exchange | None

    @property
    def environment(self) -> str:
        """The name of the environment."""
        return self.known.record.environment

    def answered(self, data: bytes) -> bool:
        try:
            return self.forwarding.answer(self, data)
        except Exception as error:  # whatever it is, it is ours; the loop would leave the caller waiting for ever
            log.error("call failed", error=type(error).__name__, where=where(error), request_id=self.request_id.decode())
            self.caller.abort()
            self.connection.abort()
            return True

    def handed_over(self) -> Interim:
        self.forwarding.hand_over(self)
        return self.known.prepared.interim(self.caller.interim)

    def leave(self) -> None:
        """Let the corridor take it from here."""
        self.connection.go_on()

    def abandon(self) -> None:
        """The caller left."""
        self.forwarding.abandon(self)

    @property
    def exchange(self) -> Exchange:
        """Its record up to here."""
        if self._exchange is not None:
            return self._exchange
        exchange = self._exchange = copy(self.known.record)
        exchange.decisions = []
        exchange.request_id, exchange.traceparent = self.request_id.decode(), self.traceparent.decode()
        exchange.method, exchange.path, exchange.resource = self.method.decode(), self.path.decode(), shape(self.resource)
        exchange.started, exchange.time = self.started, self.time
        if self.forms.past is None:
            exchange.cache, exchange.cache_status = "miss", "gateway; fwd=uri-miss"
            exchange.note("cache", "miss", "uri-miss")
        else:
            reason = self.forms.past.reason
            exchange.cache_status = "gateway; fwd=method" if exchange.method != "GET" else f"gateway; fwd=bypass; detail={reason}"
            exchange.note("cache", "bypass", reason)
        self.known.prepared.tell(self.admission, exchange)
        exchange.phase, exchange.upstream_calls = "upstream", 1
        return exchange

    def request(self) -> Request:
        """The request as the corridor knows it."""
        headers = headers_in(self.head)
        if headers is None:
            raise ValueError("a head that is not understood was forwarded")
        return Request(self.method.decode(), self.target.decode(), headers, self.body, interim=self.caller.interim)

    def found(self) -> Found:
        """What the look into the cache came to."""
        if self.key is None:
            return Bypass(self.forms.past.reason if self.forms.past is not None else "", self.asked, self.overtaken)
        return Miss("uri-miss", Plan(self.key, self.forms.decision.lifetimes, self.asked, self.overtaken, self.flight))

    def its_target(self) -> Target:
        """Where it goes."""
        target = self.known.prepared.target
        return Target(target.environment, target.instance, self.resource, target.caller)

    def call(self) -> Call:
        """The attempt that is under way."""
        prepared = self.known.prepared
        call = Call(self.request(), self.its_target(), None, self.exchange, False, prepared.guard, inf)
        call.sent = Sent(prepared.answer(self.connection), self.sent)
        return call

    def passage(self) -> Passage:
        """What that attempt holds."""
        return self.known.prepared.passage(self.admission, self.left_at)
