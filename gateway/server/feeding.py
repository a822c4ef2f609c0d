"""Feeding aiohttp's request parser, the best of those measured, such that what surrounds it does no harm (reference/robustness.md).

It refuses a good request together with garbage that came in one packet, lets the trailers of a chunked request become fields of the
next one, forgets who waits for a body whose framing breaks, and does not limit what frames one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from gateway.errors import BadRequest
from gateway.passing import SinkGone
from gateway.server.listen_settings import ListenSettings
from gateway.tapping import Tap

if TYPE_CHECKING:
    from gateway.server.listener import GuardedServer

READ_BUFFER = 64 * 1024
_HEAD_END = b"\r\n\r\n"
_MAX_WAITING = 16  # pipelined requests that are parsed before they are served
_MAX_PIECES = 64  # of a chunked body, in what is received at once
_MAX_FRAMING = 16 * 1024  # octets of chunk sizes and extensions, beside sixteen for each octet that they frame
_UNREADABLE = _ErrInfo(400, BadRequest(), "")


class FeedingHandler(RequestHandler):
    """aiohttp's request handler, fed with care."""

    __slots__ = (
        "_chunk_octets",
        "_chunked",
        "_edge",
        "_head_octets",
        "_head_since",
        "_heard_at",
        "_last_payload",
        "_last_piece",
        "_left",
        "_settings",
        "_spoiled",
        "_unparsed",
        "tap",
    )

    def __init__(self, server: GuardedServer, loop: asyncio.AbstractEventLoop, settings: ListenSettings, *, keep_alive_s: float) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=keep_alive_s,
            access_log=cast("Any", None),
            max_line_size=settings.max_line_bytes,
            max_field_size=settings.max_line_bytes,
            max_headers=settings.max_fields,
            read_bufsize=READ_BUFFER,
            auto_decompress=False,
            lingering_time=2.0,
        )
        self._settings = settings
        self._last_payload: StreamReader | None = None
        self._head_since = loop.time()
        self._head_octets = 0
        self._heard_at = self._head_since
        self._chunked = False  # whether the body that arrives, or came last, is
        self._chunk_octets = 0  # of it, with its framing
        self._left = 0  # octets to come of a body whose length is stated
        self._last_piece = False  # the rest of what was received is fed as one: too many pieces cost too much
        self._edge = b""  # what was fed last: an empty line may begin in it
        self._unparsed = b""
        self.tap: Tap | None = None
        """What takes the rest of the request's body as it is received."""
        self._spoiled = False  # the parser has lost its way: nothing more is read

    def data_received(self, data: bytes) -> None:
        """Feed the parser up to the end of one head (or of one chunked body) at a time.

        So garbage does not take a good request before it down with it, and the trailers of a request cannot become fields of the
        next one, as they would in aiohttp 3.14. What must wait, waits here. Without ``data``: go on, there is room again.
        """
        if data:
            self._heard_at = self._loop.time()
        else:
            self._feed(b"")
        if self._unparsed:
            data, self._unparsed = self._unparsed + data, b""
        start = pieces = 0
        while start < len(data) and not self._spoiled:
            if self._reading_paused or len(self._messages) >= _MAX_WAITING:
                self._unparsed = data[start:]
                if not self._buffer_paused and not self._reading_paused:
                    self._pause_reading_for_buffer()
                return
            pieces += self._chunked
            self._last_piece = pieces > _MAX_PIECES
            end = len(data) if self._last_piece else self._boundary(data, start)
            self._feed(data[start:end] if start or end < len(data) else data)
            start = end
        if self._buffer_paused and len(self._messages) < _MAX_WAITING:
            self._resume_reading_for_buffer()

    def _boundary(self, data: bytes, start: int) -> int:
        """Up to where ``data`` can be fed: to the end of a body of stated length, else to that of the next empty line, its beginning
        perhaps fed before; all of it if that is not there."""
        if self._left:
            return min(start + self._left, len(data))
        if data[start] in b"\r\n":
            found = (self._edge + data[start : start + 3]).find(_HEAD_END)
            if found != -1:
                return start + found + 4 - len(self._edge)
        found = data.find(_HEAD_END, start)
        return len(data) if found == -1 else found + 4

    def _feed(self, data: bytes) -> None:
        waiting, payload = len(self._messages), self._last_payload
        in_body = payload is not None and not payload.is_eof()
        super().data_received(data)
        self._edge = data[-3:] if len(data) > 2 else (self._edge + data)[-3:]
        self._left = max(self._left - len(data), 0)
        if not in_body:
            self._head_octets += len(data)
        if len(self._messages) > waiting:
            self._arrived(waiting, payload if in_body else None)
        elif in_body:
            self._check_chunks(cast("StreamReader", payload), len(data))
        elif data and not self._request_in_progress:
            self._head_since = self._head_since or self._heard_at
            if self._head_octets > self._settings.max_head_bytes:
                self._spoiled = True
                self._messages.append((_UNREADABLE, EMPTY_PAYLOAD))
                self._awake()
        if self._upgraded:
            self._decline_upgrade()
        if self._chunked and self._last_payload is not None and self._last_payload.is_eof():
            self._chunked = False
            self._parser = self._new_parser()
            # What came in one piece with a body's end cannot be told from its trailers: it is not looked at.
            self._spoiled = self._spoiled or self._last_piece

    def _arrived(self, first: int, unfinished: StreamReader | None) -> None:
        """The parser has a request, or has given up. ``unfinished`` is the body that it was reading."""
        message, payload = self._messages[first]
        self._head_since, head_octets, self._head_octets = 0.0, self._head_octets, 0
        if isinstance(message, RawRequestMessage) and head_octets <= self._settings.max_head_bytes and not self._last_piece:
            self._last_payload, self._chunked, self._chunk_octets = payload, message.chunked, 0
            length = "" if message.chunked else message.headers.get("Content-Length", "")
            self._left = int(length) if length.isascii() and length.isdigit() else 0
            return
        # Nobody knows where the next request begins: what comes now is not looked at.
        self._spoiled = True
        while len(self._messages) > first:
            self._messages.pop()
        if self._last_piece and (unfinished is None or unfinished.is_eof()):
            return
        if unfinished is not None and not unfinished.is_eof():
            unfinished.set_exception(RequestPayloadError("the body's framing is broken"))
        else:
            self._messages.append((_UNREADABLE, EMPTY_PAYLOAD))

    def _check_chunks(self, payload: StreamReader, octets: int) -> None:
        """Chunk sizes and extensions may not outweigh what they frame (RFC 9112 §7.1.1, threats 46)."""
        self._chunk_octets += octets
        if not self._chunked or self._reading_paused or payload.exception() is not None:
            return
        if self._chunk_octets - payload.total_bytes > _MAX_FRAMING + 16 * payload.total_bytes:
            self._spoiled = True
            payload.set_exception(RequestPayloadError("the body is mostly framing"))

    def untapped(self) -> int:
        """Octets of the body that have not been received yet; 0 where that is not known, or some of what was are held back."""
        held = self._unparsed or self._spoiled or self._reading_paused or self._buffer_paused
        return 0 if held else self._left

    def heard_body(self) -> None:
        """Octets of the body came past the parser."""
        self._heard_at = self._loop.time()

    def held_body(self) -> None:
        """It is us who do not receive; ``tap`` knows."""

    def end_body(self, rest: bytes) -> None:
        """The body came to its end past the parser, which is left in the middle of it. With ``rest`` begins what comes next."""
        self._left, self._edge = 0, b""
        if self._parser is not None:
            self._parser = self._new_parser()
        if self._last_payload is not None:
            self._last_payload.feed_eof()
        if rest:
            self.data_received(rest)

    def sink_gone(self, error: SinkGone) -> None:
        """Whoever called gets an answer that says so, and can read it only if what it still sends is received."""

    def _resume_reading_for_buffer(self) -> None:
        """aiohttp thinks that there is room again; not while requests wait here."""
        if not self._unparsed:
            super()._resume_reading_for_buffer()

    def _awake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _decline_upgrade(self) -> None:
        """The request is served as if it had asked for no upgrade, and so is what follows it."""
        self._upgraded = False
        tail, self._message_tail = self._message_tail, b""
        if self._parser is not None:
            self._parser.set_upgraded(False)
        if tail:
            self._feed(tail)

    def _new_parser(self) -> HttpRequestParser:
        settings = self._settings
        return HttpRequestParser(
            self,
            self._loop,
            READ_BUFFER,
            max_line_size=settings.max_line_bytes,
            max_field_size=settings.max_line_bytes,
            max_headers=settings.max_fields,
            payload_exception=RequestPayloadError,
            auto_decompress=False,
        )

    @property
    def spoiled(self) -> bool:
        """Whether nothing that can be read comes after what has been."""
        return self._spoiled and not self._messages
