"""The access log: one JSON line a call, on standard output, without secrets."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _text

from gateway.exchange import Exchange
from gateway.telemetry.lines import Lines


class AccessLog(Lines):
    """The lines of finished calls, for standard output."""

    def record(self, exchange: Exchange) -> None:
        """Have the line of one call written."""
        self.write(line(exchange))


def line(exchange: Exchange) -> str:
    """The line of one call, newline included. Durations are in milliseconds; the path stands without its query.

    Written out by hand: this is made for every call, and ``json.dumps`` of a dictionary costs three times as much.
    """
    more = ""
    if exchange.upstream_status:
        more = f', "upstream_status": {exchange.upstream_status}, "elements_request_id": {_text(exchange.elements_request_id)}'
    if exchange.problem:
        more += f', "problem": {_text(exchange.problem)}'
    if exchange.background:
        more += ', "background": true'
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
