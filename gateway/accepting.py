"""Accepting connections: at an address or on a socket that is inherited, with TLS or plain, until the gateway drains."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog

from gateway.config import ConfigError, Problem
from gateway.listeners import tls_files
from gateway.server.listener import GuardedServer
from gateway.server.live_tls import LiveTls
from gateway.server.systemd import Supervisor
from gateway.server.tls import TlsError
from gateway.settings import Config

log = structlog.get_logger("gateway")


class Accepting:
    """The listeners of a gateway. ``sockets`` listen already, by listener; ``hurry``: do not wait for open calls any longer."""

    def __init__(self, config: Config, sockets: Mapping[str, socket.socket], hurry: asyncio.Event) -> None:
        """``ConfigError`` where certificates have become unusable since the configuration was checked."""
        self._config = config
        self._sockets = sockets
        self._hurry = hurry
        named = [(name, files) for name in ("data", "admin") if (files := tls_files(config, name)) is not None]
        try:
            self._tls = {name: LiveTls(name, files, time.time) for name, files in named}
        except TlsError as error:
            raise ConfigError([Problem(line) for line in error.problems]) from None

    @asynccontextmanager
    async def listening(self, server: GuardedServer, name: str, drain_s: float) -> AsyncIterator[tuple[str, int]]:
        """Accept connections while inside; on leaving accept no more, let open calls finish for ``drain_s`` seconds, then cut."""
        listen = self._config.listen
        host, port = listen.data if name == "data" else listen.admin
        # To close an inherited socket closes our copy: whoever holds another goes on to queue connections.
        place: dict[str, Any] = (
            {"sock": self._sockets[name]} if name in self._sockets else {"host": host, "port": port, "reuse_address": True}
        )
        tls = self._tls.get(name)
        if tls is not None:
            place |= {"ssl": tls, "ssl_handshake_timeout": listen.header_timeout, "ssl_shutdown_timeout": listen.write_timeout}
        try:
            sockets = await asyncio.get_running_loop().create_server(server, backlog=1024, **place)
        except OSError as error:
            message = f"listen.{name}: found {host}:{port}, expected an address that can be listened on ({error.strerror})"
            raise ConfigError([Problem(message)]) from None
        async with beside(server.sweep()), beside(tls.watch() if tls is not None else _nothing()):
            try:
                yield sockets.sockets[0].getsockname()[:2]
            finally:
                sockets.close()
                cut = await server.drain(drain_s, self._hurry)
                if cut:
                    log.warning("open calls were cut", listener=name, calls=cut)

    def url(self, name: str, address: tuple[str, int]) -> str:
        """Where callers reach the listener that is bound to ``address``."""
        host, port = address
        return f"{'https' if name in self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    async def rereading(self, asked: asyncio.Event, supervisor: Supervisor) -> None:
        """Read certificates again whenever ``asked``, until cancelled."""
        while await asked.wait():
            asked.clear()
            supervisor.reloading()
            good = [await tls.reload() for tls in self._tls.values()]
            supervisor.tell("READY=1", "STATUS=serving" if all(good) else "STATUS=serving, with the certificates from before")


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """``work`` goes on while inside."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()


async def _nothing() -> None:
    """Stands where there is nothing to watch."""
