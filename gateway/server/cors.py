"""Pages of other origins (CORS): who may call, with what, and what they may read of the answer (Fetch §3.2, threats 29).

The rules are aiohttp-cors'. Its own router adapter asks a ``web.Application``'s routes, which the data listener does not have and which
leave out what no route answers (401, 404, 405); ours says that every path is alike, and so both listeners share one set of rules.
``Access-Control-Allow-Origin`` names the page's own origin; ``Access-Control-Allow-Credentials`` is never given, since a caller's
credential here is a key in a header, never a cookie.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import hdrs, web
from aiohttp_cors import CorsConfig, ResourceOptions
from aiohttp_cors.abc import AbstractRouterAdapter

from gateway.errors import Forbidden
from gateway.exchange import Exchange, Headers, Pair, Response
from gateway.server.problems import problem
from gateway.telemetry.ids import new_id

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MAX_AGE_S = 600
# Contract 2.1 to 2.3, what HTTP itself gives meaning to, and the fields of Cloud Elements (API page 2.5). Fetch knows no prefixes.
ALLOWED = tuple(
    """Authorization X-Api-Key Content-Type Accept Prefer Idempotency-Key Cache-Control If-None-Match If-Match Range X-Request-Id
    traceparent tracestate Gateway-Environment Gateway-Customer Gateway-Element Gateway-Instance Gateway-Explain Gateway-Timeout
    Elements-Async-Request Elements-Async-Callback-Url Elements-Schedule-Request Elements-Version Elements-Formula-Instance-Id
    Elements-Formula-Step Elements-As-Team-Member Elements-Session""".split()
)
# Cloud Elements' own list first, as it stands there (API page 2.4).
EXPOSED = tuple(
    """Elements-Returned-Count Elements-Total-Count Elements-Request-Id Elements-Next-Page-Token Elements-Trace-Id Elements-Error
    Content-Disposition Elements-Element-Instance-Id Age Cache-Status RateLimit RateLimit-Policy Retry-After Via X-Request-Id
    Server-Timing ETag Link Preference-Applied Idempotency-Replayed""".split()
)
VARY: Pair = ("Vary", "Origin")
_REFUSED: tuple[Pair, ...] = (VARY,)
_ASKED = (hdrs.ORIGIN, hdrs.ACCESS_CONTROL_REQUEST_METHOD, hdrs.ACCESS_CONTROL_REQUEST_HEADERS)
_OURS = "access-control-"
_NAME = re.compile(r"[A-Za-z0-9-]{1,40}")
_Options = Mapping[str, ResourceOptions]
_Preflight = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class _Question:
    """All that aiohttp-cors reads of a request: these fields, by aiohttp's own names for them."""

    headers: Mapping[str, str]
    method: str


class _Everywhere(AbstractRouterAdapter):
    """Tells aiohttp-cors that every path takes the same methods from the same origins."""

    preflight: _Preflight

    def __init__(self, options: _Options) -> None:
        self._options = options

    def add_preflight_handler(self, routing_entity: object, handler: _Preflight, webview: bool = False) -> None:
        self.preflight = handler

    def set_config_for_routing_entity(self, routing_entity: object, config: object) -> None:
        """There is nothing that could differ."""

    def is_preflight_request(self, request: web.Request) -> bool:
        return is_preflight(request.method, request.headers)

    def is_cors_enabled_on_request(self, request: web.Request) -> bool:
        return True

    async def get_preflight_request_config(self, preflight_request: web.Request, origin: str, requested_method: str) -> _Options:
        if requested_method not in METHODS:
            raise KeyError(requested_method)
        return self._options

    def get_non_preflight_request_config(self, request: web.Request) -> _Options:
        return self._options


