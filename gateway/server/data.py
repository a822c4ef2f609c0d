"""The data listener: from a caller's connection into the corridor and back, and whatever happens, one record of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import structlog
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from gateway.callers import KeyStore
from gateway.errors import BadRequest, GatewayError, Internal, Overloaded
from gateway.exchange import Exchange, Headers, Request, Response
from gateway.faults import where
from gateway.instances import InstanceStore
from gateway.pipeline import Pipeline
from gateway.server import answer, intake
from gateway.server.connection import CallerConnection
from gateway.server.cors import Cors, is_preflight
from gateway.server.data_connection import DataConnection
from gateway.server.fastforward import FastForwarding
from gateway.server.fastpath import FastPath
from gateway.server.listen_settings import ListenSettings
from gateway.server.listener import GuardedServer
from gateway.server.problems import problem
from gateway.server.refusals import TOO_MUCH, Refusals, spoken
from gateway.server.shedding import Shedder, request_id_of
from gateway.server.standing import Standing
from gateway.server.turn import Recorded, Turn
from gateway.server.underway import Underway
from gateway.telemetry import Telemetry
from gateway.telemetry.ids import new_id
from gateway.telemetry.tracing import Tracing
from gateway.upstream.headers import VIA

log = structlog.get_logger("gateway.server")


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
        self._repeating: FastPath | None = None
        self._forwarding: FastForwarding | None = None
        self._refusals = Refusals()

    def server(self) -> GuardedServer:
        """The factory of this listener's connections."""
        shortcuts = () if self._repeating is None or self._forwarding is None else (self._repeating.answer, self._forwarding.begin)
        return GuardedServer(
            self._serve, self._refuse, self._settings, self._full, self.shedder, self._shed, finish=self._finish, shortcuts=shortcuts
        )

    def shorten(self, keys: KeyStore, instances: InstanceStore) -> FastPath:
        """Have calls of which enough is known take the fast paths; ``watch`` what is returned. To be said before ``server``."""
        standing = Standing(keys, instances, self._pipeline.pauses, self.shedder, self._draining, traced=self._tracing is not None)
        self._forwarding = forwarding = FastForwarding(self._pipeline, self._telemetry, standing, self._stamped, self._settings)
        self._repeating = FastPath(self._pipeline, self._telemetry, standing, self._stamped, forwarding.forget_unused)
        return self._repeating

    def _stamped(self, request: Request, response: Response, exchange: Exchange) -> Response:
        return response if self._cors is None else self._cors.stamped(request.method, request.headers, response, exchange)

    async def _serve(self, connection: DataConnection, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Answer one request; whether the connection may be kept."""
        if message.path == "/healthz":
            return await self._healthz(connection, message, payload)
        started = time.monotonic()
        headers = intake.headers_of(message)
        exchange = intake.begin(message, headers, started, self._tracing)
        self._telemetry.begin(exchange)
        turn = Turn(exchange, message.method, headers, http_1_0=message.version < (1, 1))
        with Recorded(self.record, connection, turn):
            response = await self._answered(self._handled(connection, message, payload, turn), exchange)
            in_step = turn.in_step and not connection.spoiled
            turn.kept = in_step and not message.should_close and payload.is_eof() and not self._draining()
            await self._write(connection, response, turn)
            turn.kept = turn.kept and not _close_delimited(response, turn.http_1_0)
        if turn.kept and connection.head is not None and turn.request is not None and not turn.http_1_0:
            await self._learn(connection, connection.head, turn.request, exchange)
        connection.head = None
        return turn.kept

    async def _finish(self, connection: DataConnection, underway: Underway) -> bool:
        """Answer a request that took the fast path and cannot end there; whether the connection may be kept."""
        turn = Turn(underway.exchange, underway.exchange.method, Headers())
        with Recorded(self.record, connection, turn):
            call = underway.call()
            turn.headers, turn.request = call.request.headers, call.request
            resuming = self._pipeline.resume(call, underway.passage(), underway.found())
            response = await self._answered(resuming, turn.exchange)
            turn.kept = not connection.spoiled and not self._draining()
            await self._write(connection, response, turn)
        return turn.kept

    async def _handled(self, connection: DataConnection, message: RawRequestMessage, payload: StreamReader, turn: Turn) -> Response:
        headers, exchange = turn.headers, turn.exchange
        if self._cors is not None and is_preflight(message.method, headers):
            response = await self._preflight(self._cors, message, headers, exchange)
            turn.in_step = True
            return response
        passed_on = headers if self._cors is None else self._cors.without_origin(headers)
        turn.request = request = intake.read(message, payload, connection, passed_on, self._settings.max_body_bytes)
        if passed_on is not headers:
            request.certificate = None  # a page's browser shows it without being asked: a page must show a key
        turn.in_step = True
        self._let_in(connection)
        return await self._pipeline.handle(request, exchange)

    async def _answered(self, handling: Coroutine[Any, Any, Response], exchange: Exchange) -> Response:
        """What ``handling`` brings; errors as they are spoken."""
        try:
            response = await handling
            exchange.status = response.status
        except GatewayError as error:
            return spoken(error, exchange)
        except Exception as error:  # whatever it is, it is ours, and its text may hold anything
            log.error("call failed", error=type(error).__name__, where=where(error), request_id=exchange.request_id)
            return spoken(Internal("this is a fault in the gateway; its log has the request id"), exchange)
        return response

    async def _write(self, connection: DataConnection, response: Response, turn: Turn) -> None:
        exchange = turn.exchange
        if self._cors is not None:
            response = self._cors.stamped(turn.method, turn.headers, response, exchange)
        exchange.answering = now = time.monotonic()
        await answer.write(connection, response, exchange, method=turn.method, http_1_0=turn.http_1_0, keep_alive=turn.kept, now=now)

    def record(self, connection: DataConnection, turn: Turn) -> None:
        """Write down what became of a call."""
        exchange = turn.exchange
        exchange.bytes_up = turn.bytes_up
        connection.batch = exchange.batch
        exchange.total_seconds = time.monotonic() - exchange.started
        self._telemetry.record(exchange)
        if self._tracing is not None:
            self._tracing.record(exchange)

    async def _learn(self, connection: DataConnection, head: bytes, request: Request, exchange: Exchange) -> None:
        """Such a call may be made again: it will take a fast path then."""
        if self._repeating is None or self._forwarding is None:
            return
        if self._tracing is not None and "traceparent" not in request.headers:
            return  # whether it is traced is decided anew each time
        if exchange.cache == "hit":
            await self._repeating.learn(connection, head, request)
        elif exchange.upstream_calls and exchange.status < 400:
            connection.cuts = await self._forwarding.callers.learn(head, request)

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
        exchange = Exchange(new_id(), "UNKNOWN", "", now, time.time())
        exchange.phase = "parse"
        self._telemetry.begin(exchange)
        try:
            response = spoken(BadRequest("the request is not proper HTTP/1.1"), exchange)
            await answer.write(connection, response, exchange, method="", http_1_0=False, keep_alive=False, now=now)
            return False
        finally:
            exchange.total_seconds = time.monotonic() - now
            self._telemetry.record(exchange)

    def _let_in(self, connection: DataConnection) -> None:
        if self.shedder.share < 1.0 and not connection.let_in and self.shedder.sheds(connection.batch):
            raise Overloaded(TOO_MUCH, retry_after=1)

    def _shed(self, data: bytes) -> bytes:
        """The whole answer to a request that is refused without being read."""
        now = time.monotonic()
        path = intake.shown(data[4 : data.find(b" ", 4)].decode("latin-1"))
        exchange = Exchange(request_id_of(data) or new_id(), "GET", path, now, time.time())
        exchange.phase = "accept"
        exchange.answering = now
        octets = self._refusals.answer(exchange)
        exchange.total_seconds = time.monotonic() - now
        self._telemetry.record(exchange)
        return octets

    def _full(self) -> bytes:
        """The rest of the answer to a connection that is one too many, behind the fields that never change."""
        now = time.monotonic()
        exchange = Exchange(new_id(), "UNKNOWN", "", now, time.time())
        exchange.phase = "accept"
        body = spoken(Overloaded("all connections are taken", retry_after=1), exchange).body
        self._telemetry.record(exchange)
        fields = f"X-Request-Id: {exchange.request_id}\r\nVia: {VIA}\r\nContent-Length: {len(cast('bytes', body))}\r\n\r\n"
        return fields.encode() + cast("bytes", body)

    async def _healthz(self, connection: DataConnection, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Liveness: an answer says that the loop turns. Not a call, so not counted as one."""
        connection.head = None
        keep = not message.should_close and payload.is_eof()
        exchange = Exchange(new_id(), message.method, "/healthz", time.monotonic(), time.time())
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


def _close_delimited(response: Response, http_1_0: bool) -> bool:
    return http_1_0 and not isinstance(response.body, bytes) and response.body.length is None
