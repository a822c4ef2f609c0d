"""A collector of traces: takes OTLP over HTTP at ``/v1/traces`` as protobuf, and offers what it was sent as spans with plain values."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1 import trace_pb2

Value = str | int | float | bool

_KINDS = {
    trace_pb2.Span.SPAN_KIND_SERVER: "server",
    trace_pb2.Span.SPAN_KIND_CLIENT: "client",
    trace_pb2.Span.SPAN_KIND_INTERNAL: "internal",
}


@dataclass(frozen=True)
class Span:
    """One span as it arrived. ``error`` is the description of an error status, ``None`` where the status is unset."""

    name: str
    kind: str
    trace_id: str
    id: str
    parent: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    events: tuple[tuple[str, int, dict[str, Value]], ...]
    error: str | None
    resource: dict[str, Value]
    scope: str


@dataclass(frozen=True)
class Trace:
    """The spans of one call: the server's and those below it, in the order of their beginnings."""

    server: Span
    steps: tuple[Span, ...]

    def step(self, name: str) -> Span:
        """The only step called ``name``."""
        (found,) = [span for span in self.steps if span.name == name]
        return found

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.steps]

    @property
    def attempts(self) -> list[Span]:
        return [span for span in self.steps if span.kind == "client"]


class Receiver:
    """Listens on 127.0.0.1, at a port of the system's choice unless one is given, while entered. ``answer`` is the status that it gives.

    While ``holding`` is set, a delivery is taken and not answered.
    """

    def __init__(self, port: int = 0) -> None:
        self.bodies: list[bytes] = []
        self.fields: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.answer = 200
        self.holding = threading.Event()
        self._news = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.holding.clear()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spans(self) -> list[Span]:
        """Everything that was taken."""
        with self._news:
            bodies = list(self.bodies)
        return [span for body in bodies for span in _decoded(body)]

    def trace(self, request_id: str) -> Trace:
        """The call with that request id, which must have arrived or arrive within some seconds."""
        assert self.wait(lambda: self._find(request_id) is not None), f"no trace of {request_id} arrived"
        found = self._find(request_id)
        assert found is not None
        return found

    def wait(self, condition: Callable[[], bool], within: float = 10.0) -> bool:
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                return False
            with self._news:
                self._news.wait(0.05)
        return True

    def _find(self, request_id: str) -> Trace | None:
        spans = self.spans()
        for server in spans:
            if server.attributes.get("gateway.request.id") == request_id:
                steps = [span for span in spans if span.trace_id == server.trace_id and span.parent == server.id]
                return Trace(server, tuple(sorted(steps, key=lambda span: (span.start_ns, span.end_ns))))
        return None

    def _take(self, path: str, fields: dict[str, str], body: bytes) -> int:
        if self.answer == 200:
            with self._news:
                self.bodies.append(body)
                self.paths.append(path)
                self.fields.append(fields)
                self._news.notify_all()
        return self.answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fields = {name.lower(): value for name, value in self.headers.items()}
                while receiver.holding.is_set():
                    time.sleep(0.01)
                status = receiver._take(self.path, fields, body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                with contextlib.suppress(ConnectionError):  # whoever waited may have gone
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is printed."""

        return Handler


def _decoded(body: bytes) -> Iterator[Span]:
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        resource = _values(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield Span(
                    span.name,
                    _KINDS[span.kind],
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _values(span.attributes),
                    tuple((event.name, event.time_unix_nano, _values(event.attributes)) for event in span.events),
                    span.status.message if span.status.code == trace_pb2.Status.STATUS_CODE_ERROR else None,
                    resource,
                    scope_spans.scope.name,
                )


def _values(pairs: Any) -> dict[str, Value]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
