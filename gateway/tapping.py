"""Large bodies pass from one connection to another without a parser, a queue or a task in between.

A body that comes straight from a connection, and whose length is stated, has nothing in it to be parsed any more. Where it ends is
known, and up to there each octet is payload (RFC 9112 §6.2). So a ``Tap`` takes the place of the connection's protocol and hands the
octets on as they are received: in the callback of the one socket they are written to the other, half a million at a time, out of the
buffer in which they came, with no task to be woken in between. Why it is correct:

- Nothing is lost or doubled at either end. A tap begins when all that the parser was fed has come out of it and been poured
  (``Tapped.untapped`` octets are still to come), and ends at the body's last octet: what was received behind it, the tap never looks
  at, and gives back to the connection's protocol as if it had just come. The parser, which missed the body, is replaced.
- Whoever is slow is waited for. A sink that has enough says so; then the socket is not read until it calls for more. What is held in
  between is what one system call received, and what the sink's transport had before, which is less than its high-water mark.
- A body that ends early does not look complete. All that can happen to a connection (reset, end, time-out, cut) still happens to its
  protocol, which makes its payload fail, as ever; pouring ends with the payload, in whichever way that ends.
- A sink that is gone, or somebody who stops pouring, does not throw the connection out of step: the tap goes on counting, and drops
  what it counts, up to the body's end or the connection's.
"""

from __future__ import annotations

import asyncio
import threading
from mmap import mmap
from typing import Protocol, cast

from gateway.passing import Octets, Sink, SinkGone

WORTH = 128 * 1024
"""Octets to come that make it worth while to set up a tap."""
MOST = 512 * 1024
"""Octets that are received at once: a system call costs as much as copying tens of thousands of them."""
_AT_A_STRETCH = 8  # buffers that are filled before others get their turn


class Tapped(Protocol):
    """A connection whose incoming body can be tapped: an ``asyncio.Protocol``, and this."""

    transport: asyncio.Transport | None
    tap: Tap | None

    def untapped(self) -> int:
        """Octets of the body that have not been received yet; 0 where that is not known, or not all that was received can be read."""

    def heard_body(self) -> None:
        """Octets of the body came."""

    def held_body(self) -> None:
        """Nothing is received for a while because of us: the other side's silence is no fault."""

    def end_body(self, rest: bytes) -> None:
        """The body has come to its end; ``rest`` was received behind it."""

    def sink_gone(self, error: SinkGone) -> None:
        """What comes of the body is dropped from now on."""


class Payload(Protocol):
    """What a connection's parser makes of a body: of aiohttp's ``StreamReader``, this."""

    total_bytes: int

    def read_nowait(self, n: int = -1) -> bytes: ...

    async def readany(self) -> bytes: ...

    async def wait_eof(self) -> None: ...


class _Received(threading.local):
    """The buffer in which the taps of one loop receive. What is in it is passed on before anything else is received."""

    def __init__(self) -> None:
        # Of the system, not the allocator: it takes no memory before something is received in it.
        self.buffer = memoryview(mmap(-1, MOST))


_received = _Received()


class Tap(asyncio.BufferedProtocol):
    """Stands in for the protocol of ``owner`` until the ``octets`` that are still to come of a body have gone into ``sink``."""

    def __init__(self, owner: Tapped, octets: int, sink: Sink) -> None:
        self._owner = owner
        self._protocol = cast("asyncio.Protocol", owner)
        self._left = octets
        self._sink: Sink | None = sink
        self._buffer = _received.buffer
        self._filled = 0  # times in a row
        self.held = False
        """Whether the sink has enough, and nothing is received."""

    def open(self, *, room: bool) -> None:
        """Begin; ``room``: whether the sink has some now."""
        owner, sink = self._owner, self._sink
        if owner.transport is None or sink is None:
            return
        owner.tap = self
        sink.when_room(self._go_on)
        owner.transport.set_protocol(self)
        if not room:
            self._hold()

    def leave(self) -> None:
        """The sink gets nothing more; what comes of the body is dropped."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.when_room(None)
        self._go_on()

    def _hold(self) -> None:
        transport = self._owner.transport
        if transport is not None and not self.held:
            self.held = True
            transport.pause_reading()
            self._owner.held_body()

    def _go_on(self) -> None:
        transport = self._owner.transport
        if self.held and transport is not None:
            self.held = False
            self._owner.heard_body()
            transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(self._buffer[:nbytes])
        self._filled = self._filled + 1 if nbytes == len(self._buffer) else 0
        if self._filled == _AT_A_STRETCH:
            self._let_others()

    def data_received(self, data: Octets) -> None:
        """Pass ``data`` on."""
        left, rest = self._left - len(data), b""
        if left < 0:
            data, rest = data[:left], bytes(data[left:])
        self._left = max(left, 0)
        sink = self._sink
        room = sink is None or self._give(sink, data)
        if left <= 0:
            self._close(rest)
        elif room:
            self._owner.heard_body()
        else:
            self._hold()

    def _let_others(self) -> None:
        """There is always more: a loop that goes on reading would serve nobody else."""
        self._filled = 0
        transport = self._owner.transport
        if transport is not None and self._owner.tap is self and not self.held:
            transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        transport = self._owner.transport
        if transport is not None and self._owner.tap is self and not self.held:
            transport.resume_reading()

    def _give(self, sink: Sink, data: Octets) -> bool:
        try:
            return sink.write(data)
        except SinkGone as gone:
            self.leave()
            self._owner.sink_gone(gone)
            return True

    def _close(self, rest: bytes) -> None:
        """The body is complete: the connection has its protocol back."""
        owner = self._owner
        self.leave()
        owner.tap = None
        if owner.transport is not None:
            owner.transport.set_protocol(self._protocol)
        owner.end_body(rest)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)  # which may find the last octets of the body, and hand them to this tap
        self._sink = None


async def drawn(payload: Payload, length: int | None, owner: Tapped, sink: Sink) -> None:
    """Pour a body of ``length`` octets (None: not stated) that comes over ``owner``, and of which ``payload`` is what was parsed.

    Raises what ``payload`` raises, and ``SinkGone``.
    """
    room = True
    while chunk := payload.read_nowait(-1):
        room = sink.write(chunk)
    octets = owner.untapped()
    if octets >= WORTH and payload.total_bytes + octets == length:
        tap = Tap(owner, octets, sink)
        tap.open(room=room)
        try:
            await payload.wait_eof()
        finally:
            tap.leave()
        return
    if not room:
        await sink.drain()
    while chunk := await payload.readany():
        if not sink.write(chunk):
            await sink.drain()
