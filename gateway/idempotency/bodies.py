"""A request's body on its way up, fingerprinted while it passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.exchange import Request, Stream
from gateway.idempotency.key import Owner, fingerprint_of


class Fingerprinted:
    """A request whose fingerprint is known once its body has been read. Send ``request``: its body is looked at as it passes."""

    def __init__(self, request: Request, owner: Owner) -> None:
        self._hash = fingerprint_of(owner, request)
        self._stream: _Hashed | None = None
        self.request = request
        if isinstance(request.body, bytes):
            self._hash.update(request.body)
        else:
            self._stream = _Hashed(request.body, self)
            self.request = replace(request, body=self._stream)

    @property
    def fingerprint(self) -> bytes | None:
        """32 octets; None while the body is not read to its end."""
        return self._hash.digest() if self._stream is None or self._stream.complete else None

    async def read(self) -> bytes:
        """The fingerprint, the body being read and dropped for it. Raises what a body raises that ends early."""
        if self._stream is not None:
            async for _ in self._stream:
                pass
        return self._hash.digest()

    def feed(self, chunk: bytes) -> None:
        """The next octets of the body."""
        self._hash.update(chunk)


class _Hashed:
    """A stream that shows each chunk to ``call`` and passes it on."""

    __slots__ = ("_call", "_ended", "_octets", "_stream")

    def __init__(self, stream: Stream, call: Fingerprinted) -> None:
        self._stream = stream
        self._call = call
        self._octets = 0
        self._ended = False

    @property
    def length(self) -> int | None:
        return self._stream.length

    @property
    def complete(self) -> bool:
        """Whether all of it has passed: who reads by a stated length may never ask for the end."""
        return self._ended or self._octets == self._stream.length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._octets += len(chunk)
            self._call.feed(chunk)
            yield chunk
        self._ended = True

    async def aclose(self) -> None:
        await self._stream.aclose()
