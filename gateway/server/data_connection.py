"""A connection that calls go through, each served in the connection's own task, without the objects that only ``web.Application`` needs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

from aiohttp.http import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from gateway.server.connection import CallerConnection
from gateway.server.heads import HEAD_END, Cuts, cuts_of
from gateway.server.listen_settings import ListenSettings
from gateway.server.shedding import is_whole_and_plain

if TYPE_CHECKING:
    from gateway.server.listener import GuardedServer
    from gateway.server.underway import Underway


class DataConnection(CallerConnection):
    """Serves one call after the other; what is known is answered or sent on as it is received."""

    __slots__ = ("_at_rest", "_idle_since", "_shortcuts", "batch", "cuts", "head", "let_in", "taken", "underway")
    own_keep_alive = 0

    def __init__(self, server: GuardedServer, loop: asyncio.AbstractEventLoop, settings: ListenSettings) -> None:
        super().__init__(server, loop, settings)
        self._shortcuts = server.shortcuts
        self.batch = False
        """Whether its last call was batch work: the next one will be, too."""
        self.let_in = False
        """Whether the lot was drawn already for the call that comes."""
        self.underway: Underway | None = None
        self.taken: Underway | None = None
        self._at_rest = False  # nothing of a request is here, and whoever serves waits for one
        self.head: bytes | None = None
        """What was received at rest, and begins the call that is served."""
        self.cuts: Cuts | None = None
        """Where its caller's heads have what is new each time."""

    def data_received(self, data: bytes) -> None:
        """What comes is answered if that is known, else parsed and served, unless there is too much to do and it can be refused without."""
        if not data:
            super().data_received(data)  # there is room again: nothing new has come
            return
        if self.underway is not None:
            self.underway.leave()
        if self._at_rest:
            if self._shortcuts and not self._paused and self._shortened(data):
                return
            self._at_rest, self.head = False, data
        else:
            self.head = None
        server = cast("GuardedServer", self._manager)
        shedder = server.shedder
        self.let_in = shedder.share < 1.0 and self._waits() and is_whole_and_plain(data)
        if self.let_in and shedder.sheds(self.batch):
            self.head = None
            self.give(server.refusal(data), self._loop.time(), batch=self.batch)
            self._at_rest = True
            return
        super().data_received(data)

    def _shortened(self, data: bytes) -> bool:
        """Whether one of the shortcuts has seen to it."""
        for shortcut in self._shortcuts:
            if shortcut(self, data):
                return True
        cuts = cuts_of(data[: data.find(HEAD_END) + 4])
        if cuts == self.cuts:
            return False
        self.cuts = cuts  # as long as the last one was, its values were not
        return any(shortcut(self, data) for shortcut in self._shortcuts)

    def give(self, octets: bytes, now: float, *, batch: bool) -> None:
        """Answer a call in whole that came at rest, at ``now`` by the loop's clock."""
        self._idle_since, self._head_since = now, 0.0
        self.batch = batch
        self._wire.write(octets)  # type: ignore[union-attr]

    def depart(self, call: Underway, now: float, *, batch: bool) -> None:
        """``call``, which came at rest at ``now`` by the loop's clock, is under way; ``arrive`` or ``take_over`` ends that."""
        self._idle_since, self._head_since = now, 0.0
        self.batch = batch
        self.underway = call
        self._at_rest, self._request_in_progress = False, True

    def arrive(self, octets: bytes, now: float) -> None:
        """What was under way is answered in whole."""
        self.underway = None
        self._at_rest, self._request_in_progress = True, False
        self._idle_since = now
        self._wire.write(octets)  # type: ignore[union-attr]

    def take_over(self, call: Underway) -> None:
        """What was under way is finished by whoever serves."""
        self.underway, self.taken = None, call
        self._messages.append(cast("Any", (call, EMPTY_PAYLOAD)))
        self._awake()

    def connection_lost(self, exc: BaseException | None) -> None:
        call = self.underway or self.taken
        self.underway = self.taken = None
        super().connection_lost(exc)
        if call is not None:
            call.abandon()

    def _waits(self) -> bool:
        """Whether nothing has come of the next request yet, and whoever serves waits for it."""
        return self._waiter is not None and not self._waiter.done() and self.idle and not self._unparsed and self._wire is not None

    async def start(self) -> None:
        """Serve one request after the other until the connection ends."""
        server = cast("GuardedServer", self._manager)
        while not self._force_close:
            if not self._messages:
                self._idle_since = self._loop.time()
                self._waiter = self._loop.create_future()
                self._at_rest = self._waits()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
                    self._at_rest = False
            message, payload = self._messages.popleft()
            if self._parser is not None and self.taken is None:
                self._parser.message_consumed()
            if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
            keep = await self._answered(server, message, payload)
            del message, payload  # kilobytes, for as long as nothing else is asked
            if not keep:
                break
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _answered(self, server: GuardedServer, message: Any, payload: StreamReader) -> bool:
        """Serve one request; whether the connection may be kept."""
        self._request_in_progress = True
        try:
            if self.taken is not None and server.finish is not None:
                call, self.taken = self.taken, None
                keep = await server.finish(self, call)
            elif isinstance(message, RawRequestMessage):
                keep = await server.serve(self, message, payload)
            else:
                keep = await server.refuse(self)
            if not payload.is_eof():
                # Closing on octets that were not read resets the connection, and with it the answer (RFC 9112 §9.6).
                await self._linger(payload)
                return False
            return keep
        except ConnectionError:
            return False
        except asyncio.CancelledError:
            self.force_close()
            raise
        except Exception as error:
            self.log_exception("unexpected", exc_info=error)
            self.abort()
            return False
        finally:
            self._request_in_progress = False

    async def _linger(self, payload: StreamReader) -> None:
        if self.body_held:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(self._lingering_time):
                while not payload.is_eof():
                    await payload.readany()

    def sweep(self, now: float) -> None:
        """Also close what has been idle for too long."""
        super().sweep(now)
        waits = self._waiter is not None and not self._head_since and not self._request_in_progress
        if waits and now - self._idle_since > self._settings.keep_alive_timeout:
            self.force_close()
