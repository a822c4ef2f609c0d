"""One body, read by several while it arrives, and stored once it is whole.

Whoever reads first starts the transfer; from then on it goes on by itself, since what may be kept is at most ``limit`` octets, and
these are wanted whole: so a slow reader holds up nobody, and one who leaves takes nothing away from the others. A body that grows
beyond ``limit`` is not stored: then the readers' pace is its pace, and what all of them have read is let go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.errors import GatewayError, Internal
from gateway.exchange import Stream

_WINDOW = 64 * 1024  # octets that the fastest reader may be ahead of the slowest, where nothing is stored


class Filling:
    """A streaming body that hands ``store`` all of its octets once it has ended complete and was at most ``limit`` long.

    A stream that breaks, that nobody reads any more before its end, or that does not keep to its stated length stores nothing.
    ``ended`` is called once in every case.
    """

    def __init__(
        self,
        stream: Stream,
        limit: int,
        store: Callable[[bytes], Awaitable[None]],
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._stream = stream
        self._limit = limit
        self._store = store
        self._ended = ended
        self._chunks: deque[bytes] = deque()
        self._due: deque[int] = deque()  # how many readers have each of them to read still; only where nothing is stored
        self._dropped = 0  # chunks that all have read
        self._size = 0
        self._held = 0  # octets in `_chunks`
        self._over = False
        self._finished = False
        self._error: GatewayError | None = None
        self._readers: set[Reader] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._transfer: asyncio.Task[None] | None = None

    @property
    def length(self) -> int | None:
        return self._stream.length

    @property
    def joinable(self) -> bool:
        """Whether one more reader would still get all of it."""
        return not self._over and not self._dropped and self._error is None

    def reader(self) -> Reader:
        """One more who reads it from the beginning. Only while ``joinable``."""
        reader = Reader(self)
        self._readers.add(reader)
        return reader

    async def read(self, reader: Reader) -> AsyncIterator[bytes]:
        """The chunks for one reader, as they come. Raises the ``GatewayError`` with which the stream ended early."""
        if self._transfer is None:
            self._transfer = asyncio.create_task(self._run())
        while True:
            if reader.at < self._dropped + len(self._chunks):
                chunk = self._chunks[reader.at - self._dropped]
                self._took(reader)
                yield chunk
            elif self._error is not None:
                raise self._error
            elif self._transfer.done() or self._finished:
                return
            else:
                await self._news()

    async def _run(self) -> None:
        try:
            async for chunk in self._stream:
                self._chunks.append(chunk)
                self._size += len(chunk)
                self._held += len(chunk)
                if self._over:
                    self._due.append(len(self._readers))
                elif self._size > self._limit:
                    self._over = True
                    self._due.extend(sum(reader.at <= at for reader in self._readers) for at in range(len(self._chunks)))
                    self._let_go()
                self._tell()
                while self._over and self._held > _WINDOW:
                    await self._news()
        except GatewayError as error:
            self._error = error
        except Exception:  # somebody else's, whose text may hold anything
            self._error = Internal("the answer could not be read")
        self._finished = True
        self._ended()
        self._tell()
        if self._error is None and not self._over and self._stream.length in (None, self._size):
            # The readers have all they need: none of them waits for this.
            await self._store(b"".join(self._chunks))

    def _took(self, reader: Reader) -> None:
        """``reader`` has the next chunk."""
        if self._over:
            self._due[reader.at - self._dropped] -= 1
        reader.at += 1
        if self._over:
            self._let_go()

    def _let_go(self) -> None:
        """Forget what every reader has read, where it will not be stored."""
        before = self._dropped
        while self._due and not self._due[0]:
            self._due.popleft()
            self._held -= len(self._chunks.popleft())
            self._dropped += 1
        if self._dropped > before and self._held <= _WINDOW:
            self._tell()

    async def _news(self) -> None:
        news = asyncio.get_running_loop().create_future()
        self._waiting.append(news)
        await news

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            if not news.done():
                news.set_result(None)

    async def leave(self, reader: Reader) -> None:
        """``reader`` reads no more. The last one to leave ends a transfer that is not over."""
        if reader in self._readers:
            self._readers.discard(reader)
            if self._over:
                for position in range(reader.at - self._dropped, len(self._due)):
                    self._due[position] -= 1
                self._let_go()
        if self._readers or self._finished:
            return
        self._finished = True
        self._error = self._error or Internal("nobody reads the answer any more")
        if self._transfer is not None:
            self._transfer.cancel()
        self._ended()
        await self._stream.aclose()


class Reader:
    """One who reads a ``Filling``: a ``Stream``."""

    __slots__ = ("_filling", "at")

    def __init__(self, filling: Filling) -> None:
        self._filling = filling
        self.at = 0

    @property
    def length(self) -> int | None:
        return self._filling.length

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._filling.read(self)

    async def aclose(self) -> None:
        await self._filling.leave(self)
