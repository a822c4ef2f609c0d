"""Reading a body that may be too large to be read whole."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.exchange import Body, Stream


async def gathered(body: Body, most: int) -> Body:
    """``body`` as ``bytes`` if it has at most ``most`` octets, else a stream of all of it. One that breaks while it is read raises."""
    if isinstance(body, bytes) or (body.length is not None and body.length > most):
        return body
    chunks: list[bytes] = []
    octets = 0
    rest = aiter(body)
    try:
        async for chunk in rest:
            chunks.append(chunk)
            octets += len(chunk)
            if octets > most:
                return _Continued(b"".join(chunks), rest, body)
    except BaseException:
        await body.aclose()
        raise
    await body.aclose()
    return b"".join(chunks)


class _Continued:
    """A stream of which the beginning was read already."""

    __slots__ = ("_begun", "_rest", "_stream")

    def __init__(self, begun: bytes, rest: AsyncIterator[bytes], stream: Stream) -> None:
        self._begun = begun
        self._rest = rest
        self._stream = stream

    @property
    def length(self) -> int | None:
        return self._stream.length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._begun
        async for chunk in self._rest:
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