def is_preflight(method: str, headers: Any) -> bool:
    """Whether a browser asks what it may send (Fetch "CORS-preflight request"). ``headers`` are looked up in lower case."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


class NotForPages(Forbidden):
    """A page of another origin may not do this"""


class Cors:
    """The rules for ``origins`` (``scheme://host[:port]`` each, at least one), for both listeners. Made by ``Cors.of``."""

    def __init__(self, origins: Sequence[str]) -> None:
        options = ResourceOptions(  # type: ignore[no-untyped-call]
            allow_headers=ALLOWED, expose_headers=EXPOSED, allow_methods=METHODS, max_age=MAX_AGE_S
        )._replace(expose_headers=EXPOSED)  # in our order: it keeps a set
        self._options: _Options = dict.fromkeys(origins, options)
        self._rules = web.Application()
        self._everywhere = self._on(self._rules)
        self._granted: dict[str, tuple[Pair, ...]] = {}

    @classmethod
    async def of(cls, origins: Sequence[str]) -> Cors:
        """The rules, with what each origin may read worked out: it never changes, and a call should not wait for it."""
        self = cls(origins)
        self._rules.on_response_prepare.freeze()
        for origin in self._options:
            answer = web.StreamResponse()
            question = _Question({hdrs.ORIGIN: origin}, "GET")
            await self._rules.on_response_prepare.send(cast("web.Request", question), answer)
            self._granted[origin] = (VARY, *answer.headers.items())
        return self

    def _on(self, app: web.Application) -> _Everywhere:
        """Have aiohttp-cors look at every answer of ``app``."""
        everywhere = _Everywhere(self._options)
        CorsConfig(app, defaults=self._options, router_adapter=everywhere).add(None)
        return everywhere

    async def preflight(self, headers: Headers) -> Response:
        """The answer to a preflight; ``NotForPages`` where it asks for what is not allowed. Lists all that is, as browsers remember it."""
        asked: dict[str, str] = {name: value for name in _ASKED if (value := headers.get(name.lower())) is not None}
        try:
            answer = await self._everywhere.preflight(cast("web.Request", _Question(asked, "OPTIONS")))
        except web.HTTPForbidden:
            raise NotForPages(self._why(headers)) from None
        answer.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = ", ".join(METHODS)
        answer.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = ", ".join(ALLOWED)
        pairs = [(name, value) for name, value in answer.headers.items() if name.lower().startswith(_OURS)]
        return Response(answer.status, Headers(pairs))

    def _why(self, headers: Headers) -> str:
        if headers.get("origin") not in self._options:
            return "pages of this origin are not let in: cors.allowed_origins does not name it"
        if headers.get("access-control-request-method") not in METHODS:
            return f"a page may use the methods {', '.join(METHODS)}"
        allowed = {name.lower() for name in ALLOWED}
        asked = (name.strip() for name in (headers.get("access-control-request-headers") or "").split(","))
        found = next((name for name in asked if name and name.lower() not in allowed), "")
        shown = found.lower() if _NAME.fullmatch(found) else "of another name"
        return f"a page asks to send the field {shown}; it may send {', '.join(ALLOWED)}"

    def without_origin(self, headers: Headers) -> Headers:
        """A call's fields as they go on: whom the page belongs to is answered here, and no upstream's answer may hang on it."""
        return headers.without(("origin",)) if "origin" in headers else headers

    def stamped(self, method: str, headers: Headers, response: Response, exchange: Exchange) -> Response:
        """``response`` to a request with ``headers``, readable for the page that asked if its origin is allowed, else for none.

        ``Vary: Origin`` stands on each, since a page's own cache must not hand one origin's answer to another (Fetch §3.2.5).
        """
        if is_preflight(method, headers):
            return Response(response.status, response.headers.plus(VARY), response.body, response.reason)
        origin = headers.get("origin")
        granted = _REFUSED
        if origin is not None:
            granted = self._granted.get(origin, _REFUSED)
            exchange.note("cors", "refused" if granted is _REFUSED else "allowed", "cors.allowed_origins")
        fields = response.headers
        names = fields.names
        if _OURS in " ".join(names):
            fields = Headers([pair for name, pair in zip(names, fields.pairs, strict=True) if not name.startswith(_OURS)])
        if "vary" in names and "origin" in (fields.get("vary") or "").lower():
            granted = granted[1:]
        return Response(response.status, Headers(fields.pairs + granted), response.body, response.reason)

    def guard(self, app: web.Application) -> None:
        """The same for a ``web.Application``; to be called before it starts. Preflights are answered before anything asks for a key."""
        everywhere = self._on(app)

        @web.middleware
        async def preflights(request: web.Request, handler: Any) -> web.StreamResponse:
            if not everywhere.is_preflight_request(request):
                return cast("web.StreamResponse", await handler(request))
            request_id = new_id()
            try:
                answer = await self.preflight(Headers(request.headers.items()))
            except NotForPages as error:
                answer = problem(error, request_id)
            fields = [*answer.headers.pairs, ("X-Request-Id", request_id)]
            return web.Response(status=answer.status, body=cast("bytes", answer.body), headers=fields)

        async def vary(request: web.Request, response: web.StreamResponse) -> None:
            response.headers.add(*VARY)

        app.middlewares.insert(0, preflights)
        app.on_response_prepare.append(vary)
