"""Loaded by schemathesis in its own process: how to send the media types of an import, and how not to wait."""

from __future__ import annotations

from typing import Any

import schemathesis

from gateway.reports import ExchangeFollow

_PATIENCE_S = 0.05
_LONGEST_S = next(rule.le for rule in ExchangeFollow.model_fields["wait"].metadata if hasattr(rule, "le"))


@schemathesis.serializer("application/x-ndjson", "application/ndjson", "application/jsonl")
def ndjson(ctx: Any, value: Any) -> bytes | None:
    """Text as it is, anything else as a line of JSON."""
    del ctx
    if isinstance(value, bytes):
        return value
    return str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def before_call(ctx: Any, case: Any, kwargs: Any) -> None:
    """Nobody waits for calls that never come: a wait that is one is made short."""
    del ctx, kwargs
    wait = (case.query or {}).get("wait")
    if isinstance(wait, int | float) and not isinstance(wait, bool) and _PATIENCE_S < wait <= _LONGEST_S:
        case.query["wait"] = _PATIENCE_S
