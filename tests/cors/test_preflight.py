"""What a browser asks before a page's call is answered by the gateway itself, on both listeners (Fetch §3.2.2, threats 29)."""

from __future__ import annotations

import json

import pytest

from gateway.server.cors import ALLOWED, METHODS
from tests.cors.conftest import APP
from tests.support.answers import Answer
from tests.support.cases import BASE, ask
from tests.support.lane import Lane, check_answer, check_problem
from tests.support.raw import Address, Caller

ASKED = (f"Origin: {APP}", "Access-Control-Request-Method: GET")
PLACES = [("data", f"{BASE}/hubs/crm/contacts"), ("data", "/c/acme/hubspot/elements/api-v2/x"), ("data", "/healthz"), ("data", "/no/such")]
PLACES += [("admin", "/admin/v1/keys"), ("admin", "/metrics"), ("admin", "/no/such")]


def address(lane: Lane, listener: str) -> Address:
    return lane.gateway.listeners[listener]


def preflight(lane: Lane, place: tuple[str, str], *fields: str) -> Answer:
    """The answer to an OPTIONS request with no key."""
    with Caller(address(lane, place[0])) as caller:
        caller.send(ask(f"OPTIONS {place[1]}", *fields, who=False))
        answer = caller.answer("OPTIONS")
    assert answer is not None
    if place[0] == "data":
        check_answer(answer)
    return answer


