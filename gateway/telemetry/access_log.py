"""The access log: one JSON line a call, on standard output, without secrets.

Lines are made on the loop and written by a thread, in batches: a slow or closed pipe must not stop the gateway (faults 41). What
cannot be written is dropped and counted.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _text
from typing import TextIO

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
        if self._thread.is_alive():
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
    """The line of one call, newline included. Durations are in milliseconds; the path stands without its query.

    Written out by hand: this is made for every call, and ``json.dumps`` of a dictionary costs three times as much.
    """
    more = ""
    if exchange.upstream_status:
        more = f', "upstream_status": {exchange.upstream_status}, "elements_request_id": {_text(exchange.elements_request_id)}'
    if exchange.problem:
        more += f', "problem": {_text(exchange.problem)}'
    second, fraction = divmod(exchange.time, 1)
    return (
        f'{{"time": "{_second(int(second))}.{int(fraction * 1000):03d}Z", "request_id": {_text(exchange.request_id)}, '
        f'"caller": {_text(exchange.caller)}, "environment": {_text(exchange.environment)}, "customer": {_text(exchange.customer)}, '
        f'"element": {_text(exchange.element)}, "instance": {_text(exchange.handle)}, "method": {_text(exchange.method)}, '
        f'"path": {_text(exchange.path)}, "status": {exchange.status}, "outcome": {_text(exchange.outcome)}, '
        f'"phase": {_text(exchange.phase)}, "cache": {_text(exchange.cache)}, "ms": {exchange.total_seconds * 1000:.3f}, '
        f'"upstream_ms": {exchange.upstream_seconds * 1000:.3f}, "bytes_up": {exchange.bytes_up}, '
        f'"bytes_down": {exchange.bytes_down}{more}}}\n'
    )


@lru_cache(maxsize=8)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
