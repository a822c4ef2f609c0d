"""Everything that the admin listener refuses, it refuses as a problem; and what stands on each of its answers."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.server.admin_routes import ROUTES
from gateway.server.negotiation import preferred
from tests.acceptance.commands import exchange
from tests.admin.conftest import PREFIX, TOKEN, Api, refused
from tests.admin.test_access import IDS
from tests.support.raw import Caller

WITH_JSON = [route for route in ROUTES if route.body and route.body.model]


@pytest.mark.parametrize(
    "media", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "text/csv", "nonsense", "application/jsonx"]
)
@pytest.mark.parametrize("route", WITH_JSON, ids=lambda route: f"{route.method} {route.path}")
def test_a_body_that_says_it_is_something_else_is_refused(api: Api, route: Any, media: str) -> None:
    answer = api.call(route.method, route.path.format_map(IDS), f"Content-Type: {media}", body={})
    refused(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "media", ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json", "application/x-www-form-urlencoded"]
)
def test_json_goes_by_these_names(api: Api, media: str) -> None:
    """The last one is what curl says of whatever is given to it by -d."""
    assert api.call("POST", PREFIX + "/cache:purge", f"Content-Type: {media}", body={}).status == 200


def test_json_may_come_without_a_name(api: Api) -> None:
    assert api.call("POST", PREFIX + "/cache:purge", body={}).status == 200
    assert api.call("POST", PREFIX + "/cache:purge").status == 200


@pytest.mark.parametrize("media", ["", "application/json", "text/plain", "application/octet-stream"])
def test_an_import_is_ndjson_or_csv(api: Api, media: str) -> None:
    fields = (f"Content-Type: {media}",) if media else ()
    assert (
        "text/csv" in refused(api.call("POST", PREFIX + "/instances:import", *fields, body=b"{}"), 415, "unsupported-media-type")["detail"]
    )


@pytest.mark.parametrize(
    "accept", ["application/xml", "text/csv;q=0, application/x-ndjson;q=0", "text/html, image/*", "*/*;q=0", "text/csv;q=2"]
)
def test_an_export_of_another_type_is_refused(api: Api, accept: str) -> None:
    refused(api.call("GET", PREFIX + "/instances:export", f"Accept: {accept}"), 406, "not-acceptable")


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
        ("application/*", "application/x-ndjson"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/*", "text/csv"),
        ("text/html, text/csv;q=0.9, */*;q=0.8", "text/csv"),
        ("text/csv, */*", "text/csv"),
        ("text/csv;q=0.1, application/x-ndjson;q=0.2", "application/x-ndjson"),
        ("text/csv;header=present;q=1", "text/csv"),
        ("*/*, application/x-ndjson;q=0", "text/csv"),
        (",", None),
        ("text/csv;q=x", None),
    ],
)
def test_what_a_caller_would_rather_have(accept: str, media: str | None) -> None:
    assert preferred(accept, ("application/x-ndjson", "text/csv")) == media


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"a":' * 2000, b'{"name": "x",}', b'{"name": NaN}'],
    ids=lambda body: repr(body[:12]),
)
@pytest.mark.parametrize("path", ["/keys", "/instances"])
def test_what_is_no_json_object_is_refused(api: Api, path: str, body: bytes) -> None:
    assert refused(api.call("POST", PREFIX + path, body=body), 400, "bad-request")["errors"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/instances", {"instance_id": "7"}),
        ("/instances", {"instance_id": True}),
        ("/instances", {"instance_id": 7.5}),
        ("/instances", {"customer": 7}),
        ("/instances", {"tags": {"a": 1}}),
        ("/keys", {"name": 1}),
        ("/keys", {"expires": True}),
        ("/keys", {"scopes": "hub"}),
        ("/cache:purge", {"path": "contacts"}),
        ("/cache:purge", {"customer": 1}),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_of_another_type_is_not_converted(api: Api, path: str, field: dict[str, Any]) -> None:
    whole = {"/instances": {"environment": "dev", "customer": "c", "element": "e", "token": TOKEN}, "/keys": {"name": "k"}}
    problem = refused(api.call("POST", PREFIX + path, body=whole.get(path, {}) | field), 400, "bad-request")
    assert {error["path"].partition(".")[0] for error in problem["errors"]} == field.keys()


def test_a_line_of_an_import_is_not_converted_either(api: Api) -> None:
    line = b'{"environment": "dev", "customer": "c", "element": "e", "token": "t", "instance_id": "7"}'
    problem = refused(api.call("POST", PREFIX + "/instances:import", "Content-Type: application/x-ndjson", body=line), 400, "bad-request")
    assert [error["line"] for error in problem["errors"]] == [1]


@pytest.mark.parametrize(("path", "most"), [("/keys", 4 * 2**20), ("/instances:import", 64 * 2**20)])
def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(api: Api, path: str, most: int) -> None:
    head = f"POST {PREFIX}{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.keys['admin']}\r\nContent-Type: text/csv\r\n"
    with Caller(api.gateway.admin) as caller:
        caller.send(f"{head}Content-Length: {most + 1}\r\n\r\n".encode())
        answer = caller.answer("POST")
    assert answer is not None
    refused(answer, 413, "body-too-large")


def test_a_body_that_grows_too_large_is_refused(api: Api) -> None:
    head = f"POST {PREFIX}/keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.keys['admin']}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Caller(api.gateway.admin) as caller:
        caller.send(head.encode() + (b"100000\r\n" + b" " * 2**20 + b"\r\n") * 5)
        answer = caller.answer("POST")
    assert answer is not None
    refused(answer, 413, "body-too-large")


def test_an_expectation_that_nobody_can_meet(api: Api) -> None:
    refused(api.call("POST", PREFIX + "/keys", "Expect: a-miracle", body={}), 400, "bad-request")
    answer = api.call("POST", PREFIX + "/cache:purge", "Expect: 100-continue", body={})
    assert (answer.status, answer.interim) == (200, (100,))


@pytest.mark.parametrize(
    "octets",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n",
        b"\x16\x03\x01 hello\r\n\r\n",
        b"GET /admin/v1/keys/\xed\xb2\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_problem_too(api: Api, octets: bytes) -> None:
    with Caller(api.gateway.admin) as caller:
        caller.send(octets)
        answer = caller.answer("GET")
    assert answer is not None
    assert answer.status in (400, 401)
    assert answer.value("content-type") == "application/problem+json"
    items = api.call("GET", PREFIX + "/exchanges?limit=1000")
    assert items.status == 200, "it is among the last calls, and these can still be shown"


@pytest.mark.parametrize(
    "handle", ["%00", "%ED%B2%80", "%FF", "a%2Fb", "..", "%2e%2e", "%", "%zz", "x" * 4000, "gwi_é".encode().decode("latin-1")]
)
def test_odd_names_in_a_path_are_nobodys(api: Api, handle: str) -> None:
    answer = api.call("GET", f"{PREFIX}/instances/{handle}")
    assert answer.status in (400, 404), answer.body
    assert answer.value("content-type") == "application/problem+json"


@pytest.mark.parametrize("key", ["admin", ""], ids=["let in", "refused"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_what_stands_on_every_answer(api: Api, route: Any, key: str) -> None:
    answer = api.call(route.method, route.path.format_map(IDS), body={} if route.body else None, key=key)

    assert answer.value("x-content-type-options") == "nosniff"
    assert answer.value("referrer-policy") == "no-referrer"
    assert "default-src 'none'" in answer.value("content-security-policy")
    assert "frame-ancestors 'none'" in answer.value("content-security-policy")
    assert answer.value("cache-control") == ("private, max-age=3600" if route.verb == "docs_file" else "no-store")
    assert len(answer.value("x-request-id")) == 32


def test_head_is_answered_where_nobody_is_asked_for_a_key(api: Api) -> None:
    for route in ROUTES:
        if route.scope == "public":
            answer = exchange(api.gateway.admin, "HEAD", route.path.format_map(IDS))
            assert (answer.status, answer.body) == (200, b"")
