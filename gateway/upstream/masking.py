"""Masking: a secret that we injected and that an upstream echoes is overwritten by asterisks as it streams by (contract 2.5).

Same length, so Content-Length stays true. A chunk border may cut a secret in two: the end of a chunk that could be the beginning
of a secret waits for the next one. A compressed body is not looked into (it is passed on undecoded, faults 19).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from gateway.exchange import Headers, Response, Stream
from gateway.passing import Octets, Sink, poured

_TEXT = ("json", "text/", "xml", "javascript", "x-www-form-urlencoded")


class Needle(NamedTuple):
    """A secret to look for: what all its spellings have in them, and the spellings, the longest first. Not to be shown."""

    stem: bytes
    spellings: tuple[bytes, ...]
    text: str = ""  # the stem once more, for header values


def needles(secrets: Iterable[str]) -> tuple[Needle, ...]:
    """The octets under which ``secrets`` may come back, the longest secret first: as they are, and as JSON and URLs escape them."""
    return tuple(_needle(secret) for secret in sorted(set(secrets), key=len, reverse=True))


def _needle(secret: str) -> Needle:
    found = {secret}
    for safe in ("", "/"):
        quoted = quote(secret, safe=safe)
        found |= {quoted, _ESCAPED.sub(lambda match: match[0].lower(), quoted)}
    for risky in ("", "=", "=<>&'", "+/=", _SIGNS):  # encoders differ in what they take for dangerous
        for escapes in (_JSON, {**_JSON, "/": "\\/"}):
            # Not the one changed into the other: what looks like an escape in the secret itself is none.
            for escape in ("\\u{:04x}", "\\u{:04X}"):
                found.add("".join(escape.format(ord(sign)) if sign in risky else escapes.get(sign, sign) for sign in secret))
    octets = sorted((text.encode() for text in found), key=lambda text: (-len(text), text))
    stem = max(_PLAIN.findall(secret), key=len, default="")  # no encoder changes these
    return Needle(stem.encode(), tuple(octets), stem)


_JSON = {'"': '\\"', "\\": "\\\\"}
_SIGNS = "".join(sign for sign in map(chr, range(0x21, 0x7F)) if not sign.isalnum())
_PLAIN = re.compile("[A-Za-z0-9]+")
_ESCAPED = re.compile("%[0-9A-F]{2}")


def mask(data: bytes, secrets: Sequence[Needle]) -> bytes:
    """``data`` with every occurrence of ``secrets`` overwritten."""
    for stem, found, _ in secrets:
        if stem in data:
            for secret in found:
                if secret in data:
                    data = data.replace(secret, b"*" * len(secret))
    return data


def mask_text(text: str, secrets: Sequence[Needle]) -> str:
    """A header value with every occurrence of ``secrets`` overwritten."""
    if not any(needle.text in text for needle in secrets):
        return text
    return mask(text.encode("latin-1"), secrets).decode("latin-1")


def unfinished(data: bytes, secrets: Sequence[Needle]) -> int:
    """How many octets at the end of ``data`` could be the beginning of a secret."""
    longest = 0
    for secret in (spelling for needle in secrets for spelling in needle.spellings):
        start = max(len(data) - len(secret) + 1, 0)
        while (start := data.find(secret[:1], start)) != -1 and len(data) - start > longest:
            if secret.startswith(data[start:]):
                longest = len(data) - start
                break
            start += 1
    return longest


def settled(data: bytes, secrets: Sequence[Needle]) -> int:
    """Up to where ``data`` can be masked and let go: before anything that may be the beginning of a secret, and not within one."""
    cut = len(data) - unfinished(data, secrets)
    moved = cut < len(data)
    while moved:
        moved = False
        for needle in secrets:
            for secret in needle.spellings:
                start = data.find(secret, max(0, cut - len(secret) + 1), cut + len(secret) - 1)
                if -1 < start < cut:
                    cut, moved = start, True
    return cut


class Masked:
    """A streaming body with the secrets in it overwritten."""

    def __init__(self, stream: Stream, secrets: Sequence[Needle]) -> None:
        self._stream = stream
        self._secrets = secrets

    @property
    def length(self) -> int | None:
        return self._stream.length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        masking = _Masking(self._secrets)
        async for chunk in self._stream:
            if clean := masking.next(chunk):
                yield clean
        if rest := masking.rest():
            yield rest

    async def pour(self, sink: Sink) -> None:
        """All of it into ``sink``, the shortest way of what it is made of."""
        masking = _MaskingSink(sink, _Masking(self._secrets))
        await poured(self._stream, masking)
        masking.finish()

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Masking:
    """What is known while a body streams by."""

    __slots__ = ("_kept", "_secrets")

    def __init__(self, secrets: Sequence[Needle]) -> None:
        self._secrets = secrets
        self._kept = b""

    def next(self, chunk: bytes) -> bytes:
        """What can be let go after ``chunk``, if anything."""
        data = self._kept + chunk
        cut = settled(data, self._secrets)
        self._kept = data[cut:]
        return mask(data[:cut], self._secrets)

    def rest(self) -> bytes:
        """What is left at the end."""
        return mask(self._kept, self._secrets)


class _MaskingSink:
    """A sink that gets no secret to see."""

    __slots__ = ("_masking", "_sink", "drain", "when_room")

    def __init__(self, sink: Sink, masking: _Masking) -> None:
        self._sink = sink
        self._masking = masking
        self.drain = sink.drain
        self.when_room = sink.when_room

    def write(self, data: Octets) -> bool:
        return self._sink.write(self._masking.next(bytes(data)))

    def finish(self) -> None:
        if rest := self._masking.rest():
            self._sink.write(rest)


def masked(response: Response, secrets: tuple[Needle, ...]) -> Response:
    """``response`` with echoed secrets in its body masked, now or as it streams by, where that is text."""
    body = response.body
    if not secrets or body == b"" or not _is_text(response.headers):
        return response
    if not isinstance(body, bytes):
        return replace(response, body=Masked(body, secrets))
    clean = mask(body, secrets)
    return response if clean is body else replace(response, body=clean)


def _is_text(headers: Headers) -> bool:
    coding = headers.get("content-encoding")
    if coding is not None and coding.strip().lower() != "identity":
        return False
    return _is_text_media(headers.get("content-type") or "text/")


@lru_cache(maxsize=256)
def _is_text_media(media: str) -> bool:
    return any(part in media.lower() for part in _TEXT)
