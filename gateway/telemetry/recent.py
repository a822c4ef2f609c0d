"""The last calls, each decision with its reason, no secrets (contract 4, ``GET /exchanges``)."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from gateway.exchange import Exchange

KEPT = 1000


class Recent:
    """A ring of finished exchanges."""

    def __init__(self, size: int = KEPT) -> None:
        self._ring: deque[Exchange] = deque(maxlen=size)

    def add(self, exchange: Exchange) -> None:
        self._ring.append(exchange)

    def last(self, limit: int) -> list[dict[str, Any]]:
        """The last ``limit`` calls, the newest first."""
        return [as_json(exchange) for exchange in islice(reversed(self._ring), limit)]


def as_json(exchange: Exchange) -> dict[str, Any]:
    """One call for people: durations in milliseconds, what is unknown left out."""
    record: dict[str, Any] = {
        "time": datetime.fromtimestamp(exchange.time, UTC).isoformat(timespec="milliseconds"),
        "request_id": exchange.request_id,
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
        "problem": exchange.problem,
        "outcome": exchange.outcome,
        "phase": exchange.phase,
        "caller": exchange.caller,
        "environment": exchange.environment,
        "customer": exchange.customer,
        "element": exchange.element,
        "instance": exchange.handle,
        "resource": exchange.resource,
        "cache": exchange.cache,
        "limited": exchange.limited,
        "upstream_status": exchange.upstream_status,
        "upstream_calls": exchange.upstream_calls,
        "elements_request_id": exchange.elements_request_id,
        "ms": round(exchange.total_seconds * 1000, 3),
        "upstream_ms": round(exchange.upstream_seconds * 1000, 3),
        "bytes_up": exchange.bytes_up,
        "bytes_down": exchange.bytes_down,
        "background": exchange.background,
    }
    record = {name: value for name, value in record.items() if value not in ("", 0) or name in ("status", "ms")}
    record["decisions"] = [{"room": room, "decision": decision, "reason": reason} for room, decision, reason in exchange.decisions]
    return record
