"""One connection at the raw origin, a request as it arrived on it, and the steps that answer it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from tests.support.answers import Field, MalformedError, parse_fields, values_of

if TYPE_CHECKING:
    from tests.support.origin import Origin


class Action(Enum):
    """A step that is not octets."""

    CLOSE = "close the connection with a FIN"
    RESET = "close the connection with a RST"
    STALL = "say nothing until the peer leaves"


CLOSE, RESET, STALL = Action.CLOSE, Action.RESET, Action.STALL


@dataclass(eq=False)
class Recorded:
    """One request as it arrived. ``framed`` is the body as it came, ``payload`` without chunk framing; both grow while it comes.

    ``malformed`` says what is wrong with the head; ``index`` counts requests on this connection from 0.
    """

    wire: Wire
    index: int
    head: bytes
    line: str
    fields: tuple[Field, ...]
    malformed: str = ""
    framed: bytearray = field(default_factory=bytearray)
    payload: bytearray = field(default_factory=bytearray)
    complete: bool = False

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1] if self.line.count(" ") == 2 else ""

    def values(self, name: str) -> list[str]:
        return values_of(self.fields, name)

    @property
    def framing(self) -> str:
        """``none``, ``length`` or ``chunked``; anything else is printed as it stands."""
        lengths, codings = self.values("content-length"), self.values("transfer-encoding")
        if codings:
            return "chunked" if codings == ["chunked"] and not lengths else f"TE {codings} CL {lengths}"
        return "none" if not lengths else "length" if len(lengths) == 1 else f"CL {lengths}"


Step = bytes | float | Action | Callable[[Recorded], bytes]
Behaviour = Callable[["Wire", Recorded], None]


class Wire:
    """One connection at the origin. ``received`` holds every octet; ``closed`` is set once it has ended."""

    def __init__(self, sock: socket.socket, number: int, origin: Origin) -> None:
        self.number = number
        self.received = bytearray()
        self.requests: list[Recorded] = []
        self.closed = threading.Event()
        self.idle = True
        self._socket = sock
        self._origin = origin
        self._read = 0

    def serve(self) -> None:
        """Read and answer requests until either side ends the connection."""
        try:
            while not self.closed.is_set() and (request := self._next()):
                self._origin.behaviour(request)(self, request)
        except (OSError, EOFError):
            pass
        finally:
            self.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def perform(self, step: Step, request: Recorded) -> None:
        """Do one step of a script."""
        if isinstance(step, bytes):
            self.send(step)
        elif isinstance(step, (int, float)):
            self._origin.stopping.wait(step)
        elif step is Action.STALL:
            with contextlib.suppress(EOFError):
                while True:
                    self.more()
            self.close()
        elif isinstance(step, Action):
            self.close(reset=step is Action.RESET)
        else:
            self.send(step(request))

    def read_body(self, request: Recorded) -> None:
        """Take the whole body; ``EOFError`` if the peer ends it early."""
        if request.framing == "length":
            wanted = int(request.values("content-length")[0])
            while len(request.payload) < wanted:
                self._keep(request, wanted - len(request.payload), payload=True)
        elif request.framing == "chunked":
            self._read_chunks(request)
        request.complete = True
        self._origin.tell()

    def more(self) -> bytes:
        """The octets that came next, at least one; ``EOFError`` at the end."""
        data = self._socket.recv(65536)
        if not data:
            raise EOFError
        self.received += data
        self._origin.octets += len(data)
        self._origin.tell()
        return data

    def close(self, *, reset: bool = False) -> None:
        """End the connection; harmless if it has ended."""
        if self.closed.is_set():
            return
        with contextlib.suppress(OSError):
            if reset:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.closed.set()
        self._origin.tell()

    def hang_up(self) -> None:
        """Send a FIN and leave the rest to the thread that reads."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def interrupt(self) -> None:
        """Wake the thread that reads, with an end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _next(self) -> Recorded | None:
        self.idle = True
        while (end := self.received.find(b"\r\n\r\n", self._read)) < 0:
            self.more()
        self.idle = False
        head, self._read = bytes(self.received[self._read : end]), end + 4
        line, _, section = head.partition(b"\r\n")
        request = Recorded(self, len(self.requests), head, line.decode("latin-1"), ())
        try:
            request.fields = parse_fields(section)
        except MalformedError as error:
            request.malformed = str(error)
        self.requests.append(request)
        self._origin.record(request)
        return request

    def _keep(self, request: Recorded, most: int, *, payload: bool) -> bytes:
        if len(self.received) == self._read:
            self.more()
        data = bytes(self.received[self._read : self._read + most])
        self._read += len(data)
        request.framed += data
        if payload:
            request.payload += data
        return data

    def _line(self, request: Recorded) -> bytes:
        line = bytearray()
        while not line.endswith(b"\r\n"):
            line += self._keep(request, 1, payload=False)
        return bytes(line[:-2])

    def _read_chunks(self, request: Recorded) -> None:
        while size := int(self._line(request), 16):
            end = len(request.payload) + size
            while len(request.payload) < end:
                self._keep(request, end - len(request.payload), payload=True)
            self._line(request)
        while self._line(request):
            pass
