"""Who is let in: every route by every kind of key, generated from the table that the gateway serves."""

from __future__ import annotations

import pytest
from aiohttp import web

from gateway.errors import Forbidden
from gateway.server.admin import refuse_other_sites, register, require_declared
from gateway.server.admin_routes import ROUTES
from gateway.server.routing import Answer, Route
from tests.admin.conftest import PREFIX, SCOPES, Api, refused

KINDS = ("", "no key at all", "wrong", "expired", "revoked", "all but admin", *SCOPES)
KNOWN = {"", "no key at all", "wrong", "expired", "revoked"}
IDS = {"handle": "gwi_000000000000000000000000", "id": "000000000000", "file": "page.js", "request_id": "nobody's"}


def expected(route: Route, kind: str) -> int:
    """401, 403, or 0 for being let in."""
    if route.scope == "public":
        return 0
    if kind in KNOWN:
        return 401
    return 0 if kind == route.scope else 403


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind or "none")
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_each_route_lets_in_whom_the_table_names_and_nobody_else(api: Api, route: Route, kind: str) -> None:
    answer = api.call(route.method, route.path.format_map(IDS), body={} if route.body else None, key=kind)

    found = answer.status if answer.status in (401, 403) else 0
    assert found == expected(route, kind), answer.body
    if found:
        refused(answer, found, {401: "unauthenticated", 403: "forbidden"}[found])
    if found == 401:
        assert answer.value("www-authenticate")


def test_nothing_under_the_prefix_is_public() -> None:
    guards = {(route.path.startswith(PREFIX), route.scope) for route in ROUTES}
    assert guards == {(True, "admin"), (False, "public")}


@pytest.mark.parametrize("path", ["/admin/v1/nothing", "/nothing", "/", "/docs/", "/healthz/", "/metrics/x", "//healthz", "/admin/v1"])
def test_a_path_that_does_not_exist_asks_for_a_key_too(api: Api, path: str) -> None:
    refused(api.call("GET", path, key=""), 401, "unauthenticated")
    refused(api.call("GET", path, key="hub"), 403, "forbidden")
    refused(api.call("GET", path), 404, "not-found")


@pytest.mark.parametrize("method", ["PUT", "TRACE", "OPTIONS", "PROPFIND"])
def test_a_method_that_a_route_does_not_have_asks_for_a_key_too(api: Api, method: str) -> None:
    assert api.call(method, PREFIX + "/keys", key="").status == 401
    answer = api.call(method, PREFIX + "/keys")
    refused(answer, 405, "method-not-allowed")
    assert answer.value("allow") == "GET, POST"


def test_a_route_without_a_scope_cannot_be_written_down() -> None:
    with pytest.raises(TypeError, match="scope"):
        Route("GET", "/x", "x", "X", answer=Answer())  # type: ignore[call-arg]
    for scope in ("", None, "everybody"):
        with pytest.raises(ValueError, match="GET /x: expected a scope"):
            Route("GET", "/x", "x", "X", scope=scope, answer=Answer())  # type: ignore[arg-type]


class Verbs:
    """Handlers of a table of one route."""

    async def x(self, _: object) -> None: ...


async def test_a_route_beside_the_table_keeps_the_listener_from_starting() -> None:
    app = web.Application()
    register(app, [Route("GET", "/x", "x", "X", scope="hub", answer=Answer(status=204))], Verbs())
    await require_declared(app)

    async def sneaked_in(_: web.Request) -> web.Response:
        return web.Response()

    app.router.add_get("/sneaked-in", sneaked_in)
    with pytest.raises(ValueError, match="sneaked-in"):
        await require_declared(app)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "whatever"])
def test_a_page_of_another_site_cannot_use_what_a_browser_shows_by_itself(api: Api, site: str) -> None:
    """A certificate, that is. A key is never shown by itself: with one, it does not matter which page the browser speaks of."""
    with pytest.raises(Forbidden):
        refuse_other_sites({"Sec-Fetch-Site": site})
    assert api.call("GET", PREFIX + "/keys", f"Sec-Fetch-Site: {site}").status == 200


def test_own_pages_and_programs_may_use_a_certificate() -> None:
    for headers in ({}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}):
        refuse_other_sites(headers)
