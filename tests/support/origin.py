"""A raw TCP origin on 127.0.0.1 that records the exact bytes of every request and answers exactly as told, however badly.

A behaviour is a function of the connection (``Wire``) and the request (``Recorded``). It is chosen by the last path segment of
the request: ``origin.behaviours["cut"] = script(ok(b"hel", length=5), CLOSE)``, then ``GET …/cut``. Without one: 200 ``{"ok":true}``.
Threads and blocking sockets, so that it serves tests with and without a loop alike; no HTTP library, so that nothing is repaired.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support.wire import CLOSE, RESET, STALL, Action, Behaviour, Recorded, Step, Wire

__all__ = [
    "BODY",
    "CLOSE",
    "RESET",
    "STALL",
    "Action",
    "Behaviour",
    "Origin",
    "Recorded",
    "Step",
    "Wire",
    "chunked",
    "head",
    "ok",
    "script",
]

BODY = b'{"ok":true}'


def head(status: str, *fields: str) -> bytes:
    """The head of an answer: ``head("200 OK", "Content-Length: 0")``."""
    return "\r\n".join((f"HTTP/1.1 {status}", *fields, "", "")).encode("latin-1")


def ok(body: bytes = BODY, *fields: str, length: int | None = None) -> bytes:
    """A 200 with Content-Length, which says ``length`` where that is given, whatever the body has."""
    return head("200 OK", "Content-Type: application/json", f"Content-Length: {len(body) if length is None else length}", *fields) + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A body in chunks, and ``end``."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def script(*steps: Step, reads_body: bool = True) -> Behaviour:
    """A behaviour: octets are sent, a float is a pause, a function of the request makes octets, an ``Action`` is done."""

    def behave(wire: Wire, request: Recorded) -> None:
        if reads_body:
            wire.read_body(request)
        for step in steps:
            wire.perform(step, request)

    return behave


def _default(wire: Wire, request: Recorded) -> None:
    wire.read_body(request)
    answer = ok(BODY, "Cache-Control: no-store")
    wire.send(answer.removesuffix(BODY) if request.method == "HEAD" else answer)


class Origin:
    """Listens on 127.0.0.1 at a port of the system's choice from construction until ``stop``."""

    def __init__(self) -> None:
        self.behaviours: dict[str, Behaviour] = {}
        self.requests: list[Recorded] = []
        self.wires: list[Wire] = []
        self.octets = 0
        self.stopping = threading.Event()
        self._news = threading.Condition()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address: tuple[str, int] = self._socket.getsockname()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def authority(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    def behaviour(self, request: Recorded) -> Behaviour:
        return self.behaviours.get(request.target.partition("?")[0].rpartition("/")[2], _default)

    def forget(self) -> None:
        """Start the record anew; connections stay."""
        with self._news:
            self.requests = []
            self.octets = 0

    def record(self, request: Recorded) -> None:
        with self._news:
            self.requests.append(request)
            self._news.notify_all()

    def tell(self) -> None:
        """Wake those who wait: something changed."""
        with self._news:
            self._news.notify_all()

    def wait(self, condition: Callable[[], bool], within: float = 5.0) -> bool:
        """Wait until ``condition()`` holds; False if it does not ``within`` seconds."""
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() >= deadline:
                return False
            # Not asked under the lock, which a condition that makes a call would hold against us; so look again now and then.
            with self._news:
                self._news.wait(0.02)
        return True

    def drop_idle(self) -> None:
        """Hang up every connection on which no request is open, and wait until the peer has noticed."""
        idle = [wire for wire in self.wires if wire.idle and not wire.closed.is_set()]
        for wire in idle:
            wire.hang_up()
        assert self.wait(lambda: all(wire.closed.is_set() for wire in idle)), "the peer keeps connections that were hung up"

    def stop(self) -> None:
        """End every connection and wait for the threads."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for wire in self.wires:
            wire.interrupt()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                wire = Wire(sock, len(self.wires), self)
                self.wires.append(wire)
                thread = threading.Thread(target=wire.serve, daemon=True)
                self._threads.append(thread)
                thread.start()
