"""The sandbox on a socket. One handler takes every path, since the API page wants raw matching; bodies are read by hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from gateway.sandbox import api, control
from gateway.sandbox.authorization import parse_authorization
from gateway.sandbox.call import MAX_JSON_BYTES, PREFIX, Answer, ApiError, Call, not_found
from gateway.sandbox.delivery import deliver, reset
from gateway.sandbox.dials import NOTHING, Misbehaviour
from gateway.sandbox.documents import links
from gateway.sandbox.documents.answers import download
from gateway.sandbox.limits.files import FileLimits
from gateway.sandbox.state import Sandbox

_SANDBOX = web.AppKey("sandbox", Sandbox)
_MAX_LINE = 64 * 1024
_FILES = ("multipart/", "application/octet-stream")
_KEEP_FILES = (("files",), ("bulk",))
_AROUND_A_FILE = 64 * 1024  # what a form may need beside its file
_TOO_LARGE = "payload exceeds the maximum size of 8 MB"


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
    request_id = sandbox.next_request_id()
    if path.startswith(control.PREFIX) or path == control.PREFIX[:-1]:
        found, met = await _control(sandbox, path, request, request_id), NOTHING
    elif path.startswith(links.PREFIX):
        found, met = await _linked(sandbox, path, request, request_id), NOTHING
    else:
        found, met = await _api(sandbox, path, request, request_id)
    if met.reset:
        return reset(request)
    body = found.encoded()
    if len(body) > MAX_JSON_BYTES and found.raw is None:  # API page 8.1: it holds for what comes back too
        found = ApiError(429, f"The response {_TOO_LARGE}").answer(request_id)
        body = found.encoded()
    headers = {"Elements-Request-Id": request_id, **found.headers}
    if "Origin" in request.headers:
        headers["Access-Control-Expose-Headers"] = _EXPOSED
    return await deliver(request, found, body, headers, met)


async def _control(sandbox: Sandbox, path: str, request: web.Request, request_id: str) -> Answer:
    try:
        return control.control_answer(sandbox, path, await _call(sandbox, request, (), keeps_files=True))
    except ApiError as error:
        return error.answer(request_id)


async def _linked(sandbox: Sandbox, path: str, request: web.Request, request_id: str) -> Answer:
    call = await _call(sandbox, request, (), keeps_files=False)
    _note(sandbox, request, call)
    try:
        call.allow("GET")
        return download(links.linked_file(sandbox, path))
    except ApiError as error:
        return error.answer(request_id)


async def _api(sandbox: Sandbox, path: str, request: web.Request, request_id: str) -> tuple[Answer, Misbehaviour]:
    segments = api.split_path(path)
    call = await _call(sandbox, request, segments or (), keeps_files=segments is not None and segments[:1] in _KEEP_FILES)
    _note(sandbox, request, call)
    try:
        if segments is None:
            raise not_found()
        admitted = api.admit(sandbox, call)
    except ApiError as error:
        return error.answer(request_id), NOTHING
    at, status, met = sandbox.now(), 500, NOTHING
    try:
        with sandbox.limits.call(admitted.instance, request_id, at.timestamp()) as refusal:
            met = api.meet(sandbox, admitted) if refusal is None else NOTHING
            found = refusal or await _carried_out(sandbox, call, admitted, met, request_id)
        found.headers.update(api.headers_of(admitted, request_id, at))
        status = found.status
    finally:  # who leaves before the answer has called all the same
        api.log(sandbox, call, admitted, request_id, at, status, met.latency)
    return found, met


async def _carried_out(sandbox: Sandbox, call: Call, admitted: api.Admitted, met: Misbehaviour, request_id: str) -> Answer:
    longest = sandbox.limits.files.seconds
    if met.latency > longest and api.moves_a_file(call, admitted):
        await asyncio.sleep(longest)
        return ApiError(429, sandbox.limits.files.too_slow).answer(request_id)
    if met.latency:
        await asyncio.sleep(met.latency)
    if met.reset:
        return Answer(status=502)
    return met.error.answer(request_id) if met.error else api.answer(sandbox, call, admitted, request_id)


def _note(sandbox: Sandbox, request: web.Request, call: Call) -> None:
    instance = sandbox.instances.with_token(call.credentials.element) if call.credentials else None
    names = [name.decode("latin-1") for name, _ in request.raw_headers]
    element, id_ = (instance.element.key, instance.id) if instance else (None, None)
    sandbox.journal.add(request.method, request.raw_path, element, id_, names)


async def _call(sandbox: Sandbox, request: web.Request, segments: tuple[str, ...], keeps_files: bool) -> Call:
    body, refused = await _body(request, sandbox.limits.files, keeps_files) if request.can_read_body else (b"", "")
    return Call(
        method="GET" if request.method == "HEAD" else request.method,
        path=segments,
        raw_query=request.rel_url.raw_query_string,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        credentials=parse_authorization(", ".join(request.headers.getall("Authorization", []))),
        refused=refused,
        target=request.raw_path,
    )


async def _body(request: web.Request, files: FileLimits, keeps_files: bool) -> tuple[bytes | None, str]:
    """The body to its end, so that the connection can go on; None, and why, where it is more than is taken. Files that nobody asks
    for are not kept."""
    if not request.headers.get("Content-Type", "").lower().startswith(_FILES):
        body = await _read(request.content, MAX_JSON_BYTES, keep=True)
        return body, f"The request {_TOO_LARGE}"
    try:
        async with asyncio.timeout(files.seconds):
            return await _read(request.content, files.bytes + _AROUND_A_FILE, keeps_files), files.too_large
    except TimeoutError:
        return None, files.too_slow


async def _read(content: StreamReader, largest: int, keep: bool) -> bytes | None:
    kept, size = bytearray(), 0
    async for chunk in content.iter_any():
        size += len(chunk)
        if keep and size <= largest:
            kept += chunk
    return None if size > largest else bytes(kept)
