"""How an answer goes out: whole, or trickled, cut short, or not at all, as the dials have it."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import struct
from collections.abc import Mapping

from aiohttp import web

from gateway.sandbox.call import Answer
from gateway.sandbox.dials import NOTHING, Misbehaviour

_CONTENT_TYPE = "application/json;charset=UTF-8"
_PIECE = 4096  # octets of one chunk where no dial says
_LEAST_CUT = 2  # octets announced at least, so that an empty answer can be cut too


async def deliver(request: web.Request, answer: Answer, body: bytes, headers: dict[str, str], met: Misbehaviour) -> web.StreamResponse:
    """``body`` is the answer's, encoded; ``headers`` are to go out."""
    if answer.body is not None:
        headers = {"Content-Type": _CONTENT_TYPE, **headers}
    if met is NOTHING:
        return web.Response(status=answer.status, headers=headers, body=body)
    if met.session:
        headers["Set-Cookie"] = f"CESESSIONID={headers['Elements-Request-Id']};Path=/elements/;HttpOnly"
    if met.gzip and "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"], body = "gzip", gzip.compress(body, mtime=0)
    if met.cut:
        return await _cut(request, answer.status, headers, body)
    if met.slow or met.chunked:
        return await _trickle(request, answer.status, headers, body, met)
    return web.Response(status=answer.status, headers=headers, body=body)


def reset(request: web.Request) -> web.Response:
    """Drop the connection with an RST: linger 0 makes the kernel send one on close."""
    transport = request.transport
    if transport is not None:
        # Through a duplicate, since the socket object that uvloop shows cannot set options; they belong to the connection.
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _trickle(request: web.Request, status: int, headers: Mapping[str, str], body: bytes, met: Misbehaviour) -> web.StreamResponse:
    response = await _started(request, status, headers, None if met.chunked else len(body))
    size, pause = (met.slow.chunk, met.slow.pause) if met.slow else (_PIECE, 0.0)
    for start in range(0, len(body), size):
        await response.write(body[start : start + size])
        await asyncio.sleep(pause)
    return response


async def _cut(request: web.Request, status: int, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
    length = max(len(body), _LEAST_CUT)
    response = await _started(request, status, headers, length)
    await response.write(body[: length // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _started(request: web.Request, status: int, headers: Mapping[str, str], length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    if length is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = length
    await response.prepare(request)
    return response
