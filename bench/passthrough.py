"""The peer: a bare aiohttp pass-through, as a good engineer writes it in forty lines. It streams both ways and adds the credential.

It knows no callers, mappings, limits, cache, metrics, log or masking: what it costs is what forwarding costs at least on aiohttp.
``BENCH_ORIGIN`` is where to, ``BENCH_AUTHORIZATION`` the three-part header to send. Prints one line with its address once it listens.
"""

from __future__ import annotations

import asyncio
import os
import sys

import uvloop
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"})
_NOT_UP = _HOP_BY_HOP | {"host", "authorization", "gateway-customer", "gateway-element"}
_INVENTED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
_SESSION = web.AppKey("session", ClientSession)


async def _forward(request: web.Request) -> web.StreamResponse:
    up = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in _NOT_UP)
    up["Authorization"] = os.environ["BENCH_AUTHORIZATION"]
    url = URL(os.environ["BENCH_ORIGIN"] + request.raw_path, encoded=True)
    body = request.content if request.can_read_body else None
    async with request.app[_SESSION].request(request.method, url, headers=up, data=body, allow_redirects=False) as answer:
        down = CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP)
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=down)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def _serve() -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _forward)
    async with ClientSession(
        connector=TCPConnector(limit=0),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_INVENTED,
        timeout=ClientTimeout(total=None, sock_connect=5, sock_read=120),
    ) as session:
        app[_SESSION] = session
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        sys.stdout.write(f"data listener on http://{host}:{port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
