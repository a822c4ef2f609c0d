"""Delivering traced calls with the OpenTelemetry SDK: its batches, its thread, its OTLP over HTTP. Imported only where tracing is on.

The loop hands over a record and goes on; spans are made of it in the SDK's thread. Calls come before traces: that thread works a quarter
of the time at most, and where that is not enough the oldest of more than ``MAX_WAITING`` calls go untold. The SDK's own log lines come
with every batch and quote addresses: they are silenced, and one line of ours says what is wrong.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import requests
import structlog
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.sdk.version import __version__ as sdk_version
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway import __version__
from gateway.secret import Secret
from gateway.telemetry.spans import Span
from gateway.telemetry.tracing_exchange import TracedExchange

MAX_WAITING = 2048
_BATCH = 64
_EVERY_MS = 500
_TIMEOUT_S = 5.0
_FLUSH_S = 5.0
_FLUSH_FAILING_S = 0.5
_RESTS = 3  # seconds for each second of work
_SWITCH_S = 0.0005  # the loop waits that long for a thread that computes; ten times as long by default

_KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_SCOPE = InstrumentationScope("gateway", __version__)
_NOTHING = Resource({})
_TAKEN = SpanContext(1, 1, is_remote=False, trace_flags=_SAMPLED)  # all that the SDK asks for is the flag

log = structlog.get_logger("gateway.telemetry")


class Delivery:
    """Takes traced calls until ``close``. ``spans`` makes spans of one; ``endpoint`` is the collector's URL without ``/v1/traces``."""

    def __init__(
        self, endpoint: str, headers: Mapping[str, Secret], service_name: str, spans: Callable[[TracedExchange], Sequence[Span]]
    ) -> None:
        for name in ("opentelemetry", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        sys.setswitchinterval(_SWITCH_S)
        self._exporter = _CallExporter(endpoint, headers, service_name, spans)
        self._processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=MAX_WAITING,
            schedule_delay_millis=_EVERY_MS,
            max_export_batch_size=_BATCH,
            export_timeout_millis=_TIMEOUT_S * 1000,
            meter_provider=NoOpMeterProvider(),
        )
        self._taken = 0

    def take(self, exchange: TracedExchange) -> None:
        """Have a call delivered; never blocks."""
        self._taken += 1
        self._processor.on_end(_Call(exchange, self._taken))

    def close(self) -> None:
        """Deliver what waits, for some seconds at most, and stop; says how many calls were lost."""
        self._exporter.hurry.set()
        ending = threading.Thread(target=self._processor.shutdown, name="last traces", daemon=True)
        ending.start()
        ending.join(_FLUSH_FAILING_S if self._exporter.failing else _FLUSH_S)
        self._exporter.shutdown()
        lost = self._taken - self._exporter.delivered
        if lost:
            log.warning("traces were lost", calls=lost)


class _Call(ReadableSpan):
    """A call as it waits in the SDK's queue, numbered from 1: the spans are made of it when its turn comes."""

    def __init__(self, exchange: TracedExchange, number: int) -> None:
        super().__init__("", _TAKEN, resource=_NOTHING)
        self.exchange = exchange
        self.number = number


class _CallExporter(SpanExporter):
    """Runs in the SDK's thread. ``delivered`` counts calls; ``failing`` since the last delivery went wrong; ``hurry``: rest no more."""

    def __init__(
        self, endpoint: str, headers: Mapping[str, Secret], service_name: str, spans: Callable[[TracedExchange], Sequence[Span]]
    ) -> None:
        self.delivered = 0
        self.failing = False
        self.hurry = threading.Event()
        self._seen = 0
        self._overrun = False
        self._spans = spans
        self._resource = _resource(service_name)
        self._stopped = False
        self._session = _Session()
        self._where = endpoint.split("/")[2]
        self._otlp = OTLPSpanExporter(
            f"{endpoint}/v1/traces",
            headers={name: value.reveal() for name, value in headers.items()},
            timeout=_TIMEOUT_S,
            compression=Compression.NoCompression,
            session=self._session,
        )

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._stopped:
            return SpanExportResult.FAILURE
        calls = [span for span in spans if isinstance(span, _Call)]
        self._look_for_gaps(calls)
        worked = time.thread_time()
        done = self._deliver([call.exchange for call in calls])
        self.hurry.wait((time.thread_time() - worked) * _RESTS)
        return SpanExportResult.SUCCESS if done else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Try nothing again, send nothing more."""
        if not self._stopped:
            self._stopped = True
            self._otlp.shutdown()  # type: ignore[no-untyped-call]

    def _deliver(self, calls: Sequence[TracedExchange]) -> bool:
        try:
            made = [_made(span, call.trace_id, self._resource) for call in calls for span in self._spans(call)]
        except Exception as error:  # the SDK would not say so
            log.error("spans could not be made", error=type(error).__name__, calls=len(calls))
            return False
        self._session.forget()
        self._otlp.export(made)  # takes a redirection for a success
        if self._session.accepted:
            self.delivered += len(calls)
        self._tell(self._session.accepted)
        return self._session.accepted

    def _look_for_gaps(self, calls: Sequence[_Call]) -> None:
        """The queue drops its oldest where it is full: say so once. A collector that fails has its own line."""
        if calls and calls[0].number > self._seen + 1 and not (self._overrun or self.failing):
            self._overrun = True
            log.warning("more calls are traced than can be delivered: lower tracing.sample_ratio")
        self._seen = calls[-1].number if calls else self._seen

    def _tell(self, good: bool) -> None:
        """Say once that it goes wrong, and once that it goes well again."""
        if good and self.failing:
            log.info("traces are delivered again", collector=self._where)
        elif not good and not self.failing:
            log.warning("traces cannot be delivered", collector=self._where, reason=self._session.ending)
        self.failing = not good


class _Session(requests.Session):
    """Uses neither proxies nor the netrc file of whoever starts the gateway, and remembers how the last request ended."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.forget()

    def forget(self) -> None:
        """Nothing was sent yet."""
        self.accepted, self.ending = False, "not sent"

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        self.accepted = False
        try:
            response = super().request(*arguments, **options)
        except requests.RequestException as error:
            self.ending = type(error).__name__
            raise
        self.accepted = response.ok and not response.is_redirect
        self.ending = f"status {response.status_code}"
        return response


def _made(span: Span, trace_id: str, resource: Resource) -> ReadableSpan:
    status = Status(StatusCode.ERROR, span.error) if span.error else Status()
    return ReadableSpan(
        span.name,
        _context(trace_id, span.id),
        _context(trace_id, span.parent, is_remote=span.kind == "server") if span.parent else None,
        resource,
        {**span.attributes, "error.type": span.error} if span.error else span.attributes,
        [Event(event.name, event.attributes, event.time_ns) for event in span.events],
        kind=_KINDS[span.kind],
        status=status,
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=_SCOPE,
    )


def _context(trace_id: str, span_id: str, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote, _SAMPLED)


def _resource(service_name: str) -> Resource:
    """Who sends. Made without looking at the process environment, which would have its say otherwise."""
    return Resource(
        {
            "service.name": service_name,
            "service.version": __version__,
            "service.instance.id": str(uuid.uuid4()),
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.version": sdk_version,
        }
    )
