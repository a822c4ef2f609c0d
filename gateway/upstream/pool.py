"""The connections to one upstream: kept for the next call, bounded in number, made with a time-out."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque

import aiohappyeyeballs

from gateway.errors import Overloaded, UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.connection import Connection
from gateway.upstream.protocol import ClientSettings, Origin

_FAMILY_HEAD_START_S = 0.25  # RFC 8305 §8, faults 59


class Pool:
    """Takes and gives back connections; who finds all of them busy waits in line. ``open`` counts those that are being made, too."""

    def __init__(self, origin: Origin, settings: ClientSettings, tls: ssl.SSLContext | None) -> None:
        self._origin = origin
        self._settings = settings
        self._tls = tls
        self._idle: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._closed = False
        self.open = 0
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, connect_timeout: float, *, fresh: bool) -> Connection:
        """A connection, for the caller alone, within ``connect_timeout`` seconds; ``fresh``: not a kept one.

        Raises ``UpstreamUnreachable``, ``UpstreamTimeout`` (no connection in time), ``Overloaded`` (no place in time).
        """
        while True:
            if not fresh and (connection := self.take_idle()) is not None:
                return connection
            if self._idle and self.open >= self._settings.max_connections:
                self._retire(self._idle.popleft())  # a fresh one is wanted, and an idle one is in its way
            if self.open < self._settings.max_connections:
                return await self._make(connect_timeout)
            await self._wait_for_place(connect_timeout)

    def take_idle(self) -> Connection | None:
        """A kept connection, for the caller alone, if there is one at hand."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_connected() and not connection.should_close:
                connection.reused = True
                return connection
            self._retire(connection)
        return None

    def put_back(self, connection: Connection) -> None:
        """It was not needed after all."""
        self._idle.append(connection)
        self._wake()

    def give_back(self, connection: Connection) -> None:
        """The answer on ``connection`` was read to its end: keep it for the next call, if it will do."""
        if self._closed or not self._settings.keep_alive or connection.should_close or not connection.is_connected():
            connection.close()
            return
        self.give_back_at(connection, asyncio.get_running_loop().time())

    def give_back_at(self, connection: Connection, now: float) -> None:
        """The same at ``now`` by the loop's clock, of one that was kept before and is known to be well."""
        if self._closed:
            connection.close()
            return
        connection.idle_since = now
        self._idle.append(connection)
        self._wake()

    def sweep(self, now: float) -> None:
        """Fail overdue calls, and close connections that have been idle for long: an upstream closes them too, and ours must be
        first (faults 10)."""
        oldest = now - self._settings.keep_alive
        while self._idle and (self._idle[0].idle_since <= oldest or not self._idle[0].is_connected()):
            self._idle.popleft().close()
        for connection in tuple(self._all):
            connection.sweep(now)

    def close(self) -> None:
        """Keep nothing any more."""
        self._closed = True
        while self._idle:
            self._idle.popleft().close()

    async def _make(self, seconds: float) -> Connection:
        self.open += 1
        try:
            connection = await self._connect(seconds)
        except BaseException:
            self._free()
            raise
        self._all.add(connection)
        return connection

    async def _connect(self, seconds: float) -> Connection:
        loop, origin = asyncio.get_running_loop(), self._origin
        try:
            async with asyncio.timeout(seconds):
                addresses = await loop.getaddrinfo(origin.host, origin.port, type=1)
                sock = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=_FAMILY_HEAD_START_S, loop=loop)
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, self._lost),
                    sock=sock,
                    ssl=self._tls if origin.secure else None,
                    server_hostname=origin.host if origin.secure else None,
                )
        except TimeoutError:
            raise UpstreamTimeout("no connection came about in time") from None
        except ssl.SSLError:
            raise UpstreamUnreachable("no trusted TLS connection came about") from None
        except (OSError, UnicodeError) as error:  # UnicodeError: the host cannot be a name
            raise UpstreamUnreachable(f"no connection came about ({type(error).__name__})") from None
        if not connection.is_connected():
            raise UpstreamUnreachable("the connection ended at once")
        return connection

    async def _wait_for_place(self, seconds: float) -> None:
        place = asyncio.get_running_loop().create_future()
        self.waiting.append(place)
        try:
            async with asyncio.timeout(seconds):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self._wake()  # who was called and cannot come lets the next one in
            place.cancel()
            if isinstance(error, TimeoutError):
                raise Overloaded("all connections to the upstream are busy", retry_after=1) from None
            raise

    def _retire(self, connection: Connection) -> None:
        connection.close()
        self._lost(connection)

    def _lost(self, connection: Connection) -> None:
        if connection in self._all:
            self._all.remove(connection)
            self._free()

    def _free(self) -> None:
        self.open -= 1
        self._wake()

    def _wake(self) -> None:
        while self.waiting:
            place = self.waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
