"""Masking: a secret that we injected and that an upstream echoes is overwritten by asterisks as it streams by (contract 2.5).

Same length, so Content-Length stays true. A chunk border may cut a secret in two: the end of a chunk that could be the beginning
of a secret waits for the next one. A compressed body is not looked into (it is passed on undecoded, faults 19).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

from gateway.exchange import Stream


def spellings(secrets: Sequence[str]) -> tuple[bytes, ...]:
    """The octets under which ``secrets`` may come back: as they are, JSON-escaped, and percent-encoded; the longest first."""
    found: set[bytes] = set()
    for secret in secrets:
        found |= {secret.encode(), secret.replace("/", "\\/").encode(), quote(secret, safe="").encode(), quote(secret, safe="/").encode()}
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def mask(data: bytes, secrets: Sequence[bytes]) -> bytes:
    """``data`` with every occurrence of ``secrets`` overwritten."""
    for secret in secrets:
        if secret in data:
            data = data.replace(secret, b"*" * len(secret))
    return data


def mask_text(text: str, secrets: Sequence[bytes]) -> str:
    """A header value with every occurrence of ``secrets`` overwritten."""
    return mask(text.encode("latin-1"), secrets).decode("latin-1")


def unfinished(data: bytes, secrets: Sequence[bytes]) -> int:
    """How many octets at the end of ``data`` could be the beginning of a secret."""
    longest = 0
    for secret in secrets:
        start = max(len(data) - len(secret) + 1, 0)
        while (start := data.find(secret[:1], start)) != -1 and len(data) - start > longest:
            if secret.startswith(data[start:]):
                longest = len(data) - start
                break
            start += 1
    return longest


class Masked:
    """A streaming body with the secrets in it overwritten."""

    def __init__(self, stream: Stream, secrets: Sequence[bytes]) -> None:
        self._stream = stream
        self._secrets = secrets

    @property
    def length(self) -> int | None:
        return self._stream.length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        kept = b""
        async for chunk in self._stream:
            data = mask(kept + chunk, self._secrets)
            hold = unfinished(data, self._secrets)
            kept = data[len(data) - hold :]
            if len(data) > hold:
                yield data[: len(data) - hold]
        if kept:
            yield kept

    async def aclose(self) -> None:
        await self._stream.aclose()
