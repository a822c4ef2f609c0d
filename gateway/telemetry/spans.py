"""What a traced call looks like as spans: one of kind server, below it one for each step, of kind client for each attempt upstream.

Names follow OpenTelemetry's stable HTTP semantic conventions (https://opentelemetry.io/docs/specs/semconv/http/http-spans/); what they
have no name for stands under ``gateway.``. Only what is listed here leaves the gateway: no query, no field of a message, no secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal
from urllib.parse import urlsplit

from gateway.errors import GatewayError
from gateway.paths import split_prefix
from gateway.telemetry.tracing_exchange import UPSTREAM, TracedExchange, new_span_id

Kind = Literal["server", "client", "internal"]
Attributes = dict[str, str | int]

_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
_CUT = "broken-off:"
_LEFT = "caller-left"


@dataclass(frozen=True, slots=True)
class Event:
    """A decision: ``name`` is the room and what it decided."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(slots=True)
class Span:
    """Ids are hexadecimal, ``parent`` is ``""`` for the root of a trace; times are since 1970. ``error``: what went wrong, as a slug."""

    name: str
    kind: Kind
    id: str
    parent: str
    start_ns: int
    end_ns: int
    attributes: Attributes = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    error: str = ""


def spans_of(exchange: TracedExchange, scheme: str, base_urls: Mapping[str, str]) -> list[Span]:
    """The spans of a call that is over, the server's first. ``base_urls`` are by environment, ``scheme`` is the listener's."""
    times = _Times(exchange)
    server = _server(exchange, scheme, times)
    spans = [server, *_steps(exchange, times, server.id, base_urls)]
    if exchange.answering:
        answer = Span("answer", "internal", new_span_id(), server.id, times.at(exchange.answering), times.end_ns)
        answer.error = _cut(exchange)
        spans.append(answer)
    return spans


class _Times:
    """From the monotonic clock of the record to nanoseconds by the wall clock; nothing is outside of the call."""

    def __init__(self, exchange: TracedExchange) -> None:
        self._started = exchange.started
        self.start_ns = int(exchange.time * 1e9)
        self.end_ns = self.start_ns + max(0, int(exchange.total_seconds * 1e9))

    def at(self, moment: float) -> int:
        return min(max(self.start_ns + int((moment - self._started) * 1e9), self.start_ns), self.end_ns)


def _server(exchange: TracedExchange, scheme: str, times: _Times) -> Span:
    server = Span(_name(exchange), "server", new_span_id(), exchange.parent, times.start_ns, times.end_ns)
    server.attributes = _said(
        {
            "http.request.method": _method(exchange.method),
            "http.response.status_code": exchange.status,
            "http.route": exchange.resource,
            "url.path": exchange.path,
            "url.scheme": scheme,
            "gateway.request.id": exchange.request_id,
            "gateway.caller": exchange.caller,
            "gateway.environment": exchange.environment,
            "gateway.customer": exchange.customer,
            "gateway.element": exchange.element,
            "gateway.instance": exchange.handle,
            "gateway.cache": exchange.cache,
            "gateway.limited": exchange.limited,
            "gateway.outcome": exchange.outcome,
            "gateway.problem": exchange.problem,
            "gateway.upstream.calls": exchange.upstream_calls,
            "gateway.elements.request_id": exchange.elements_request_id,
            "gateway.bytes.up": exchange.bytes_up,
            "gateway.bytes.down": exchange.bytes_down,
        }
    )
    # A status of 4xx is the caller's mistake, not ours (semantic conventions, "Status").
    server.error = (exchange.problem or str(exchange.status)) if exchange.status >= 500 else _cut(exchange)
    return server


def _steps(exchange: TracedExchange, times: _Times, parent: str, base_urls: Mapping[str, str]) -> Iterator[Span]:
    end = exchange.answering or exchange.started + exchange.total_seconds
    attempts = 0
    for index, ((phase, began), (following, ended)) in enumerate(pairwise([*exchange.steps, ("", end)])):
        if phase == UPSTREAM:
            span_id = exchange.attempts[attempts]
            attempts += 1
            span = _attempt(exchange, span_id, parent, attempts, following, base_urls)
        else:
            # What stands behind an answer's head is settled here; the answer itself is a span of its own.
            span = Span("settle" if phase == "answer" else phase, "internal", new_span_id(), parent, 0, 0)
        span.start_ns, span.end_ns = times.at(began), times.at(ended)
        _decide(span, _decisions(exchange, index), times)
        if not following and exchange.status >= 500 and exchange.problem:
            span.error = exchange.problem
        yield span


def _attempt(exchange: TracedExchange, span_id: str, parent: str, number: int, following: str, base_urls: Mapping[str, str]) -> Span:
    """A call that left. It was answered if the step behind it is ``answer``."""
    span = Span(_name(exchange), "client", span_id, parent, 0, 0)
    url = urlsplit(base_urls[exchange.environment])
    status = exchange.upstream_status if following == "answer" else 0
    span.attributes = _said(
        {
            "http.request.method": _method(exchange.method),
            "http.response.status_code": status,
            "http.request.resend_count": number - 1,
            "server.address": url.hostname or "",
            "server.port": url.port or (443 if url.scheme == "https" else 80),
            "url.full": base_urls[exchange.environment] + _upstream_path(exchange.path),
            "gateway.outcome": _LEFT if not status and exchange.outcome == _LEFT else "",
        }
    )
    if status >= 400:
        span.error = str(status)
    elif not status and following:
        span.error = "connection-closed"  # the one reason for which a call is sent again
    return span


def _decisions(exchange: TracedExchange, step: int) -> Iterable[tuple[str, str, str, float]]:
    both = zip(exchange.decisions, exchange.moments, strict=True)
    return [(*decision, moment) for decision, (index, moment) in both if index == step]


def _decide(span: Span, decisions: Iterable[tuple[str, str, str, float]], times: _Times) -> None:
    """Each decision is an event; the last one of a room also stands in the span's attributes, where it can be searched for."""
    for room, decision, reason, moment in decisions:
        told = _said({"gateway.decision": decision, "gateway.reason": reason})
        span.attributes |= told
        span.events.append(Event(f"{room}: {decision}", times.at(moment), told))


def _name(exchange: TracedExchange) -> str:
    method = _method(exchange.method)
    return f"{'HTTP' if method == '_OTHER' else method} {exchange.resource}".rstrip()


def _method(method: str) -> str:
    """Any other could be anything, a secret even (semantic conventions, ``http.request.method``)."""
    return method if method in _METHODS else "_OTHER"


def _cut(exchange: TracedExchange) -> str:
    return exchange.outcome.removeprefix(_CUT) if exchange.outcome.startswith(_CUT) else ""


def _upstream_path(path: str) -> str:
    try:
        return split_prefix(path)[1]
    except GatewayError:  # it was shortened, or what stood in it is not shown
        return ""


def _said(attributes: Attributes) -> Attributes:
    """Without what is not known of this call."""
    return {name: value for name, value in attributes.items() if value not in ("", 0)}
