"""Bodies of answers on their way through, told of at their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from math import inf

from gateway.errors import GatewayError, UpstreamTimeout
from gateway.exchange import Body, Stream
from gateway.passing import Sink, poured


class Tracked:
    """A streaming body that tells once when it is over: ``over(None)`` at its end or where it was left, ``over(error)`` where it broke.

    Past ``deadline`` (by ``clock``) it breaks with ``UpstreamTimeout``.
    """

    def __init__(self, stream: Stream, over: Callable[[GatewayError | None], None], deadline: float, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._over: Callable[[GatewayError | None], None] | None = over
        self._deadline = deadline
        self._clock = clock

    @property
    def length(self) -> int | None:
        return self._stream.length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._stream)
        try:
            if self._deadline == inf:
                async for chunk in chunks:
                    yield chunk
            else:
                while (following := await self._next(chunks)) is not None:
                    yield following
        except GatewayError as error:
            self._tell(error)
            raise
        finally:
            await self.aclose()

    async def pour(self, sink: Sink) -> None:
        """All of it into ``sink``, the shortest way of what it is made of."""
        try:
            async with asyncio.timeout(None if self._deadline == inf else self._deadline - self._clock()):
                await poured(self._stream, sink)
        except TimeoutError:
            error = UpstreamTimeout("the time for the whole call was over in mid-body")
            self._tell(error)
            raise error from None
        except GatewayError as error:
            self._tell(error)
            raise
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._tell(None)

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout(self._deadline - self._clock()):
                return await anext(chunks, None)
        except TimeoutError:
            raise UpstreamTimeout("the time for the whole call was over in mid-body") from None

    def _tell(self, error: GatewayError | None) -> None:
        over, self._over = self._over, None
        if over is not None:
            over(error)


async def closed(body: Body) -> None:
    """Nobody reads ``body`` any more."""
    if not isinstance(body, bytes):
        await body.aclose()