def granted(answer: Answer) -> list[tuple[str, str]]:
    """The CORS fields of an answer."""
    return [(name, value) for name, value in answer.fields if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("place", PLACES)
def test_an_allowed_origin_is_told_all_it_may_do(lane: Lane, place: tuple[str, str]) -> None:
    answer = preflight(lane, place, *ASKED, "Access-Control-Request-Headers: authorization,gateway-customer")

    assert (answer.status, answer.body, answer.closing) == (200, b"", False)
    assert dict(granted(answer)) == {
        "Access-Control-Allow-Origin": APP,
        "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "Access-Control-Allow-Headers": ", ".join(ALLOWED),
        "Access-Control-Max-Age": "600",
    }
    assert answer.value("vary") == "Origin"
    assert lane.origin.requests == []


@pytest.mark.parametrize("listener", ["data", "admin"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_and_field_of_a_call_may_be_asked_for(lane: Lane, listener: str, method: str) -> None:
    named = ",".join(sorted(name.lower() for name in ALLOWED))
    fields = (f"Origin: {APP}", f"Access-Control-Request-Method: {method}", f"Access-Control-Request-Headers: {named}")

    assert preflight(lane, (listener, "/any"), *fields).status == 200


@pytest.mark.parametrize(
    "name",
    """authorization x-api-key content-type accept prefer idempotency-key cache-control if-none-match if-match range x-request-id
    traceparent tracestate gateway-environment gateway-customer gateway-element gateway-instance gateway-explain elements-version
    elements-async-request elements-as-team-member""".split(),
)
def test_what_the_contract_lets_a_caller_say_a_page_may_say(name: str) -> None:
    assert name in [allowed.lower() for allowed in ALLOWED]


@pytest.mark.parametrize("listener", ["data", "admin"])
@pytest.mark.parametrize(
    "origin",
    [
        "null", "*", "https://evil.example", f"{APP}.evil.example", f"{APP}:443", f"{APP}/", APP.upper(), APP.replace("https", "http"),
        "https://example.com", "https://notapp.example.com", f"{APP}, {APP}", f"{APP} https://evil.example", "",
    ],
)  # fmt: skip
def test_no_other_origin_is_let_in(lane: Lane, listener: str, origin: str) -> None:
    answer = preflight(lane, (listener, f"{BASE}/x"), f"Origin: {origin}", "Access-Control-Request-Method: GET")

    check_problem(answer, "forbidden")
    assert "cors.allowed_origins does not name it" in answer.json()["detail"]
    assert granted(answer) == []
    assert answer.value("vary") == "Origin"
    assert lane.origin.requests == []


@pytest.mark.parametrize("listener", ["data", "admin"])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (("Access-Control-Request-Method: TRACE",), "a page may use the methods GET, HEAD, POST, PUT, PATCH, DELETE"),
        (("Access-Control-Request-Method: OPTIONS",), "a page may use the methods"),
        (("Access-Control-Request-Method: patch",), "a page may use the methods"),
        (("Access-Control-Request-Method: GET", "Access-Control-Request-Headers: accept,x-unheard-of"), "the field x-unheard-of;"),
        (("Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-forwarded-for"), "the field x-forwarded-for;"),
        (("Access-Control-Request-Method: GET", "Access-Control-Request-Headers: <gwk_a>"), "the field of another name;"),
    ],
)
def test_nothing_else_is_allowed_and_the_answer_says_what_is(lane: Lane, listener: str, fields: tuple[str, ...], said: str) -> None:
    answer = preflight(lane, (listener, f"{BASE}/x"), f"Origin: {APP}", *fields)

    check_problem(answer, "forbidden")
    assert said in answer.json()["detail"]
    assert granted(answer) == []
    assert answer.json()["title"] == "A page of another origin may not do this"
    assert b"gwk_" not in answer.body


def test_a_preflight_and_its_call_share_a_connection(lane: Lane) -> None:
    with lane.caller() as caller:
        lane.send(caller, ask("OPTIONS ~/x", *ASKED, who=False), ask("GET ~/x", f"Origin: {APP}"))
        first, second = caller.answer("OPTIONS"), caller.answer()
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == (200, 200)
    assert [request.method for request in lane.origin.requests] == ["GET"]


def test_the_body_of_a_preflight_is_no_request(lane: Lane) -> None:
    inner = ask("GET ~/smuggled")
    with lane.caller() as caller:
        lane.send(caller, ask("OPTIONS ~/x", *ASKED, f"Content-Length: {len(lane.fill(inner))}", who=False, body=inner))
        answer = caller.answer("OPTIONS")
        assert answer is not None
        assert answer.status == 200
        caller.drain(0.3)
    assert lane.origin.requests == []


@pytest.mark.parametrize("fields", [("Content-Length: 3", "Transfer-Encoding: chunked"), ("Gateway_Customer: acme",)])
def test_an_improper_request_is_refused_before_it_is_a_preflight(lane: Lane, fields: tuple[str, ...]) -> None:
    check_problem(lane.ask(ask("OPTIONS ~/x", *ASKED, *fields, who=False)), "bad-request")


@pytest.mark.parametrize("fields", [(), (f"Origin: {APP}",), ("Access-Control-Request-Method: GET",)])
def test_an_options_call_that_is_no_preflight_goes_up(lane: Lane, fields: tuple[str, ...]) -> None:
    assert lane.ask(ask("OPTIONS ~/x", *fields)).status == 200
    assert [request.line for request in lane.origin.requests] == [f"OPTIONS {BASE}/x HTTP/1.1"]


def test_a_get_with_a_request_method_is_no_preflight(lane: Lane) -> None:
    assert lane.ask(ask("GET ~/x", *ASKED)).status == 200
    assert [request.method for request in lane.origin.requests] == ["GET"]


def test_preflights_are_counted_logged_and_explained(lane: Lane, admin_key: str) -> None:
    target = f"{BASE}/told"
    for origin in (APP, "https://evil.example"):
        answer = preflight(lane, ("data", target), f"Origin: {origin}", "Access-Control-Request-Method: POST")
        assert answer.value("x-request-id")
    assert lane.origin.wait(lambda: lane.gateway.text.count(f'"path": "{target}"') == 2)
    lines = [json.loads(line) for line in lane.gateway.text.splitlines() if f'"path": "{target}"' in line]
    assert [(line["method"], line["status"], line.get("problem")) for line in lines] == [
        ("OPTIONS", 200, None),
        ("OPTIONS", 403, "forbidden"),
    ]
    with Caller(lane.gateway.admin) as caller:
        caller.send(f"GET /admin/v1/exchanges HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {admin_key}\r\n\r\n".encode())
        exchanges = caller.answer()
        caller.send(b"GET /metrics HTTP/1.1\r\nHost: g\r\n\r\n")
        metrics = caller.answer()
    assert exchanges is not None
    assert metrics is not None
    assert exchanges.status == 200, exchanges.body
    refused, allowed = [item for item in exchanges.json()["items"] if item.get("path") == target]
    assert [decision["room"] for decision in (*allowed["decisions"], *refused["decisions"])] == ["cors", "cors"]
    assert (allowed["decisions"][0]["decision"], refused["decisions"][0]["decision"]) == ("preflight", "forbidden")
    assert b'cache="bypass",element="",environment="",method="OPTIONS",status="200"' in metrics.body
