"""Connections inside one process: what is written at one end is received at the other, on the loop's next turn, and no kernel is asked.

So a whole gateway can be measured without its sockets: ``Loop`` hands every connection that is made to a peer of ours. The gateway is
told nothing of it. Flow control is left out, as nothing measured here is larger than a socket's buffer would be.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Any, cast

import uvloop

Factory = Callable[[], asyncio.BaseProtocol]


class Transport(asyncio.Transport):
    """One end; ``peer`` is the other. Octets that come while reading is paused wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._protocol: asyncio.Protocol | None = None
        self._closing = self._paused = False
        self._waiting: list[bytes] = []
        self.peer: Transport | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Nothing is known of it, but for an address of either end."""
        return ("127.0.0.1", 0) if name in ("peername", "sockname") else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.Protocol", protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast("asyncio.BaseProtocol", self._protocol)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data and not self._closing and self.peer is not None:
            self._loop.call_soon(self.peer.receive, bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def receive(self, data: bytes) -> None:
        """What the other end has written."""
        if self._paused:
            self._waiting.append(data)
        elif not self._closing and self._protocol is not None:
            self._protocol.data_received(data)

    def is_reading(self) -> bool:
        return not self._paused

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self._loop.call_soon(self.receive, data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Both ends are lost, on the loop's next turn."""
        for end in (self, self.peer):
            if end is not None and not end._closing:
                end._closing = True
                self._loop.call_soon(end._lost)

    def abort(self) -> None:
        self.close()

    def _lost(self) -> None:
        if self._protocol is not None:
            self._protocol.connection_lost(None)


def connected(loop: asyncio.AbstractEventLoop, one: asyncio.BaseProtocol, other: asyncio.BaseProtocol) -> Transport:
    """Connect two protocols; the end of ``one``."""
    ends = Transport(loop), Transport(loop)
    for end, peer, protocol in ((ends[0], ends[1], one), (ends[1], ends[0], other)):
        end.peer = peer
        end.set_protocol(protocol)
    other.connection_made(ends[1])
    one.connection_made(ends[0])
    return ends[0]


class Loop(uvloop.Loop):
    """uvloop's loop, on which every connection that is made leads to ``upstream``, and is ``made``; what listens can be found among
    ``listening``."""

    def __init__(self, upstream: Factory) -> None:
        super().__init__()
        self._upstream = upstream
        self.listening: list[Factory] = []
        self.made: list[Transport] = []

    async def create_server(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        self.listening.append(protocol_factory)
        return await super().create_server(protocol_factory, *args, **options)

    async def create_connection(self, protocol_factory: Any, *_: Any, sock: socket.socket | None = None, **__: Any) -> Any:
        """Whoever brings a socket has connected it already, to show that somebody listens there; it is not needed any more."""
        if sock is not None:
            sock.close()
        protocol = protocol_factory()
        self.made.append(connected(self, protocol, self._upstream()))
        return self.made[-1], protocol
