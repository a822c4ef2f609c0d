"""One call over ``aiohttp.ClientSession``: its request writes the octets that it was given, and looks at the answer's head first.

aiohttp's own request writes fields of its own making, in UTF-8, chooses the framing, and skips interim answers unseen. This one goes
where ``ClientSession(request_class=…)`` takes it: it writes the head as it is, tells of interim answers, and refuses what a gateway may not
pass on. Then it puts the final head back into the queue from which aiohttp's ``ClientResponse`` takes it. As it raises our errors and none
of aiohttp's, aiohttp's hidden second attempt at idempotent methods never comes about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import ClientError, ClientRequest, ClientResponse, ServerDisconnectedError
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage, StreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from yarl import URL

from gateway.errors import GatewayError, Internal, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Body, Interim, Stream
from gateway.upstream.answer_heads import MAX_INTERIM, fields_of, objection_to
from gateway.upstream.protocol import StaleConnection


class UnusableError(Exception):
    """A kept connection was closed or spoiled while nobody used it; nothing was written."""


class Call:
    """What ``_Request`` needs to know of a call, and what is known of it afterwards."""

    def __init__(
        self, head: bytes, body: Body, interim: Interim | None, response_seconds: float, written: Callable[[], None] | None
    ) -> None:
        self.head = head
        self.body = body
        self.interim = interim
        self.response_seconds = response_seconds
        self.written = written
        self.over: Callable[[], None] | None = None  # told once, when it needs its connection no more
        self.reused = False
        self.left = False
        self.failure: GatewayError | None = None  # of the request body
        self.protocol: ResponseHandler | None = None
        self.transport: asyncio.Transport | None = None
        self._payload: StreamReader | None = None
        self._closed: asyncio.Future[None] | None = None
        self._told = 0
        self._limit: asyncio.Timeout | None = None

    def begin(self, protocol: ResponseHandler, transport: asyncio.Transport) -> asyncio.Task[None] | None:
        """Write the head, and the body, too, if it is here; a task for one that streams."""
        self.protocol, self.transport = protocol, transport
        body, upload = self.body, None
        if isinstance(body, bytes):
            transport.write(self.head + body if body else self.head)
        else:
            transport.write(self.head)
            upload = asyncio.create_task(self._upload(body, protocol, transport))
            upload.add_done_callback(self._uploaded)
        self.left = True
        if self.written is not None:
            self.written()
        return upload

    async def answer(self, protocol: ResponseHandler) -> tuple[RawResponseMessage, StreamReader]:
        """The head and body of the final answer. The time for it runs while the upstream is at work: not while the caller is."""
        try:
            async with asyncio.timeout(self.response_seconds if isinstance(self.body, bytes) else None) as self._limit:
                message, self._payload = await self._final(protocol)
        except TimeoutError:
            raise UpstreamTimeout("no answer came in time") from None
        except HttpProcessingError:
            raise UpstreamProtocolError("the answer is not proper HTTP/1.1") from None
        except (OSError, ClientError) as error:
            raise self.failure or self._lost(error) from None
        finally:
            self._limit = None
        return message, self._payload

    def release(self) -> None:
        """Its connection is somebody else's, or none."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._ended)
            self._closed = None
        over, self.over = self.over, None
        if over is not None:
            over()

    def abort(self) -> None:
        """Nobody waits for anything any more."""
        if self.transport is not None:
            self.transport.abort()

    def stream(self, body_seconds: float) -> None:
        """The rest of the answer comes while it is read, with no pause longer than ``body_seconds``."""
        if self.protocol is None:
            return
        self.protocol.read_timeout = body_seconds
        self.protocol.start_timeout()
        self._closed = self.protocol.closed
        if self._closed is not None:
            self._closed.add_done_callback(self._ended)
        else:
            self._ended(None)

    def _ended(self, closed: asyncio.Future[None] | None) -> None:
        """aiohttp tells who waits for a head that what came is not proper, and forgets who waits for the body."""
        if closed is not None and not closed.cancelled():
            closed.exception()  # somebody has seen it
        if self._payload is not None and not self._payload.is_eof() and self._payload.exception() is None:
            self._payload.set_exception(UpstreamProtocolError("the body is not proper HTTP/1.1"))

    async def _final(self, protocol: ResponseHandler) -> tuple[RawResponseMessage, StreamReader]:
        while True:
            message, payload = await protocol.read()
            objection = objection_to(message)
            if objection:
                raise UpstreamProtocolError(objection)
            if message.code >= 200:
                return message, payload
            self._told += 1
            if self._told > MAX_INTERIM:
                raise UpstreamProtocolError(f"more than {MAX_INTERIM} interim answers")
            if self.interim is not None and message.code != 100:  # nobody asked it to go on (RFC 9110 §15.2)
                self.interim(message.code, fields_of(message))

    def _lost(self, error: Exception) -> GatewayError:
        # The message is what there is of a head, where it is no text.
        if self._told or (isinstance(error, ServerDisconnectedError) and not isinstance(error.message, str)):
            return UpstreamProtocolError("the connection ended inside the head of the answer")
        if self.reused:
            return StaleConnection("the connection ended before an answer")
        return UpstreamUnreachable("the connection ended before an answer")

    async def _upload(self, body: Stream, protocol: ResponseHandler, transport: asyncio.Transport) -> None:
        """Write a streaming body, no faster than the upstream reads it. A failing ``body`` fails the call."""
        chunked = body.length is None
        writer = StreamWriter(protocol, asyncio.get_running_loop())
        try:
            async for chunk in body:
                if not chunk:
                    continue  # an empty chunk is the last one (RFC 9112 §7.1)
                if transport.is_closing():
                    return  # who waits for the answer learns why
                transport.writelines((b"%x\r\n" % len(chunk), chunk, b"\r\n") if chunked else (chunk,))
                if protocol.writing_paused:
                    self._wait(self.response_seconds)
                    await writer.drain()
                    self._wait(None)
            if chunked and not transport.is_closing():
                transport.write(b"0\r\n\r\n")
            self._wait(self.response_seconds)
        except OSError:
            return
        except GatewayError as error:
            self._fail(error)
            raise
        except Exception:
            self._fail(Internal("the request body could not be read"))
            raise

    def _wait(self, seconds: float | None) -> None:
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    def _fail(self, error: GatewayError) -> None:
        """Who waits for the answer, or for more of it, gets ``error``."""
        self.failure = error
        if self._payload is not None:
            if not self._payload.is_eof():
                self._payload.set_exception(error)
        elif self.protocol is not None:
            self.protocol.set_exception(error)

    def _uploaded(self, upload: asyncio.Task[None]) -> None:
        """Half a request is on the connection: it is of no more use, and what stands in its buffer is not worth sending."""
        if (upload.cancelled() or upload.exception() is not None) and self.protocol is not None:
            self.protocol.force_close()
            self.abort()


