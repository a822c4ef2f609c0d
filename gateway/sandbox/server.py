"""The sandbox on a socket. One handler takes every path, since the API page wants raw matching; bodies are read by hand."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from gateway.sandbox import api, control
from gateway.sandbox.authorization import parse_authorization
from gateway.sandbox.call import MAX_JSON_BYTES, PREFIX, Answer, ApiError, Call, not_found
from gateway.sandbox.delivery import deliver, reset
from gateway.sandbox.dials import Misbehaviour
from gateway.sandbox.journal import Arrival
from gateway.sandbox.state import Sandbox

_SANDBOX = web.AppKey("sandbox", Sandbox)
_MAX_LINE = 64 * 1024
_FILES = ("multipart/", "application/octet-stream")


_EXPOSED = (  # API page 2.4
    "Elements-Returned-Count, Elements-Total-Count, Elements-Request-Id, Elements-Next-Page-Token, "
    "Elements-Trace-Id, Elements-Error, Content-Disposition"
)
_LOGGER = logging.getLogger(__name__)
# What cannot be parsed is answered with 400; the message quotes the octets, which may be a token.
_LOGGER.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))


def application(sandbox: Sandbox) -> web.Application:
    app = web.Application(middlewares=[_everything])
    app[_SANDBOX] = sandbox
    return app


@asynccontextmanager
async def running(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve ``sandbox`` while the block runs; yields its base URL, ``http://127.0.0.1:PORT/elements/api-v2``.

    Raises ``OSError`` where the address cannot be had.
    """
    runner = web.AppRunner(
        application(sandbox),
        access_log=None,
        handler_cancellation=True,
        auto_decompress=False,
        logger=_LOGGER,
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_LINE,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        bound = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}{PREFIX}"
    finally:
        await runner.cleanup()


@web.middleware
async def _everything(request: web.Request, handler: Handler) -> web.StreamResponse:
    # Not a route: routes match decoded paths, and none matches `OPTIONS *`.
    return await _handle(request)


async def _handle(request: web.Request) -> web.StreamResponse:
    sandbox = request.app[_SANDBOX]
    path = request.rel_url.raw_path
    request_id = secrets.token_hex(12)  # API page 2.1
    if path.startswith(control.PREFIX):
        found, met = await _control(sandbox, path, request, request_id), Misbehaviour()
    else:
        found, met = await _api(sandbox, path, request, request_id)
    if met.reset:
        return reset(request)
    headers = {"Elements-Request-Id": request_id, **found.headers}
    if "Origin" in request.headers:
        headers["Access-Control-Expose-Headers"] = _EXPOSED
    return await deliver(request, found, headers, met)


async def _control(sandbox: Sandbox, path: str, request: web.Request, request_id: str) -> Answer:
    try:
        return control.control_answer(sandbox, path, await _call(request, ()))
    except ApiError as error:
        return error.answer(request_id)


async def _api(sandbox: Sandbox, path: str, request: web.Request, request_id: str) -> tuple[Answer, Misbehaviour]:
    segments = api.split_path(path)
    call = await _call(request, segments or ())
    _note(sandbox, request, call)
    try:
        if segments is None:
            raise not_found()
        admitted = api.admit(sandbox, call)
    except ApiError as error:
        return error.answer(request_id), Misbehaviour()
    met = api.meet(sandbox, admitted)
    if met.latency:
        await asyncio.sleep(met.latency)
    if met.reset:
        return Answer(), met
    if met.error:
        return met.error.answer(request_id), met
    return api.answer(sandbox, call, admitted, request_id), met


def _note(sandbox: Sandbox, request: web.Request, call: Call) -> None:
    instance = sandbox.instances.with_token(call.credentials.element) if call.credentials else None
    names = [name.decode("latin-1") for name, _ in request.raw_headers]
    element, id_ = (instance.element.key, instance.id) if instance else (None, None)
    sandbox.journal.add(Arrival(request.method, request.raw_path, element, id_, names))


async def _call(request: web.Request, segments: tuple[str, ...]) -> Call:
    return Call(
        method="GET" if request.method == "HEAD" else request.method,
        path=segments,
        raw_query=request.rel_url.raw_query_string,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await _body(request),
        credentials=parse_authorization(", ".join(request.headers.getall("Authorization", []))),
    )


async def _body(request: web.Request) -> bytes | None:
    """The body to its end, so that the connection can go on; None where it is over 8 MB and no file. Files are not kept."""
    kept, size = bytearray(), 0
    is_file = request.headers.get("Content-Type", "").lower().startswith(_FILES)
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if not is_file and size <= MAX_JSON_BYTES:
            kept += chunk
    return None if size > MAX_JSON_BYTES and not is_file else bytes(kept)
