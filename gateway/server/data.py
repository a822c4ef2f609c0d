"""The data listener: from a caller's connection into the corridor and back, and whatever happens, one record of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

import structlog
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from gateway.errors import BadRequest, GatewayError, Internal, Overloaded
from gateway.exchange import Exchange, Headers, Request, Response
from gateway.pipeline import Pipeline
from gateway.server import answer, intake
from gateway.server.connection import CallerConnection
from gateway.server.cors import Cors, is_preflight
from gateway.server.listen_settings import ListenSettings
from gateway.server.listener import DataConnection, GuardedServer
from gateway.server.problems import problem
from gateway.server.shedding import Shedder, request_id_of
from gateway.telemetry import Telemetry
from gateway.telemetry.tracing import Tracing
from gateway.upstream.headers import VIA

log = structlog.get_logger("gateway.server")

_TOO_MUCH = "calls come faster than they can be served"


class DataListener:
    """Serves ``/elements/api-v2/**`` and ``/healthz``. ``draining`` says whether the gateway is about to stop; ``cors`` is None where no
    pages of other origins are let in, ``tracing`` where no call is traced."""

    def __init__(
        self,
        pipeline: Pipeline,
        telemetry: Telemetry,
        settings: ListenSettings,
        draining: Callable[[], bool],
        cors: Cors | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._telemetry = telemetry
        self._settings = settings
        self._draining = draining
        self._tracing = tracing
        self._cors = cors
        self.shedder = Shedder(settings.overload_lag)
        self._refusals = _Refusals()

    def server(self) -> GuardedServer:
        """The factory of this listener's connections."""
        return GuardedServer(self._serve, self._refuse, self._settings, self._full, self.shedder, self._shed)

    async def _serve(self, connection: DataConnection, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Answer one request; whether the connection may be kept."""
        if message.path == "/healthz":
            return await self._healthz(connection, message, payload)
        started = time.monotonic()
        headers = intake.headers_of(message)
        exchange = intake.begin(message, headers, started, self._tracing)
        self._telemetry.begin(exchange)
        request: Request | None = None
        in_step = False  # whether it is known where the next request begins
        try:
            try:
                if self._cors is not None and is_preflight(message.method, headers):
                    response, in_step = await self._preflight(self._cors, message, headers, exchange), True
                else:
                    passed_on = headers if self._cors is None else self._cors.without_origin(headers)
                    request = intake.read(message, payload, connection, passed_on, self._settings.max_body_bytes)
                    if passed_on is not headers:
                        request.certificate = None  # a page's browser shows it without being asked: a page must show a key
                    in_step = True
                    self._let_in(connection)
                    response = await self._pipeline.handle(request, exchange)
                exchange.status = response.status
            except GatewayError as error:
                response = _spoken(error, exchange)
            except Exception as error:  # whatever it is, it is ours, and its text may hold anything
                log.error("call failed", error=type(error).__name__, where=_where(error), request_id=exchange.request_id)
                response = _spoken(Internal("this is a fault in the gateway; its log has the request id"), exchange)
            if self._cors is not None:
                response = self._cors.stamped(message.method, headers, response, exchange)
            in_step = in_step and not connection.spoiled
            keep_alive = in_step and not message.should_close and payload.is_eof() and not self._draining()
            exchange.answering = now = time.monotonic()
            await answer.write(
                connection,
                response,
                exchange,
                method=message.method,
                http_1_0=message.version < (1, 1),
                keep_alive=keep_alive,
                now=now,
            )
            return keep_alive and not _close_delimited(response, message.version < (1, 1))
        except answer.BrokenOff as broken:
            exchange.outcome = f"broken-off:{broken.error.slug}"
            return False
        except (asyncio.CancelledError, ConnectionError):
            exchange.outcome = "caller-left"
            exchange.status = exchange.status or 499
            raise
        finally:
            exchange.bytes_up = _octets(request)
            connection.batch = exchange.batch
            exchange.total_seconds = time.monotonic() - started
            self._telemetry.record(exchange)
            if self._tracing is not None:
                self._tracing.record(exchange)

    async def _preflight(self, cors: Cors, message: RawRequestMessage, headers: Headers, exchange: Exchange) -> Response:
        """What a browser asks before a page's call: answered here, for any path and without a key, and passed on to nobody."""
        exchange.phase = "cors"
        intake.check(message, headers)
        response = await cors.preflight(headers)
        exchange.note("cors", "preflight", "cors.allowed_origins")
        return response

    async def _refuse(self, connection: CallerConnection) -> bool:
        """A request that the parser did not take: 400, and the connection ends, since nobody knows where the next one begins."""
        now = time.monotonic()
        exchange = Exchange(intake.new_id(), "UNKNOWN", "", now, time.time())
        exchange.phase = "parse"
        self._telemetry.begin(exchange)
        try:
            response = _spoken(BadRequest("the request is not proper HTTP/1.1"), exchange)
            await answer.write(connection, response, exchange, method="", http_1_0=False, keep_alive=False, now=now)
            return False
        finally:
            exchange.total_seconds = time.monotonic() - now
            self._telemetry.record(exchange)

    def _let_in(self, connection: DataConnection) -> None:
        if self.shedder.share < 1.0 and not connection.let_in and self.shedder.sheds(connection.batch):
            raise Overloaded(_TOO_MUCH, retry_after=1)

    def _shed(self, data: bytes) -> bytes:
        """The whole answer to a request that is refused without being read."""
        now = time.monotonic()
        path = intake.shown(data[4 : data.find(b" ", 4)].decode("latin-1"))
        exchange = Exchange(request_id_of(data) or intake.new_id(), "GET", path, now, time.time())
        exchange.phase = "accept"
        exchange.answering = now
        octets = self._refusals.answer(exchange)
        exchange.total_seconds = time.monotonic() - now
        self._telemetry.record(exchange)
        return octets

    def _full(self) -> bytes:
        """The rest of the answer to a connection that is one too many, behind the fields that never change."""
        now = time.monotonic()
        exchange = Exchange(intake.new_id(), "UNKNOWN", "", now, time.time())
        exchange.phase = "accept"
        body = _spoken(Overloaded("all connections are taken", retry_after=1), exchange).body
        self._telemetry.record(exchange)
        fields = f"X-Request-Id: {exchange.request_id}\r\nVia: {VIA}\r\nContent-Length: {len(cast('bytes', body))}\r\n\r\n"
        return fields.encode() + cast("bytes", body)

    async def _healthz(self, connection: DataConnection, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Liveness: an answer says that the loop turns. Not a call, so not counted as one."""
        keep = not message.should_close and payload.is_eof()
        exchange = Exchange(intake.new_id(), message.method, "/healthz", time.monotonic(), time.time())
        headers = intake.headers_of(message)
        try:
            if self._cors is not None and is_preflight(message.method, headers):
                response = await self._preflight(self._cors, message, headers, exchange)
            else:
                intake.check(message, headers)
                response = Response(200, Headers([("Content-Type", "application/json")]), b'{"status":"ok"}')
        except GatewayError as error:
            keep, response = False, problem(error, exchange.request_id)
        if self._cors is not None:
            response = self._cors.stamped(message.method, headers, response, exchange)
        old = message.version < (1, 1)
        await answer.write(connection, response, exchange, method=message.method, http_1_0=old, keep_alive=keep, now=exchange.started)
        return keep


class _Refusals:
    """Answers to calls that are shed. All that differs in those of one second is the id, so they are made from one."""

    def __init__(self) -> None:
        self._second = -1
        self._made = b""
        self._id = b""
        self._octets = 0

    def answer(self, exchange: Exchange) -> bytes:
        """The whole answer; ``exchange`` learns how it ended."""
        request_id = exchange.request_id.encode()
        if int(exchange.time) != self._second:
            self._make(exchange)
        if len(request_id) != len(self._id):  # the length of the body would be another
            return answer.whole(_spoken(Overloaded(_TOO_MUCH, retry_after=1), exchange), exchange)
        exchange.status, exchange.problem, exchange.outcome = Overloaded.status, Overloaded.slug, Overloaded.slug
        exchange.note("accept", Overloaded.slug, _TOO_MUCH)
        exchange.bytes_down = self._octets
        return self._made.replace(self._id, request_id)

    def _make(self, exchange: Exchange) -> None:
        # With an id of ours, which cannot be part of anything else in it.
        first = Exchange(intake.new_id(), "GET", "", exchange.started, exchange.time)
        first.answering = first.started
        self._made = answer.whole(_spoken(Overloaded(_TOO_MUCH, retry_after=1), first), first)
        self._id, self._octets, self._second = first.request_id.encode(), first.bytes_down, int(exchange.time)


def _spoken(error: GatewayError, exchange: Exchange) -> Response:
    exchange.status = error.status
    exchange.problem = error.slug
    exchange.outcome = error.slug
    if not exchange.decisions or exchange.decisions[-1][2] != error.detail:  # else the room has said so itself
        exchange.note(exchange.phase, error.slug, error.detail)
    return problem(error, exchange.request_id)


def _close_delimited(response: Response, http_1_0: bool) -> bool:
    return http_1_0 and not isinstance(response.body, bytes) and response.body.length is None


def _octets(request: Request | None) -> int:
    if request is None:
        return 0
    return len(request.body) if isinstance(request.body, bytes) else getattr(request.body, "octets", 0)


def _where(error: BaseException) -> str:
    """File and line of a fault of ours, without any of its values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
