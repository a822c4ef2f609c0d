"""The other HTTP client: ``aiohttp.ClientSession``, with everything that it does behind one's back switched off.

From aiohttp come the pool, name look-up, happy eyeballs, TLS, the parser, and the stream of a body. Redirects, cookies, decompression,
proxies of the environment, fields of its own, the second attempt, its cache of names and its line of those who wait are off; what is
written is what was given, octet by octet (``session_call.py``). Where it can not be made to do what ``client.py`` does:

- ``fresh`` calls have a session of their own, which keeps nothing. As many connections as may be in use may be kept beside them.
- Octets behind a complete answer, in the same segment and not a head themselves, take the answer down with them; an empty line there
  passes. Half a head that comes on a kept connection unasked is forgotten, and the connection used again.
- An interim answer that announces the end of its connection takes the final one down with it.
- A reset inside the head of an answer on a kept connection looks as one before it: as a stale connection.
- A kept connection is closed between one and two times ``keep_alive`` after its last use, though not used after the first.
- Closing the client ends what is still under way.
- An address as ``127.1`` or ``2130706433`` is refused.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from types import SimpleNamespace
from typing import Self
from weakref import WeakSet

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    ThreadedResolver,
    TraceConfig,
)
from yarl import URL

from gateway.errors import Overloaded, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Body, Headers, Interim, Response
from gateway.upstream.answer_heads import MAX_FIELDS, MAX_LINE, READ_BUFFER
from gateway.upstream.protocol import ClientSettings, Origin, Timeouts
from gateway.upstream.session_body import Download
from gateway.upstream.session_call import Call, Request, UnusableError

_FAMILY_HEAD_START_S = 0.25  # RFC 8305 §8, faults 59


@dataclass(frozen=True, slots=True)
class _Upstream:
    """Where it is, how many connections may be in use, and the sessions of its calls: the one keeps connections, the other does not."""

    url: URL
    places: asyncio.Semaphore
    kept: ClientSession
    fresh: ClientSession


class SessionClient:
    """An ``UpstreamClient`` with two sessions for each upstream: one keeps connections."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._upstreams: dict[Origin, _Upstream] = {}
        self._calls: WeakSet[Call] = WeakSet()
        self._tls: ssl.SSLContext | bool = True

    async def __aenter__(self) -> Self:
        # Read before the first call: loading the authorities takes milliseconds.
        self._tls = await asyncio.to_thread(ssl.create_default_context, cafile=self._settings.ca_file)
        return self

    async def __aexit__(self, *_: object) -> None:
        for call in self._calls:
            call.abort()  # closing alone would wait for an upstream that does not read
        for upstream in self._upstreams.values():
            await upstream.kept.close()
            await upstream.fresh.close()

    async def send(
        self,
        origin: Origin,
        head: bytes,
        body: Body,
        *,
        head_only: bool,
        fresh: bool = False,
        interim: Interim | None = None,
        timeouts: Timeouts | None = None,
        written: Callable[[], None] | None = None,
    ) -> Response:
        """As ``UpstreamClient.send``."""
        timeouts = timeouts or self._settings.timeouts
        call = Call(head, body, interim, timeouts.response, written)
        self._calls.add(call)
        try:
            response = await self._asked(call, origin, "HEAD" if head_only else "GET", timeouts.connect, fresh)
        except BaseException as error:  # also of a caller who leaves
            if not call.left:
                error.never_left = True  # type: ignore[attr-defined]
            raise
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers])
        reason = (response.reason or "").encode("utf-8", "surrogateescape").decode("latin-1")
        down = Download(call, response, headers, empty=head_only or response.status in (204, 304))
        if response.content.is_eof() and response.content.exception() is None:
            whole = response.content.read_nowait(-1)
            down.require_proper_end()
            return Response(response.status, headers, whole, reason)
        call.stream(timeouts.body)
        return Response(response.status, headers, down, reason)

    async def _asked(self, call: Call, origin: Origin, method: str, connect_seconds: float, fresh: bool) -> ClientResponse:
        """The response as aiohttp sees it; ``method`` tells it whether there is a body to read. Raises our errors."""
        upstream = self._upstream(origin)
        limits = ClientTimeout(total=None, connect=connect_seconds, ceil_threshold=inf)
        await _place(upstream.places, connect_seconds)
        call.over = upstream.places.release
        try:
            return await self._answered(call, upstream, method, limits, fresh)
        except TimeoutError:
            raise UpstreamTimeout("no connection came about in time") from None
        except ClientSSLError:
            raise UpstreamUnreachable("no trusted TLS connection came about") from None
        except (ClientError, OSError, UnicodeError) as error:  # UnicodeError: the host cannot be a name
            raise UpstreamUnreachable(f"no connection came about ({type(error).__name__})") from None
        finally:
            if not call.left:
                call.release()

    async def _answered(self, call: Call, upstream: _Upstream, method: str, limits: ClientTimeout, fresh: bool) -> ClientResponse:
        session = upstream.fresh if fresh else upstream.kept
        while True:
            call.reused = False
            try:
                return await session.request(method, upstream.url, data=call, allow_redirects=False, timeout=limits, trace_request_ctx=call)
            except UnusableError:
                continue  # it is out of the pool now

    def _upstream(self, origin: Origin) -> _Upstream:
        found = self._upstreams.get(origin)
        if found is None:
            found = self._upstreams[origin] = _Upstream(
                URL.build(scheme="https" if origin.secure else "http", host=origin.host, port=origin.port),
                asyncio.Semaphore(self._settings.max_connections),
                self._session(self._settings.keep_alive),
                self._session(0.0),
            )
        return found

    def _session(self, keep_alive: float) -> ClientSession:
        connector = TCPConnector(
            limit=0,  # ``_Upstream.places`` is the limit
            force_close=not keep_alive,
            keepalive_timeout=keep_alive or None,
            use_dns_cache=False,
            resolver=ThreadedResolver(),
            ssl=self._tls,
            happy_eyeballs_delay=_FAMILY_HEAD_START_S,
        )
        return ClientSession(
            connector=connector,
            request_class=Request,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            raise_for_status=False,
            trust_env=False,
            trace_configs=[_tracing()],
            read_bufsize=READ_BUFFER,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_FIELDS,
        )


async def _place(places: asyncio.Semaphore, seconds: float) -> None:
    """Wait in line for a connection. aiohttp's own line forgets to call the next where one leaves just when its turn comes."""
    try:
        async with asyncio.timeout(seconds):
            await places.acquire()
    except TimeoutError:
        raise Overloaded("all connections to the upstream are busy", retry_after=1) from None


def _tracing() -> TraceConfig:
    """Tells a ``Call`` that its connection was used before."""

    async def reused(_: ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.reused = True

    config = TraceConfig()
    config.on_connection_reuseconn.append(reused)
    return config
