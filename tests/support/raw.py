"""A raw HTTP/1.1 client: sends exact bytes, reads answers strictly (RFC 9112), keeps every octet that it got.

Nothing here forgives: an answer that a lenient client would repair raises ``MalformedError``. Times are seconds.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import time
from types import TracebackType
from typing import Literal, Self

from tests.support.answers import Answer, Field, MalformedError, framing_of, parse_fields, status_line, values_of

Address = tuple[str, int]
Ending = Literal["open", "closed", "reset"]
Part = bytes | float


class EndedError(Exception):
    """The connection ended, or nothing came in time, before what was asked for was there."""


class Caller:
    """One connection to a server. Use as a context manager; ``received`` holds every octet that came."""

    def __init__(self, address: Address, *, patience: float = 8.0, receive_buffer: int = 0) -> None:
        """``patience``: how long to wait for an answer; ``receive_buffer``: octets of SO_RCVBUF, for slow readers."""
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise
        self.patience = patience
        self.received = bytearray()
        self.ending: Ending = "open"
        self.refused_octets = False
        self._read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def send(self, *parts: Part) -> bool:
        """Send each part in order; a float is a pause. False if the peer would not take it all (closed, or in time)."""
        for part in parts:
            if isinstance(part, float):
                time.sleep(part)
                continue
            try:
                self._socket.sendall(part)
            except OSError:
                self.refused_octets = True
                return False
        return True

    def finish(self) -> None:
        """Say that nothing more will be sent (FIN), and go on reading."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave with a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        self._socket.close()

    def answer(self, method: str = "GET") -> Answer | None:
        """The next final answer, to a request of ``method``; None if the connection ended (or stayed silent) before it began."""
        deadline = time.monotonic() + self.patience
        interim: list[int] = []
        while True:
            started = self._read
            try:
                status, reason, fields = self._head(deadline)
            except EndedError:
                if len(self.received) > started:
                    raise MalformedError(f"half a head ({self.ending}): {bytes(self.received[started:])[-300:]!r}") from None
                return None
            if status >= 200:
                return self._body(method, status, reason, fields, tuple(interim), deadline)
            if status == 101:
                return Answer(status, reason, fields, b"", True, "none", (), tuple(interim))
            interim.append(status)

    def ended(self, within: float = 2.0) -> Ending:
        """How the connection stands once it has ended or ``within`` is over; ``MalformedError`` if octets come first."""
        with contextlib.suppress(EndedError):
            while len(self.received) == self._read:
                self._more(time.monotonic() + within)
        if len(self.received) > self._read:
            raise MalformedError(f"octets that belong to no answer: {bytes(self.received[self._read :])[:300]!r}")
        return self.ending

    def wait_for(self, octets: bytes) -> None:
        """Read until ``octets`` came since the last answer; ``EndedError`` if the connection ends first."""
        deadline = time.monotonic() + self.patience
        while octets not in self.received[self._read :]:
            self._more(deadline)

    def wait_more(self) -> None:
        """Read what comes next into ``received``; ``EndedError`` if nothing does."""
        self._more(time.monotonic() + self.patience)

    def drain(self, within: float) -> bytes:
        """Whatever comes until the connection ends or ``within`` is over, not parsed."""
        deadline = time.monotonic() + within
        with contextlib.suppress(EndedError):
            while True:
                self._more(deadline)
        data = bytes(self.received[self._read :])
        self._read = len(self.received)
        return data

    def _more(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if self.ending != "open" or left <= 0:
            raise EndedError
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise EndedError from None
        except OSError:
            self.ending = "reset"
            raise EndedError from None
        finally:
            self._socket.settimeout(self.patience)
        if not data:
            self.ending = "closed"
            raise EndedError
        self.received += data

    def _until(self, mark: bytes, deadline: float) -> bytes:
        while (end := self.received.find(mark, self._read)) < 0:
            self._more(deadline)
        data = bytes(self.received[self._read : end])
        self._read = end + len(mark)
        return data

    def _take(self, count: int, deadline: float) -> bytes:
        while len(self.received) - self._read < count:
            self._more(deadline)
        data = bytes(self.received[self._read : self._read + count])
        self._read += count
        return data

    def _rest(self) -> bytes:
        data = bytes(self.received[self._read :])
        self._read = len(self.received)
        return data

    def _head(self, deadline: float) -> tuple[int, str, tuple[Field, ...]]:
        line, _, section = self._until(b"\r\n\r\n", deadline).partition(b"\r\n")
        return *status_line(line), parse_fields(section)

    def _body(self, method: str, status: int, reason: str, fields: tuple[Field, ...], interim: tuple[int, ...], deadline: float) -> Answer:
        framing = framing_of(method, status, fields)
        body, complete = bytearray(), True
        trailers: tuple[Field, ...] = ()
        try:
            if framing == "length":
                wanted = int(values_of(fields, "content-length")[0])
                while len(body) < wanted:
                    if len(self.received) == self._read:
                        self._more(deadline)
                    body += self._take(min(wanted - len(body), len(self.received) - self._read), deadline)
            elif framing == "chunked":
                trailers = self._chunks(body, deadline)
            elif framing == "close":
                while True:
                    self._more(deadline)
        except EndedError:
            complete = framing == "close" and self.ending == "closed"
            body += self._rest() if framing == "close" else b""
        return Answer(status, reason, fields, bytes(body), complete, framing, trailers, interim)

    def _chunks(self, body: bytearray, deadline: float) -> tuple[Field, ...]:
        while True:
            line = self._until(b"\r\n", deadline)
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", line):
                raise MalformedError(f"not a chunk size: {line[:100]!r}")
            size = int(line, 16)
            if not size:
                break
            body += self._take(size, deadline)
            if self._take(2, deadline) != b"\r\n":
                raise MalformedError("a chunk without its line end")
        trailers = bytearray()
        while line := self._until(b"\r\n", deadline):
            trailers += (b"\r\n" if trailers else b"") + line
        return parse_fields(bytes(trailers))
