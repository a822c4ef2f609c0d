"""The admin listener: metrics, health and ``/admin/v1`` (contract 1 and 4).

Every route under ``/admin/v1`` asks for a key with the scope ``admin``; a verb does the same as the command of that name, since both
call ``operations``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import BaseModel, ConfigDict, Field

from gateway.cache import Cache
from gateway.callers import Callers
from gateway.callers.permissions import require_scope
from gateway.errors import BadRequest, BodyTooLarge, GatewayError, Internal, MethodNotAllowed, NotFound
from gateway.exchange import Headers
from gateway.limits import Limits
from gateway.models import InstancePatch, InstanceQuery, KeyRotation, NewInstance, NewKey, parse
from gateway.operations import Format, Operations
from gateway.server import intake
from gateway.server.health import Health
from gateway.server.problems import problem
from gateway.telemetry import Telemetry

log = structlog.get_logger("gateway.admin")

PREFIX = "/admin/v1"
_MAX_BODY = 64 * 1024 * 1024
_MEDIA: dict[str, Format] = {
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ACTOR = web.RequestKey("actor", str)
_REQUEST_ID = web.RequestKey("request_id", str)


class Purge(BaseModel):
    """Which entries of the cache to drop; what is absent means all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    environment: str | None = None
    customer: str | None = None
    element: str | None = None
    path: str | None = Field(default=None, pattern=r"^/", description="This path without `/hubs/{hub}`, and everything below")


