"""Storing while streaming: the reader gets each chunk as it comes, the store gets the whole at the end, or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.exchange import Stream


class Filling:
    """A streaming body that hands ``store`` all of its octets once it has ended complete and was at most ``limit`` long.

    A stream that breaks, is closed early, or does not keep to its stated length stores nothing.
    """

    def __init__(self, stream: Stream, limit: int, store: Callable[[bytes], Awaitable[None]]) -> None:
        self._stream = stream
        self._limit = limit
        self._store = store

    @property
    def length(self) -> int | None:
        return self._stream.length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks: list[bytes] = []
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size <= self._limit:
                chunks.append(chunk)
            else:
                chunks.clear()
            yield chunk
        if size <= self._limit and self._stream.length in (None, size):
            await self._store(b"".join(chunks))

    async def aclose(self) -> None:
        await self._stream.aclose()
