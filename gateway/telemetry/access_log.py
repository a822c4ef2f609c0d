"""The access log: one JSON line a call, on standard output, without secrets.

Lines are made on the loop and written by a thread, in batches: a slow or closed pipe must not stop the gateway (faults 41). What
cannot be written is dropped and counted.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from datetime import UTC, datetime
from typing import Any, TextIO

from gateway.exchange import Exchange

MAX_WAITING = 20_000
_BATCH_S = 0.05


class AccessLog:
    """Writes to ``stream`` from ``start`` to ``close``; ``dropped`` counts lines that were lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Write what waits and stop, within a second even if nobody reads."""
        self._ending.set()
        self._thread.join(timeout=1.0)

    def write(self, exchange: Exchange) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append(line(exchange))

    def _run(self) -> None:
        while not self._ending.wait(_BATCH_S):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        count = len(self._waiting)
        if not count:
            return
        text = "".join([self._waiting.popleft() for _ in range(count)])
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self.dropped += count


def line(exchange: Exchange) -> str:
    """The line of one call, newline included. Durations are in milliseconds; the path stands without its query."""
    entry: dict[str, Any] = {
        "time": datetime.fromtimestamp(exchange.time, UTC).isoformat(timespec="milliseconds"),
        "request_id": exchange.request_id,
        "caller": exchange.caller,
        "environment": exchange.environment,
        "customer": exchange.customer,
        "element": exchange.element,
        "instance": exchange.handle,
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
        "outcome": exchange.outcome,
        "phase": exchange.phase,
        "cache": exchange.cache,
        "ms": round(exchange.total_seconds * 1000, 3),
        "upstream_ms": round(exchange.upstream_seconds * 1000, 3),
        "bytes_up": exchange.bytes_up,
        "bytes_down": exchange.bytes_down,
    }
    if exchange.upstream_status:
        entry["upstream_status"] = exchange.upstream_status
        entry["elements_request_id"] = exchange.elements_request_id
    if exchange.problem:
        entry["problem"] = exchange.problem
    return json.dumps(entry) + "\n"