class Request(ClientRequest):
    """The ``request_class`` of a session. Its ``data`` is a ``Call``; its URL says where to connect, and no more."""

    def __init__(self, method: str, url: URL, *, data: Call, **other: Any) -> None:
        self._call = data
        super().__init__(method, url, **other)

    async def send(self, conn: Connection) -> ClientResponse:
        """Write the call, and wait for the head of its answer."""
        call, protocol = self._call, conn.protocol
        transport = protocol.transport if protocol is not None else None
        if protocol is None or transport is None or transport.is_closing() or protocol.should_close:
            # aiohttp looks whether a kept connection stands, and not whether something came on it unasked (threats 8).
            if call.reused:
                raise UnusableError
            raise UpstreamUnreachable("the connection ended at once")
        conn.add_callback(call.release)
        upload = call.begin(protocol, transport)
        try:
            answer = await call.answer(protocol)
        except BaseException:
            if upload is not None:
                upload.cancel()
            call.abort()
            raise
        await _put_back(protocol, answer)
        return self.response_class(
            self.method,
            self.original_url,
            writer=upload,
            continue100=None,
            timer=self._timer,
            request_info=self.request_info,
            traces=self._traces,
            loop=self.loop,
            session=self._session,
            stream_writer=StreamWriter(protocol, self.loop),
        )


async def _put_back(protocol: ResponseHandler, answer: tuple[RawResponseMessage, StreamReader]) -> None:
    """Leave ``answer`` as the only one in the queue, without a turn of the loop; one that came behind it was not asked for."""
    protocol.feed_data(answer)
    while await protocol.read() is not answer:
        protocol.force_close()
    protocol.feed_data(answer)
