"""Pouring a body: handing its octets to whoever takes them as they come, without anybody who iterates in between.

Any stream can be poured by iterating it, which is what ``poured`` does. One that knows a shorter way has a method ``pour``
(``gateway/tapping.py``); those that wrap another have one to keep that way open.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Protocol

from gateway.exchange import Stream

Octets = bytes | memoryview
"""Octets of a body. A ``memoryview`` shows them only until the call to which it was given returns."""


class SinkGone(ConnectionResetError):
    """Nobody takes the octets any more."""


class Sink(Protocol):
    """Where the octets of a body go."""

    def write(self, data: Octets) -> bool:
        """Take ``data``; whether there is room for more at once. Raises ``SinkGone``."""

    async def drain(self) -> None:
        """Wait for room. Raises ``SinkGone`` where there will be none."""

    def when_room(self, tell: Callable[[], None] | None) -> None:
        """Have ``tell`` called each time that there is room again; None: no more."""


class Outlet:
    """Writes to ``transport`` what was received in a buffer that will be used again: only what the system does not take at once is
    copied. It may be used as long as the transport is not closing."""

    __slots__ = ("_descriptor", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        sock = transport.get_extra_info("socket")
        plain = sock is not None and transport.get_extra_info("ssl_object") is None
        self._descriptor: int | None = sock.fileno() if plain else None

    def write(self, data: Octets) -> None:
        if self._descriptor is not None and isinstance(data, memoryview) and not self._transport.get_write_buffer_size():
            with contextlib.suppress(OSError):  # it is full, or broken: the transport finds out which
                data = data[os.write(self._descriptor, data) :]
        if data:
            self._transport.write(bytes(data))


async def poured(stream: Stream, sink: Sink) -> None:
    """Pour all of ``stream`` into ``sink``, its shortest way. Raises what the stream or the sink raises."""
    shorter = getattr(stream, "pour", None)
    if shorter is not None:
        await shorter(sink)
        return
    async for chunk in stream:
        if not sink.write(chunk):
            await sink.drain()