class ExchangeQuery(BaseModel):
    """How many calls to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=100, ge=1, le=1000)


@dataclass(frozen=True, slots=True)
class AdminParts:
    """What the admin listener shows and steers."""

    operations: Operations
    callers: Callers
    cache: Cache
    limits: Limits
    telemetry: Telemetry
    health: Health


def make_app(parts: AdminParts) -> web.Application:
    """The admin application."""
    app = web.Application(middlewares=[_problems, _authentication(parts.callers)], client_max_size=_MAX_BODY)
    routes = _Routes(parts)
    app.router.add_get("/healthz", routes.healthz)
    app.router.add_get("/readyz", routes.readyz)
    app.router.add_get("/metrics", routes.metrics)
    for method, path, handler in (
        ("POST", "/instances", routes.add_instance),
        ("GET", "/instances", routes.list_instances),
        ("GET", "/instances/{handle}", routes.get_instance),
        ("PATCH", "/instances/{handle}", routes.patch_instance),
        ("DELETE", "/instances/{handle}", routes.delete_instance),
        ("POST", "/instances:import", routes.import_instances),
        ("GET", "/instances:export", routes.export_instances),
        ("POST", "/keys", routes.create_key),
        ("GET", "/keys", routes.list_keys),
        ("POST", "/keys/{id}:rotate", routes.rotate_key),
        ("DELETE", "/keys/{id}", routes.revoke_key),
        ("POST", "/cache:purge", routes.purge),
        ("GET", "/limits", routes.limits),
        ("GET", "/exchanges", routes.exchanges),
    ):
        app.router.add_route(method, PREFIX + path, handler)
    return app


class _Routes:
    """One method a route: read, call the verb, show."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts
        self._operations = parts.operations

    async def healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        status, document = self._parts.health.readiness()
        return web.json_response(document, status=status)

    async def metrics(self, request: web.Request) -> web.Response:
        self._parts.telemetry.metrics.settle()
        # In a thread: a scrape of thousands of series takes milliseconds that calls would wait (faults 58).
        body, content_type = await asyncio.to_thread(self._parts.telemetry.metrics.encode, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def add_instance(self, request: web.Request) -> web.Response:
        return _shown(await self._operations.add_instance(parse(NewInstance, await request.read()), actor=request[_ACTOR]), 201)

    async def list_instances(self, request: web.Request) -> web.Response:
        return _shown(await self._operations.list_instances(parse(InstanceQuery, _query(request))))

    async def get_instance(self, request: web.Request) -> web.Response:
        return _shown(await self._operations.get_instance(request.match_info["handle"]))

    async def patch_instance(self, request: web.Request) -> web.Response:
        patch = parse(InstancePatch, await request.read())
        return _shown(await self._operations.patch_instance(request.match_info["handle"], patch, actor=request[_ACTOR]))

    async def delete_instance(self, request: web.Request) -> web.Response:
        await self._operations.delete_instance(request.match_info["handle"], actor=request[_ACTOR])
        return web.Response(status=204)

    async def import_instances(self, request: web.Request) -> web.Response:
        form = _MEDIA.get(request.content_type)
        if form is None:
            raise BadRequest("the Content-Type is neither application/x-ndjson nor text/csv")
        try:
            text = (await request.read()).decode("utf-8")
        except UnicodeDecodeError:
            raise BadRequest("the body is not UTF-8") from None
        return _shown(await self._operations.import_instances(text, form, actor=request[_ACTOR]))

    async def export_instances(self, request: web.Request) -> web.StreamResponse:
        form: Format = "csv" if "text/csv" in request.headers.get("Accept", "") else "ndjson"
        media = "text/csv" if form == "csv" else "application/x-ndjson"
        response = web.StreamResponse(headers={"Content-Type": media, "Cache-Control": "no-store"})
        lines: AsyncIterator[str] = self._operations.export_instances(form)
        await response.prepare(request)
        async for line in lines:
            await response.write(line.encode())
        await response.write_eof()
        return response

    async def create_key(self, request: web.Request) -> web.Response:
        return _shown(await self._operations.create_key(parse(NewKey, await request.read()), actor=request[_ACTOR]), 201)

    async def list_keys(self, _: web.Request) -> web.Response:
        return _shown(await self._operations.list_keys())

    async def rotate_key(self, request: web.Request) -> web.Response:
        rotation = parse(KeyRotation, await request.read() or b"{}")
        return _shown(await self._operations.rotate_key(request.match_info["id"], rotation, actor=request[_ACTOR]))

    async def revoke_key(self, request: web.Request) -> web.Response:
        await self._operations.revoke_key(request.match_info["id"], actor=request[_ACTOR])
        return web.Response(status=204)

    async def purge(self, request: web.Request) -> web.Response:
        purge = parse(Purge, await request.read() or b"{}")
        purged = await self._parts.cache.purge(purge.environment, purge.customer, purge.element, purge.path)
        log.info("cache purged", actor=request[_ACTOR], purged=purged)
        return web.json_response({"purged": purged})

    async def limits(self, _: web.Request) -> web.Response:
        return web.json_response({"items": self._parts.limits.report()})

    async def exchanges(self, request: web.Request) -> web.Response:
        limit = parse(ExchangeQuery, _query(request)).limit
        return web.json_response({"items": self._parts.telemetry.recent.last(limit)})


def _query(request: web.Request) -> dict[str, str]:
    return dict(request.query)


def _shown(model: BaseModel, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=model.model_dump_json().encode(),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as a problem, none with the text of somebody else's exception."""
    request[_REQUEST_ID] = request_id = intake.new_id()
    try:
        response = await handler(request)
    except GatewayError as error:
        return _spoken(error, request_id)
    except web.HTTPNotFound:
        return _spoken(NotFound("there is no such route"), request_id)
    except web.HTTPMethodNotAllowed as error:
        answer = _spoken(MethodNotAllowed("this route has other methods"), request_id)
        answer.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return answer
    except web.HTTPRequestEntityTooLarge:
        return _spoken(BodyTooLarge(f"at most {_MAX_BODY} octets are taken"), request_id)
    except Exception as error:  # its text may hold what was stored
        log.error("request failed", error=type(error).__name__, request_id=request_id)
        return _spoken(Internal("this is a fault in the gateway; its log has the request id"), request_id)
    if not response.prepared:
        response.headers["X-Request-Id"] = request_id
    return response


def _spoken(error: GatewayError, request_id: str) -> web.Response:
    answer = problem(error, request_id)
    return web.Response(
        status=answer.status, body=cast("bytes", answer.body), headers=[*answer.headers.pairs, ("X-Request-Id", request_id)]
    )


def _authentication(callers: Callers) -> Middleware:
    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Deny by default: everything but health and metrics asks for an admin key, routes that do not exist too."""
        if request.path not in ("/healthz", "/readyz", "/metrics"):
            caller = await callers.identify(Headers(request.headers.items()))
            require_scope(caller.key, "admin")
            request[_ACTOR] = caller.key.id
        return await handler(request)

    return authenticate
