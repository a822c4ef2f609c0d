"""TLS whose files are read again when they change (renewal, also by a rename or another target of a symlink), without a restart.

A handshake gets the context of that moment, whole; connections that stand are never touched. What cannot be used is never taken:
the files that were last good go on to serve.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from gateway.server.tls import TlsError, TlsFiles, load, moment

log = structlog.get_logger("gateway.server")

_LOOK_S = 1.0


class LiveTls(ssl.SSLContext):
    """A server's context whose handshakes are those of the files as they were last good.

    The loop asks a context for one thing, ``wrap_bio`` at the start of a handshake; this one passes that on to the context of the
    moment. (To load new files into a context in use would leave it broken where they do not fit, and could not take back an authority.)
    """

    def __new__(cls, *_: Any) -> LiveTls:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, name: str, files: TlsFiles, clock: Callable[[], float]) -> None:
        """``name`` is the listener's, for the log; ``clock`` the wall clock. Raises ``TlsError``."""
        self._name = name
        self._files = files
        self._clock = clock
        self._stamp = _stamp(files)
        self._settling = self._stamp
        self._loaded = load(files, clock())
        self._warned_day = 0

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        return self._loaded.context.wrap_bio(*arguments, **named)

    async def watch(self) -> None:
        """Look at the files every second, until cancelled."""
        while True:
            self.warn(self._clock())
            await asyncio.sleep(_LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Read the files if they changed since they were read, and then stayed as they are from one look to the next: certificate
        and key are two files, and seldom written in one go."""
        stamp = await asyncio.to_thread(_stamp, self._files)
        settled, self._settling = stamp == self._settling, stamp
        if settled and stamp != self._stamp:
            await self.reload()

    async def reload(self) -> bool:
        """Read the files now; whether they are good. If not, what was read before stays, and the log says why."""
        self._stamp = await asyncio.to_thread(_stamp, self._files)  # before the files: what changes meanwhile is read again
        try:
            self._loaded = await asyncio.to_thread(load, self._files, self._clock())
        except TlsError as error:
            log.error("certificate not reloaded, the one before stays", listener=self._name, problems=error.problems)
            return False
        self._warned_day = 0
        log.info("certificate reloaded", listener=self._name, ends=moment(self._loaded.ends))
        return True

    def warn(self, now: float) -> None:
        """Say so in the log, once a day, while the certificate ends soon."""
        day, warning = int(now // 86400), self._loaded.warning(now)
        if warning and day != self._warned_day:
            self._warned_day = day
            log.warning("certificate ends soon", listener=self._name, problem=warning)


_Stamp = tuple[tuple[int, int, int, int] | None, ...]


def _stamp(files: TlsFiles) -> _Stamp:
    """What tells one state of the files from another: a rename or another target of a symlink shows in the inode."""
    return tuple(_stamp_of(file) for file in files.named.values())


def _stamp_of(file: Path) -> tuple[int, int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
