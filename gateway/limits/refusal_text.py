"""What an answer's body says for people and programs, read from at most 16 KiB of it."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

from gateway.exchange import Headers

MOST_OCTETS = 16 * 1024
_MOST_SIGNS = 4096
_GZIP = b"\x1f\x8b"
_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
_CODED = frozenset({"gzip", "x-gzip", "deflate"})
_WHEN = re.compile(r"retry|reset|wait", re.IGNORECASE)


def plain(headers: Headers, body: bytes | None) -> bytes | None:
    """``body`` without its content coding; None where it is not known: not all of it was read, it is larger than 16 KiB (coded or not),
    broken, or of a coding that is not read here."""
    if body is None or len(body) > MOST_OCTETS:
        return None
    coding = (headers.get("content-encoding") or "").strip().lower()
    if coding in ("", "identity"):
        return body
    return _inflated(body) if coding in _CODED else None


def _inflated(body: bytes) -> bytes | None:
    decoder = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        found = decoder.decompress(body, MOST_OCTETS + 1)
    except zlib.error:
        return None
    return found if decoder.eof and not decoder.unused_data and len(found) <= MOST_OCTETS else None


def first_sign(body: bytes) -> bytes:
    """The first octet of ``body`` behind blanks and a byte order mark, ``b""`` where there is none."""
    return body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that ``body`` is, None where it is anything else."""
    if first_sign(body) != b"{":
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def provider_said(body: bytes | None) -> str:
    """What a refusal says, at most 4,096 signs: ``providerMessage`` and ``message`` of Cloud Elements' error (API page 2.1) and what
    stands beside them of when to come back; of anything else the text. ``""`` where nothing is known.

    ``body`` may be gzip-coded still. For reading only: it is not masked, so it goes into no log and no answer.
    """
    if body is None or len(body) > MOST_OCTETS:
        return ""
    if body[:2] == _GZIP:
        body = _inflated(body) or b""
    document = json_object(body)
    lines = _lines(document) if document else []
    return ("\n".join(lines) if lines else body[:_MOST_SIGNS].decode("utf-8", "replace"))[:_MOST_SIGNS]


def _lines(document: dict[str, Any]) -> list[str]:
    said = [document[name][:_MOST_SIGNS] for name in ("providerMessage", "message") if isinstance(document.get(name), str)]
    return said and [
        *said,
        *[f"{name}: {value}" for name, value in document.items() if _WHEN.search(name) and isinstance(value, (str, int, float))],
    ]
