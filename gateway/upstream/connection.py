"""One connection to an upstream: aiohttp's response parser and flow control, with what a gateway must not accept refused.

aiohttp's client is lenient by design; a gateway that passes answers on may not be. Each answer's head is looked at before anybody
else sees it (``objection_to``), interim answers are counted, and whatever comes unasked spoils the connection for further use.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from enum import Enum
from math import inf
from typing import Any, Protocol

from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import StreamReader
from mypy_extensions import mypyc_attr

from gateway.errors import UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Interim
from gateway.passing import SinkGone
from gateway.tapping import Tap
from gateway.upstream.answer_heads import MAX_FIELDS, MAX_INTERIM, MAX_LINE, READ_BUFFER, AnswerHead, fields_of, objection_to

_HEAD_END = b"\r\n\r\n"


class State(Enum):
    """What a connection is doing: nothing, waiting for the head of an answer, or receiving its body."""

    IDLE = 0
    HEAD = 1
    BODY = 2


class Brief(Protocol):
    """A call whose answer is expected to come in one piece and in a known form."""

    def answered(self, data: bytes) -> bool:
        """This came first. True: it was the whole answer, and all is done; False: nothing was done."""

    def handed_over(self) -> Interim | None:
        """It was not, or none came: the connection goes on as one that was asked by ``Connection.ask``. Who is told of interim answers."""


@mypyc_attr(native_class=False)
class Connection(ResponseHandler):
    """The protocol of one upstream connection; one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Connection], None]) -> None:
        super().__init__(loop)
        self._length: int | None = None  # octets of the body, where the answer's head states them
        self._octets = 0  # of the body that came
        self._edge = b""  # what came last of it
        self._head_only = False
        self._on_lost = on_lost
        self.deadline = inf
        """When, on the loop's clock, the head of an answer must be here; ``Client`` looks after it."""
        self._interim = 0
        self._on_interim: Interim | None = None
        self._ended = False  # whether an interim answer said that the connection will
        self._state = State.IDLE
        self.heard = False  # whether any octet of an answer has come
        self.reused = False
        self.idle_since = 0.0
        self.tap: Tap | None = None
        """What takes the rest of the answer's body as it is received."""
        self.brief: Brief | None = None
        self.on_room: Callable[[], None] | None = None
        """Called when more can be written."""

    def ask(self, *, head_only: bool, interim: Interim | None = None) -> None:
        """Be ready for the answer to one request; ``head_only`` for HEAD; ``interim`` is told of interim answers."""
        self._interim = 0
        self._on_interim = interim
        self._state, self.heard, self._head_only = State.HEAD, False, head_only
        self._parse_anew()

    def _parse_anew(self) -> None:
        self._ended = False
        self.set_response_params(
            skip_payload=self._head_only,
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_FIELDS,
        )

    def ask_briefly(self, brief: Brief, deadline: float) -> None:
        """As ``ask``, but ``brief`` sees what comes first. ``deadline`` as above."""
        self._state, self.heard, self._head_only = State.HEAD, False, False
        self.brief, self.deadline = brief, deadline

    def _ends_briefly(self, brief: Brief, data: bytes) -> bool:
        if brief.answered(data):
            return True
        self.go_on()
        return False

    def go_on(self) -> None:
        """What comes is parsed from now on; ``brief`` leaves the call to somebody who waits for the answer."""
        brief, self.brief = self.brief, None
        if brief is not None:
            self._interim = 0
            self._on_interim = brief.handed_over()
            self._parse_anew()

    def lost(self) -> UpstreamProtocolError | UpstreamUnreachable:
        """Why there is no answer, where the connection ended."""
        if self.heard:
            return UpstreamProtocolError("the connection ended inside the head of the answer")
        return UpstreamUnreachable("the connection ended before an answer")

    def sweep(self, now: float) -> None:
        """Fail with ``UpstreamTimeout`` where the head of an answer is overdue."""
        if now >= self.deadline and self._state is State.HEAD:
            self.deadline = inf
            self.fail(UpstreamTimeout("no answer came in time"))

    def fail(self, error: BaseException) -> None:
        """End the connection; who waits for the answer gets ``error``."""
        self.go_on()
        transport, payload = self.transport, self._payload
        if not self.is_eof() and self.exception() is None:
            self.set_exception(error)
        if payload is not None and not payload.is_eof():
            payload.set_exception(error)
        if transport is not None:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if not data:
            super().data_received(data)  # the reader makes room again: nothing new has come
            return
        self.heard = True
        if self.brief is not None and self._ends_briefly(self.brief, data):
            return
        if self._state is State.IDLE:
            self._unasked()
            return
        # A head is parsed alone, so that surplus octets behind a complete answer do not take it down with them.
        start = 0
        while self._state is State.HEAD and (end := data.find(_HEAD_END, start)) != -1 and end + 4 < len(data):
            super().data_received(data[start : end + 4])
            start = end + 4
            if self.exception() is not None:
                return
            if self._ended:
                self._parse_anew()
        in_body = self._state is State.BODY
        super().data_received(data[start:] if start else data)
        if self._ended:
            self._parse_anew()
        if in_body:
            self._count(data, start)
        if self.exception() is not None and self._payload is not None and not self._payload.is_eof():
            # aiohttp tells who waits for a head, and forgets who waits for the body.
            self._payload.set_exception(UpstreamProtocolError("the body is not proper HTTP/1.1"))

    def _unasked(self) -> None:
        """Nobody asked: an upstream that goes on after its answer is not to be trusted with another request (threats 8)."""
        self.force_close()
        if self.transport is not None:
            self.transport.abort()

    def _count(self, data: bytes, start: int) -> None:
        """Octets behind a complete answer, were they half a one, spoil the connection: the parser would keep them for the next."""
        self._octets += len(data) - start
        if self._length is not None:
            if self._octets > self._length:
                self.force_close()
            return
        self._edge = (self._edge + data[max(start, len(data) - 6) :])[-6:]
        if self._payload is not None and self._payload.is_eof() and (not self._edge.endswith(_HEAD_END) or self._edge == b"\r\n\r\n\r\n"):
            self.force_close()  # a chunked body, with or without trailers, ends in one empty line

    def feed_data(self, data: Any, size: int = 0) -> None:
        """What the parser found: an interim answer is counted and told of, an objectionable one fails the connection."""
        message: AnswerHead = data[0]
        objection = objection_to(message)
        if self._state is State.BODY:
            self.force_close()  # a second answer, interim or not, was not asked for
        elif objection:
            self.fail(UpstreamProtocolError(objection))
        elif message.code < 200:
            self._interim += 1
            self._payload = None
            if message.should_close:
                # The connection ends behind the final answer (RFC 9112 §9.6); aiohttp's parser takes it for the last one.
                self._ended = True
                self.force_close()
            if self._interim > MAX_INTERIM:
                self.fail(UpstreamProtocolError(f"more than {MAX_INTERIM} interim answers"))
            elif self._on_interim is not None and message.code != 100:  # nobody asked it to go on (RFC 9110 §15.2)
                self._on_interim(message.code, fields_of(message))
        else:
            self._state = State.BODY
            length = "0" if self._head_only or message.code in (204, 304) else message.headers.get("Content-Length")
            self._length, self._octets, self._edge = int(length) if length is not None else None, 0, b""
            super().feed_data(data, size)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.on_room is not None:
            self.on_room()

    def untapped(self) -> int:
        """Octets of the body that have not been received yet; 0 where that is not known, or the parser holds some back."""
        if self._length is None or self._state is not State.BODY or self._reading_paused or self._buffer_paused:
            return 0
        return self._length - self._octets

    def heard_body(self) -> None:
        """Octets of the body came past the parser."""
        self.start_timeout()

    def held_body(self) -> None:
        """It is us who do not receive."""
        self._drop_timeout()

    def end_body(self, rest: bytes) -> None:
        """The body came to its end past the parser, which is left in the middle of it. ``rest`` was not asked for."""
        payload, self._octets = self._payload, self._length or 0
        if rest:
            self.force_close()
        self._parse_anew()
        if payload is not None:
            payload.feed_eof()

    def sink_gone(self, error: SinkGone) -> None:
        """Nobody takes the body any more."""
        if self._payload is not None:
            self._payload.set_exception(error)

    def done(self) -> None:
        """The answer has been read to its end."""
        self.brief, self.deadline = None, inf
        self._payload = None
        self._state = State.IDLE

    def connection_lost(self, exc: BaseException | None) -> None:
        self.go_on()
        payload = self._payload
        if exc is not None and payload is not None and not payload.is_eof():
            # A reset is no proper end, not even of a body that lasts until the connection closes.
            payload.set_exception(UpstreamUnreachable("the connection was reset inside the body"))
        elif payload is not None and not payload.is_eof() and payload.exception() is None:
            self._end_tls(payload)
        self.deadline = inf
        super().connection_lost(exc)
        self._on_lost(self)

    def _end_tls(self, payload: StreamReader) -> None:
        """Take the last of a body out of a TLS connection that is lost, and see how it ended.

        An end by TCP alone may be anybody's doing: a body that lasts until the end is not whole then (RFC 9112 §9.8). Neither loop
        says which end it was, and uvloop drops what came while reading was paused; the TLS layer still knows both.
        """
        tls: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object") if self.transport is not None else None
        if tls is None:
            return
        proper = True
        try:
            while data := tls.read(READ_BUFFER):
                (self.tap or self).data_received(data)
        except ssl.SSLError as error:
            proper = isinstance(error, ssl.SSLZeroReturnError)
        self.data_received(b"")  # the parser may have paused
        if not proper and not payload.is_eof():
            payload.set_exception(UpstreamUnreachable("the connection was cut inside the body"))
