"""The admin application: metrics, health, ``/admin/v1`` and its description (contract 1 and 4).

What it serves is the table in ``admin_routes.py`` and nothing else. A verb does the same as the command of that name, since both call
``operations``. Whoever is not let in by the table is not let in: also a path that does not exist asks for a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.callers import Callers
from gateway.callers.permissions import require_scope
from gateway.errors import BadRequest, BodyTooLarge, Forbidden, GatewayError, Internal, MethodNotAllowed, NotFound
from gateway.exchange import Headers
from gateway.reports import Purge
from gateway.server.admin_calls import ACTOR, served
from gateway.server.admin_handlers import AdminParts, Handlers
from gateway.server.admin_routes import ROUTES
from gateway.server.connection import CallerConnection
from gateway.server.problems import problem
from gateway.server.routing import BULK_OCTETS, Guard, Route
from gateway.telemetry.ids import new_id

__all__ = ["AdminParts", "Purge", "make_app", "refuse_other_sites", "register", "require_declared"]

log = structlog.get_logger("gateway.admin")

_REQUEST_ID = web.RequestKey("request_id", str)
_TABLE: web.AppKey[dict[object, Route]] = web.AppKey("table", dict)
_SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_app(parts: AdminParts) -> web.Application:
    """The admin application."""
    app = web.Application(middlewares=[_problems, _authentication(parts.callers)], client_max_size=BULK_OCTETS)
    app.on_startup.append(require_declared)
    app.on_response_prepare.append(_secured)
    register(app, ROUTES, Handlers(parts))
    return app


def register(app: web.Application, routes: Iterable[Route], handlers: object) -> None:
    """Serve ``routes`` by the methods of ``handlers`` that their verbs name."""
    table = app.setdefault(_TABLE, {})
    for route in routes:
        handler = served(route, getattr(handlers, route.verb))
        table[handler] = route
        # An id holds no colon: what stands behind one is a verb. Callers make up request ids: of whatever is visible.
        path = route.path.replace("{id}", "{id:[^{}/:]+}").replace("{request_id}", "{request_id:.+}")
        app.router.add_route(route.method, path, handler, expect_handler=_expected)
        if route.scope == "public":
            app.router.add_route("HEAD", path, handler)


async def require_declared(app: web.Application) -> None:
    """Refuse to start with a route that the table does not know: nobody would have said whom it lets in."""
    for route in app.router.routes():
        if route.handler not in app[_TABLE] and route.method != "OPTIONS":
            raise ValueError(f"{route.method} {route.resource}: expected a line in the table of routes")


async def _secured(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _SECURITY.items():
        response.headers.setdefault(name, value)
    request_id = request.get(_REQUEST_ID)
    if request_id is not None:
        response.headers["X-Request-Id"] = request_id


async def _expected(request: web.Request) -> web.StreamResponse | None:
    """Meet the one expectation that there is (RFC 9110 §10.1.1)."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        return _spoken(BadRequest("the only expectation that can be met is 100-continue"), new_id())
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0
    return None


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as a problem, none with the text of somebody else's exception."""
    request[_REQUEST_ID] = request_id = new_id()
    try:
        return await handler(request)
    except GatewayError as error:
        return _spoken(error, request_id)
    except web.HTTPNotFound:
        return _spoken(NotFound("there is no such route"), request_id)
    except web.HTTPMethodNotAllowed as error:
        answer = _spoken(MethodNotAllowed("this route has other methods"), request_id)
        answer.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return answer
    except web.HTTPRequestEntityTooLarge:
        return _spoken(BodyTooLarge(f"at most {BULK_OCTETS} octets are taken"), request_id)
    except Exception as error:  # its text may hold what was stored
        log.error("request failed", error=type(error).__name__, request_id=request_id)
        return _spoken(Internal("this is a fault in the gateway; its log has the request id"), request_id)


def _spoken(error: GatewayError, request_id: str) -> web.Response:
    answer = problem(error, request_id)
    return web.Response(
        status=answer.status, body=cast("bytes", answer.body), headers=[*answer.headers.pairs, ("X-Request-Id", request_id)]
    )


def _authentication(callers: Callers) -> Middleware:
    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Deny by default: what the table does not call public asks for a key with the scope that it names."""
        scope = _guard(request)
        if scope != "public":
            certificate = cast("CallerConnection", request.protocol).certificate
            caller = await callers.identify(Headers(request.headers.items()), certificate)
            refuse_other_sites(request.headers)
            require_scope(caller.key, scope)
            request[ACTOR] = caller.key.id
        return await handler(request)

    return authenticate


def refuse_other_sites(headers: Mapping[str, str]) -> None:
    """A browser shows a client certificate for whichever page makes it call; a key is shown by those alone who know it.

    ``Forbidden`` for a request without a key that a page of another site made (Fetch Metadata, ``Sec-Fetch-Site``).
    """
    shows_key = "Authorization" in headers or "X-Api-Key" in headers
    if not shows_key and headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Forbidden("a page of another site may not use this browser's certificate")


def _guard(request: web.Request) -> Guard:
    """Whom the table lets in here; for what it does not know, paths that do not exist too, only who may do everything."""
    route = request.app[_TABLE].get(request.match_info.handler)
    return "admin" if route is None else route.scope
