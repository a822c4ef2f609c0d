"""Which answers are kept, what of them, and how they read as octets. Pure rules."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, replace

from gateway.exchange import Headers, Response

REPLAYED = ("Idempotency-Replayed", "true")
# "Not carried out" or "not now": the caller is meant to try again, and may, with the same key.
_TEMPORARY = frozenset({401, 408, 425, 429, 502, 503, 504})
_OF_ONE_CALL = frozenset({"x-request-id", "via", "server-timing", "set-cookie", "set-cookie2", REPLAYED[0].lower()})
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Kept:
    """A first answer: for a call with this ``fingerprint``, given at ``created_at`` (seconds since the epoch).

    ``answer`` has its body as ``bytes``; None: it was too large, and only that it was given is known.
    """

    fingerprint: bytes
    answer: Response | None
    created_at: float


def not_kept(status: int, *, limit_signal: bool) -> str:
    """Why a first answer is not kept; "" if it is. ``limit_signal``: the provider meant that its limit is spent, whatever the status."""
    if limit_signal:
        return "a limit of the provider"
    return f"status {status} is temporary" if status in _TEMPORARY else ""


def lasting(response: Response) -> Response:
    """``response`` without the fields that belong to the one call that brought it."""
    fields = zip(response.headers.names, response.headers.pairs, strict=True)
    return replace(response, headers=Headers([pair for name, pair in fields if name not in _OF_ONE_CALL and not _limiting(name)]))


def replayed(answer: Response) -> Response:
    """A kept ``answer`` as a repeat gets it."""
    return replace(answer, headers=answer.headers.plus(REPLAYED))


def packed(answer: Response | None) -> bytes:
    """``answer``, whose body is ``bytes``, as octets; none of them for None."""
    if answer is None:
        return b""
    if not isinstance(answer.body, bytes):
        raise TypeError("a body that still streams cannot be kept")
    head = json.dumps([answer.status, answer.reason, answer.headers.pairs]).encode()
    return _LENGTH.pack(len(head)) + head + answer.body


def unpacked(octets: bytes) -> Response | None:
    """What ``packed`` was given."""
    if not octets:
        return None
    (length,) = _LENGTH.unpack_from(octets)
    begins = _LENGTH.size + length
    status, reason, fields = json.loads(octets[_LENGTH.size : begins])
    return Response(status, Headers([(name, value) for name, value in fields]), octets[begins:], reason)


def _limiting(name: str) -> bool:
    return name.startswith(("ratelimit", "x-ratelimit"))
