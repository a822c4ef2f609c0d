"""How an error is spoken over HTTP: ``application/problem+json`` that a Cloud Elements client can also read (contract 2.4).

The one place where that is decided.
"""

from __future__ import annotations

import json
from math import ceil
from typing import Any

from gateway.errors import GatewayError
from gateway.exchange import Headers, Response

CONTENT_TYPE = "application/problem+json"
_GRAIN_S = 1e-6  # ten seconds measured in floats may be 10.000000000001; that is not eleven
_WITH_RETRY_AFTER = frozenset({429, 503})


def document(error: GatewayError, request_id: str) -> dict[str, Any]:
    """The members of a problem (RFC 9457), with ``requestId`` and ``message`` for Cloud Elements clients."""
    members: dict[str, Any] = {
        "type": f"urn:gateway:problem:{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "source": error.source,
        "requestId": request_id,
        "message": error.title,
        **error.extra,
    }
    seconds = retry_after(error)
    if seconds is not None:
        members["retryAfter"] = seconds
    return members


def retry_after(error: GatewayError) -> int | None:
    """Whole seconds, at least one, where the answer says when to come back."""
    if error.status in _WITH_RETRY_AFTER:
        return max(1, ceil((error.retry_after or 1) - _GRAIN_S))
    return None


def headers_of(error: GatewayError) -> list[tuple[str, str]]:
    """The fields that go with the problem, without framing."""
    fields = [("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
    seconds = retry_after(error)
    if seconds is not None:
        fields.append(("Retry-After", str(seconds)))
    if error.status == 401:
        fields.append(("WWW-Authenticate", 'Bearer realm="gateway"'))
    if error.status == 405:
        fields.append(("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
    return fields


def problem(error: GatewayError, request_id: str) -> Response:
    """The answer for ``error``."""
    return Response(error.status, Headers(headers_of(error)), json.dumps(document(error, request_id)).encode())
