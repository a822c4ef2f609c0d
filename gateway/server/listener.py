"""What accepts connections: for calls, which are served in the connection's own task, or for a ``web.Application``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from gateway.server.connection import FIRST_CALL_S, CallerConnection
from gateway.server.data_connection import DataConnection
from gateway.server.listen_settings import ListenSettings
from gateway.server.shedding import Shedder
from gateway.server.underway import Underway

Serve = Callable[[DataConnection, RawRequestMessage, StreamReader], Awaitable[bool]]
"""Answers one request; whether the connection may be kept."""
Finish = Callable[[DataConnection, Underway], Awaitable[bool]]
"""Answers a call that has left; whether the connection may be kept."""
Shortcut = Callable[[DataConnection, bytes], bool]
"""Sees to what was received on a connection at rest, if it is known; False: nothing was done."""
Refuse = Callable[["CallerConnection"], Awaitable[bool]]
"""Answers a request that the parser did not take."""


class GuardedServer(web.Server):
    """Makes connections and enforces their time-outs: ``DataConnection``s with ``serve``, or ``CallerConnection``s for a
    ``web.Application``."""

    def __init__(
        self,
        serve: Serve,
        refuse: Refuse,
        settings: ListenSettings,
        full_body: Callable[[], bytes],
        shedder: Shedder,
        refusal: Callable[[bytes], bytes],
        *,
        finish: Finish | None = None,
        shortcuts: tuple[Shortcut, ...] = (),
    ) -> None:
        """``full_body`` answers a connection that is one too many; ``refusal`` a request that the ``shedder`` does not let in; of the
        ``shortcuts`` the first that sees to a request does, and what it cannot end, ``finish`` does."""
        super().__init__(cast("Any", serve), handler_cancellation=True)
        self.serve = serve
        self.refuse = refuse
        self.app: web.Application | None = None
        self.full_body = full_body
        self.shedder = shedder
        self.refusal = refusal
        self.finish = finish
        self.shortcuts = shortcuts
        self.arriving = 0
        """Connections that were accepted and are not made yet: they are in a TLS handshake, or failed in it."""
        self._accepted_at = -inf
        self._settings = settings
        shortest = min(settings.header_timeout, settings.body_timeout, settings.write_timeout)
        self._pause_s = min(1.0, max(0.02, shortest / 8))

    async def carry(self, app: web.Application) -> None:
        """Serve ``app`` behind this server's guarded connections."""
        app._set_loop(asyncio.get_running_loop())
        app.on_startup.freeze()
        await app.startup()
        app.freeze()
        self.request_handler = cast("Any", app._handle)
        self.request_factory = app._make_request
        self.app = app

    def __call__(self) -> RequestHandler:
        self.arriving += 1
        self._accepted_at = self._loop.time()
        kind = DataConnection if self.app is None else CallerConnection
        return kind(self, self._loop, self._settings)

    async def sweep(self) -> None:
        """Enforce the time-outs of every connection until cancelled."""
        while True:
            await asyncio.sleep(self._pause_s)
            now = self._loop.time()
            for connection in self.connections:
                cast("CallerConnection", connection).sweep(now)

    async def drain(self, seconds: float, hurry: asyncio.Event) -> int:
        """Close what is idle, let open calls finish for ``seconds`` or until ``hurry``, then cut; how many were cut.

        Who was accepted a moment ago, or is in a TLS handshake since then, gets to make its call. aiohttp's own way stops reading at
        once, and so loses every upload that is on its way.
        """
        await asyncio.sleep(0)  # the loop makes connections of what it accepted last
        ends = self._loop.time() + seconds
        while True:
            now = self._loop.time()
            connections = cast("list[CallerConnection]", self.connections)
            expected = self.arriving > 0 and now - self._accepted_at < FIRST_CALL_S
            for caller in connections:
                if caller.expected(now):
                    expected = True
                elif caller.idle:
                    caller.force_close()
            open_calls = [caller for caller in connections if not caller.idle]
            if not (open_calls or expected) or hurry.is_set() or self._loop.time() >= ends:
                break
            await asyncio.sleep(0.02)
        for connection in self.connections:
            cast("CallerConnection", connection).abort()
        await self.shutdown(1.0)
        return len(open_calls)
