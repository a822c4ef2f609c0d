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

    def record_all(self, lines: list[str]) -> None:
        """Have these lines of calls written."""
        self.write_all(lines)


def line(exchange: Exchange) -> str:
    """The line of one call, newline included. Durations are in milliseconds; the path stands without its query.

    Written out by hand: this is made for every call, and ``json.dumps`` of a dictionary costs three times as much.
    """
    start = line_start(exchange.time) + id_of(exchange.request_id)
    return f"{start}{line_middle(exchange)}{milliseconds(exchange.total_seconds)}{line_end(exchange)}"


def line_start(time: float) -> str:
    """What a line begins with, up to the request id."""
    return _start(int(time * 1000))


@lru_cache(maxsize=8)
def _start(thousandths: int) -> str:
    second, rest = divmod(thousandths, 1000)
    return f'{{"time": "{_second(second)}.{rest:03d}Z", "request_id": '


def id_of(request_id: str) -> str:
    """The request id, as it stands in a line."""
    return _text(request_id)


def line_middle(exchange: Exchange) -> str:
    """From the request id to the duration."""
    return (
        f', "caller": {_text(exchange.caller)}, "environment": {_text(exchange.environment)}, "customer": {_text(exchange.customer)}, '
        f'"element": {_text(exchange.element)}, "instance": {_text(exchange.handle)}, "method": {_text(exchange.method)}, '
        f'"path": {_text(exchange.path)}, "status": {exchange.status}, "outcome": {_text(exchange.outcome)}, '
        f'"phase": {_text(exchange.phase)}, "cache": {_text(exchange.cache)}, "ms": '
    )


def line_end(exchange: Exchange) -> str:
    """What stands behind the duration, newline included."""
    more = ""
    if exchange.upstream_status:
        more = f', "upstream_status": {exchange.upstream_status}, "elements_request_id": {_text(exchange.elements_request_id)}'
    if exchange.problem:
        more += f', "problem": {_text(exchange.problem)}'
    if exchange.background:
        more += ', "background": true'
    return (
        f', "upstream_ms": {milliseconds(exchange.upstream_seconds)}, "bytes_up": {exchange.bytes_up}, '
        f'"bytes_down": {exchange.bytes_down}{more}}}\n'
    )


def milliseconds(seconds: float) -> str:
    """A duration in milliseconds, to the microsecond."""
    micros = int(seconds * 1e6 + 0.5)
    return _MILLISECONDS[micros] if 0 <= micros < _SHORT else f"{seconds * 1000:.3f}"


_SHORT = 1000  # microseconds: most durations here
_MILLISECONDS = [f"{micros / 1000:.3f}" for micros in range(_SHORT)]


@lru_cache(maxsize=8)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
