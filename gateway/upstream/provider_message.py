"""What the provider behind an element said of an error: ``providerMessage`` in Cloud Elements' error body (API page 2.1).

It goes into the record of the call, beside ``Elements-Request-Id``, for those who write to support. Answers below 400 are not looked
at. What streams is listened to as it passes, and given up where it is large.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from gateway.exchange import Exchange, Request, Response, Stream
from gateway.upstream.masking import Needle, mask

MOST_OCTETS = 16 * 1024
MOST_SIGNS = 1000
_LOOKED_AT = 4096

_NAME = r"(?:secret|password|passwd|passphrase|token|api[_.-]?key|private[_.-]?key|authorization|signature|credentials?)"
_SECRET_NAME = re.compile(rf"{_NAME}|^(?:code|state|key)$", re.IGNORECASE)
_ASSIGNED = re.compile(rf"({_NAME}[\w.-]{{0,30}}[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?)[^\s\"',;&}}]+", re.IGNORECASE)
_SHOWN = re.compile(r"\b(Bearer|Basic|OAuth)\s+[A-Za-z0-9+/=_.~-]{6,}", re.IGNORECASE)
_KEY = re.compile(r"gwk_\w+")


def overheard(response: Response, request: Request, secrets: Sequence[Needle], exchange: Exchange) -> Response:
    """``response``, an error whose body is masked already; ``exchange`` learns what the provider said, now or when it has passed."""
    headers = response.headers
    if "json" not in (headers.get("content-type") or "").lower() or headers.get("content-encoding", "identity") != "identity":
        return response

    def learn(body: bytes) -> None:
        exchange.provider_message = said(body, request.query, secrets)

    body = response.body
    if isinstance(body, bytes):
        if len(body) <= MOST_OCTETS:
            learn(body)
        return response
    return replace(response, body=_Overheard(body, learn))


def said(body: bytes, query: str, secrets: Sequence[Needle]) -> str:
    """``providerMessage`` of a JSON body on one line, at most 1,000 characters, ``""`` where there is none.

    Masked are ``secrets``, what ``query`` gives for names that secrets have, caller keys, and what reads as a secret being told.
    """
    if b"providerMessage" not in body:
        return ""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    text = document.get("providerMessage") if isinstance(document, dict) else None
    if not isinstance(text, str):
        return ""
    # JSON may have spelled a secret as no needle does: looked for once more, now that it is plain text.
    text = mask(text.encode("utf-8", "replace"), secrets).decode("utf-8", "replace")
    for name, value in parse_qsl(query):
        if len(value) >= 4 and _SECRET_NAME.search(name):
            text = text.replace(value, "***")
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text[:_LOOKED_AT]).split())
    text = _ASSIGNED.sub(r"\1***", _SHOWN.sub(r"\1 ***", _KEY.sub("***", text)))
    return text if len(text) <= MOST_SIGNS else text[: MOST_SIGNS - 1] + "…"


class _Overheard:
    """A streaming body that is also given to ``learn`` when it is complete, unless it is large."""

    def __init__(self, stream: Stream, learn: Callable[[bytes], None]) -> None:
        self._stream = stream
        self._learn = learn

    @property
    def length(self) -> int | None:
        return self._stream.length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        kept = bytearray()
        async for chunk in self._stream:
            if len(kept) <= MOST_OCTETS:
                kept += chunk[: MOST_OCTETS + 1]
            yield chunk
        if len(kept) <= MOST_OCTETS:
            self._learn(bytes(kept))

    async def aclose(self) -> None:
        await self._stream.aclose()
