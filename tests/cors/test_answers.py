"""Which pages may read an answer, and what of it: on calls, problems and what the cache gives (Fetch §3.2.3 to 3.2.5)."""

from __future__ import annotations

import pytest

from gateway.server.cors import EXPOSED
from tests.cors.conftest import APP
from tests.support.answers import Answer
from tests.support.cases import BASE, ask
from tests.support.lane import Lane, check_problem
from tests.support.origin import chunked, head, ok, script
from tests.support.raw import Caller

EVIL = "https://evil.example"
THEIRS = (
    "Access-Control-Allow-Origin: *",
    "access-control-allow-credentials: true",
    "Access-Control-Expose-Headers: Elements-Returned-Count",
    "Access-Control-Max-Age: 9",
)


def granted(answer: Answer) -> dict[str, str]:
    """The CORS fields of an answer, none of them twice."""
    found = [(name.lower(), value) for name, value in answer.fields if name.lower().startswith("access-control-")]
    assert len(dict(found)) == len(found), found
    return dict(found)


def check_granted(answer: Answer) -> None:
    """The page of ``APP`` may read it."""
    fields = granted(answer)
    assert fields.pop("access-control-allow-origin") == APP
    assert fields.pop("access-control-expose-headers").split(",") == list(EXPOSED)
    assert fields == {}
    assert answer.value("vary") == "Origin"


def check_refused(answer: Answer) -> None:
    """No page may read it."""
    assert granted(answer) == {}
    assert answer.value("vary") == "Origin"


@pytest.mark.parametrize("origin", [None, EVIL, "null", f"{APP}/", APP.upper()])
def test_another_origin_is_served_as_if_it_were_no_page(lane: Lane, origin: str | None) -> None:
    answer = lane.ask(ask("GET ~/x", *((f"Origin: {origin}",) if origin is not None else ())))

    assert answer.status == 200
    check_refused(answer)
    assert len(lane.origin.requests) == 1


def test_an_allowed_origin_may_read(lane: Lane) -> None:
    answer = lane.ask(ask("GET ~/x", f"Origin: {APP}"))

    assert answer.status == 200
    check_granted(answer)


def test_cloud_elements_fields_and_ours_are_exposed() -> None:
    theirs = "Elements-Returned-Count, Elements-Total-Count, Elements-Request-Id, Elements-Next-Page-Token, Elements-Trace-Id"
    ours = "Age, Cache-Status, RateLimit, RateLimit-Policy, Retry-After, Via, X-Request-Id, Server-Timing, ETag, Link"

    assert {*theirs.split(", "), "Elements-Error", "Content-Disposition", *ours.split(", ")} <= set(EXPOSED)


def test_two_origins_are_none(lane: Lane) -> None:
    check_refused(lane.ask(ask("GET ~/x", f"Origin: {APP}", f"Origin: {APP}")))


@pytest.mark.parametrize("origin", [None, EVIL, APP])
def test_the_origin_is_answered_here_and_not_passed_on(lane: Lane, origin: str | None) -> None:
    lane.ask(ask("GET ~/x", "Accept: a/b", *((f"Origin: {origin}",) if origin is not None else ())))
    (request,) = lane.origin.requests

    assert request.values("origin") == []
    assert request.values("accept") == ["a/b"]


@pytest.mark.parametrize("origin", [None, EVIL, APP])
def test_the_upstreams_own_words_are_replaced(lane: Lane, origin: str | None) -> None:
    lane.origin.behaviours["theirs"] = script(ok(b"{}", *THEIRS, "Cache-Control: no-store", "Vary: Accept", "X-Kept: 1"))
    answer = lane.ask(ask("GET ~/theirs", *((f"Origin: {origin}",) if origin is not None else ())))

    assert answer.values("vary") == ["Accept", "Origin"]
    assert answer.value("x-kept") == "1"
    assert granted(answer).get("access-control-allow-origin") == (APP if origin == APP else None)
    assert set(granted(answer)) <= {"access-control-allow-origin", "access-control-expose-headers"}


def test_what_varies_already_is_not_said_twice(lane: Lane) -> None:
    lane.origin.behaviours["varying"] = script(ok(b"{}", "Cache-Control: no-store", "Vary: Accept, Origin"))

    assert lane.ask(ask("GET ~/varying", f"Origin: {APP}")).values("vary") == ["Accept, Origin"]


@pytest.mark.parametrize("theirs", [(), THEIRS, ("Vary: Origin",)])
def test_one_entry_of_the_cache_serves_every_origin(lane: Lane, theirs: tuple[str, ...]) -> None:
    lane.origin.behaviours["kept"] = script(ok(b'{"kept":true}', *theirs))
    target = f"GET ~/{len(theirs)}/kept"
    first, second, third, fourth = (
        lane.ask(ask(target, *((f"Origin: {origin}",) if origin is not None else ()))) for origin in (APP, EVIL, None, APP)
    )

    assert [request.method for request in lane.origin.requests] == ["GET"]
    assert [answer.value("cache-status").split(";")[1] for answer in (first, second, third, fourth)] == [" fwd=uri-miss", *[" hit"] * 3]
    check_granted(first)
    check_refused(second)
    check_refused(third)
    check_granted(fourth)


