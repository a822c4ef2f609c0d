"""Sealed answers: read a platform answer whole, take its secrets out, hand it on (contract 2.5)."""

from __future__ import annotations

import asyncio
import gzip
import io
import sys
import zlib
from collections.abc import Callable
from typing import Any

from gateway.errors import UpstreamProtocolError
from gateway.exchange import Body, Response
from gateway.instances import InstanceStore
from gateway.instances.sealing import MAX_BYTES, dump, parse, seal, tokens

# Fields that describe the octets which sealing changes.
_OF_THE_OCTETS = frozenset(
    {"content-encoding", "content-length", "content-md5", "digest", "content-digest", "repr-digest", "etag", "accept-ranges"}
)


_LARGE = 256 * 1024


class Sealer:
    """Seals answers; knows by which handle a token is mapped."""

    def __init__(self, store: InstanceStore) -> None:
        self._store = store

    async def seal(self, response: Response, environment: str) -> Response:
        """``response`` without secrets. What cannot be read is not handed on: ``UpstreamProtocolError``."""
        body = await _whole(response.body)
        if not body:
            return Response(response.status, response.headers.without(_OF_THE_OCTETS), b"", response.reason)
        body = _decoded(body, response.headers.get("content-encoding"))
        try:
            body = await self._sealed(body, environment)
        except (ValueError, RecursionError):
            if "json" in (response.headers.get("content-type") or "").lower() or isinstance(sys.exception(), RecursionError):
                raise UpstreamProtocolError("an answer that may carry secrets is not proper JSON") from None
        return Response(response.status, response.headers.without(_OF_THE_OCTETS), body, response.reason)

    async def _sealed(self, body: bytes, environment: str) -> bytes:
        """``body`` without secrets; itself where there are none. ``ValueError`` if it is not JSON."""
        # Megabytes of JSON would hold every other call for as long as they take.
        apart = asyncio.to_thread if len(body) > _LARGE else _here
        document, repeated = await apart(parse, body)
        handles = {}
        for token in set(tokens(document)):
            if handle := await self._store.handle_of(environment, token):
                handles[token] = handle
        sealed = await apart(seal, document, handles)
        # Where a name stands twice, readers differ in which they take: both go but the last, which is sealed.
        return dump(sealed) if repeated or sealed != document else body


async def _here(work: Callable[..., Any], *given: Any) -> Any:
    return work(*given)


async def _whole(body: Body) -> bytes:
    if isinstance(body, bytes):
        return body
    parts, size = [], 0
    try:
        async for chunk in body:
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_BYTES:
                raise UpstreamProtocolError(f"an answer that may carry secrets is larger than {MAX_BYTES} octets")
    finally:
        await body.aclose()
    return b"".join(parts)


def _decoded(body: bytes, coding: str | None) -> bytes:
    """Without its content coding; only an upstream that ignores what was asked for sends one."""
    coding = (coding or "identity").strip().lower()
    if coding == "identity":
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise UpstreamProtocolError("an answer that may carry secrets has a content coding that cannot be read")
    try:
        if coding == "deflate":
            plain = zlib.decompressobj().decompress(body, MAX_BYTES + 1)
        else:
            with gzip.GzipFile(fileobj=io.BytesIO(body)) as members:
                plain = members.read(MAX_BYTES + 1)
    except (zlib.error, EOFError, OSError):
        raise UpstreamProtocolError("an answer that may carry secrets has a broken content coding") from None
    if len(plain) > MAX_BYTES:
        raise UpstreamProtocolError(f"an answer that may carry secrets is larger than {MAX_BYTES} octets")
    return plain
