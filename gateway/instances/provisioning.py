"""Sealed answers: read a platform answer whole, take its secrets out, hand it on (contract 2.5)."""

from __future__ import annotations

import zlib

from gateway.errors import UpstreamProtocolError
from gateway.exchange import Body, Response
from gateway.instances import InstanceStore
from gateway.instances.sealing import MAX_BYTES, dump, parse, seal, tokens

# Fields that describe the octets which sealing changes.
_OF_THE_OCTETS = frozenset(
    {"content-encoding", "content-length", "content-md5", "digest", "content-digest", "repr-digest", "etag", "accept-ranges"}
)


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
            document = parse(body)
        except (ValueError, RecursionError):
            if "json" in (response.headers.get("content-type") or "").lower():
                raise UpstreamProtocolError("an answer that may carry secrets is not proper JSON") from None
            return Response(response.status, response.headers.without(_OF_THE_OCTETS), body, response.reason)
        handles = {}
        for token in set(tokens(document)):
            if handle := await self._store.handle_of(environment, token):
                handles[token] = handle
        sealed = seal(document, handles)
        if sealed != document:
            body = dump(sealed)
        return Response(response.status, response.headers.without(_OF_THE_OCTETS), body, response.reason)


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
    plain = b""
    while body:  # gzip has members, one behind the other (RFC 1952 §2.2)
        try:
            inflate = zlib.decompressobj(wbits=47 if coding != "deflate" else 15)
            plain += inflate.decompress(body, MAX_BYTES + 1 - len(plain))
        except zlib.error:
            raise UpstreamProtocolError("an answer that may carry secrets has a broken content coding") from None
        if len(plain) > MAX_BYTES or not inflate.eof:
            raise UpstreamProtocolError(f"an answer that may carry secrets is larger than {MAX_BYTES} octets or incomplete")
        body = inflate.unused_data
    return plain