def test_streams_heads_and_304s_may_be_read(lane: Lane) -> None:
    lane.origin.behaviours["stream"] = script(head("200 OK", "Transfer-Encoding: chunked") + chunked(b"one", b"two"))
    lane.origin.behaviours["same"] = script(head("304 Not Modified", 'ETag: "e"'))
    for request, status in ((ask("GET ~/stream", f"Origin: {APP}"), 200), (ask("HEAD ~/x", f"Origin: {APP}"), 200)):
        answer = lane.ask(request)
        assert answer.status == status
        check_granted(answer)
    unchanged = lane.ask(ask("GET ~/same", f"Origin: {APP}", 'If-None-Match: "e"', "Cache-Control: no-store"))
    assert unchanged.status == 304
    check_granted(unchanged)


PROBLEMS = [
    pytest.param(ask("GET ~/x", who=False), "unauthenticated", id="401"),
    pytest.param(ask("GET /elsewhere"), "not-found", id="404"),
    pytest.param(ask("GET ~/x", "X-Api-Key: @KEY@", "Gateway-Customer: nobody", who=False), "no-instance", id="404 no instance"),
    pytest.param(ask("GET ~/../x"), "bad-request", id="400"),
    pytest.param(ask("GET ~/x", "X-Api-Key: @KEY@"), "bad-request", id="400 twice"),
    pytest.param(ask("GET ~/x", "Gateway-Environment: dead"), "upstream-unreachable", id="502"),
]


@pytest.mark.parametrize(("octets", "slug"), PROBLEMS)
def test_a_page_may_read_what_went_wrong(lane: Lane, octets: bytes, slug: str) -> None:
    for origin, check in ((APP, check_granted), (EVIL, check_refused)):
        answer = lane.ask(octets[:-2] + f"Origin: {origin}\r\n\r\n".encode())
        check_problem(answer, slug)
        check(answer)


def test_a_spent_budget_may_be_read_and_preflights_spend_none(lane: Lane) -> None:
    fields = ("X-Api-Key: @KEY@", f"Origin: {APP}")
    for _ in range(3):
        assert (
            lane.ask(ask("OPTIONS /c/spent~/x".replace("~", BASE), *fields[1:], "Access-Control-Request-Method: GET", who=False)).status
            == 200
        )
    first, second = (lane.ask(ask(f"GET /c/spent{BASE}/x?{number}", *fields, who=False)) for number in range(2))

    assert (first.status, second.status) == (200, 429)
    assert second.value("retry-after")
    check_granted(first)
    check_granted(second)


def test_the_record_of_a_call_says_whether_the_page_may_read(lane: Lane, admin_key: str) -> None:
    for origin in (APP, EVIL):
        lane.ask(ask("GET ~/noted", f"Origin: {origin}"))
    with Caller(lane.gateway.admin) as caller:
        caller.send(f"GET /admin/v1/exchanges?limit=2 HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {admin_key}\r\n\r\n".encode())
        answer = caller.answer()
    assert answer is not None
    said = [[d["decision"] for d in item["decisions"] if d["room"] == "cors"] for item in answer.json()["items"]]
    assert said == [["refused"], ["allowed"]]


def test_health_may_be_read(lane: Lane) -> None:
    for origin, check in ((APP, check_granted), (EVIL, check_refused)):
        answer = lane.ask(ask("GET /healthz", f"Origin: {origin}", who=False))
        assert answer.body == b'{"status":"ok"}'
        check(answer)


def on_admin(lane: Lane, line: str, *fields: str) -> Answer:
    with Caller(lane.gateway.admin) as caller:
        caller.send(ask(line, *fields, who=False))
        answer = caller.answer(line.partition(" ")[0])
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("line", "keyed", "status"),
    [
        ("GET /admin/v1/keys", True, 200), ("GET /admin/v1/keys", False, 401), ("GET /admin/v1/none", True, 404),
        ("PUT /admin/v1/keys", True, 405), ("GET /metrics", False, 200), ("GET /readyz", False, 200),
        ("GET /admin/v1/instances:export", True, 200), ("POST /admin/v1/cache:purge", True, 200),
    ],
)  # fmt: skip
def test_the_admin_listener_holds_to_the_same(lane: Lane, admin_key: str, line: str, keyed: bool, status: int) -> None:
    key = (f"Authorization: Bearer {admin_key}",) if keyed else ()
    for origin, check in ((APP, check_granted), (EVIL, check_refused)):
        answer = on_admin(lane, line, *key, f"Origin: {origin}", *(("Content-Length: 0",) if line.startswith("P") else ()))
        assert answer.status == status, answer.body
        check(answer)
    check_refused(on_admin(lane, line, *key, *(("Content-Length: 0",) if line.startswith("P") else ())))


def test_nothing_of_it_happens_while_no_origin_is_allowed(shut_lane: Lane) -> None:
    shut_lane.origin.behaviours["theirs"] = script(ok(b"{}", *THEIRS, "Cache-Control: no-store"))
    preflight = shut_lane.ask(ask("OPTIONS ~/x", f"Origin: {APP}", "Access-Control-Request-Method: GET"))
    answer = shut_lane.ask(ask("GET ~/theirs", f"Origin: {APP}"))

    assert [request.line for request in shut_lane.origin.requests] == [f"OPTIONS {BASE}/x HTTP/1.1", f"GET {BASE}/theirs HTTP/1.1"]
    assert [request.values("origin") for request in shut_lane.origin.requests] == [[APP], [APP]]
    assert [f"{name}: {value}" for name, value in answer.fields if name.lower().startswith("access-control-")] == list(THEIRS)
    assert preflight.values("vary") + answer.values("vary") == []
    check_problem(shut_lane.ask(ask("OPTIONS ~/x", f"Origin: {APP}", "Access-Control-Request-Method: GET", who=False)), "unauthenticated")
    assert not granted(on_admin(shut_lane, "GET /readyz", f"Origin: {APP}"))
