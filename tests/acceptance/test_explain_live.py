"""``Gateway-Explain: 1`` at the real gateway: told, and nothing done (contract 2.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.caching import JSON, calls, is_hit, saying
from tests.acceptance.world import BASE, Mapped, World, check_problem
from tests.support.answers import Answer
from tests.support.raw import Caller

EXPLAIN = "Gateway-Explain: 1"


def told(answer: Answer) -> dict[str, Any]:
    assert (answer.status, answer.value("content-type"), answer.value("cache-control")) == (200, "application/json", "no-store")
    assert answer.value("cache-status") == "gateway; fwd=bypass; detail=explain"
    return dict(answer.json())


def counters(world: World) -> dict[str, float]:
    """The series that a call that left or was limited would change."""
    lines = world.operations("/metrics").body.decode().splitlines()
    names = ("gateway_upstream_requests_total", "gateway_rate_limited_total", "gateway_cache_bytes", "gateway_cache_entries")
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith(names)}


def test_a_miss_then_a_hit(world: World, acme: Mapped) -> None:
    miss = told(acme.get("/hubs/crm/contacts?pageSize=2", EXPLAIN))
    assert (miss["cache"]["outcome"], miss["cache"]["reason"], miss["cache"]["policy"]["ttl"]) == ("miss", "uri-miss", 1200)
    assert miss["call"]["instance"] == acme.handle
    assert (miss["call"]["customer"], miss["call"]["element"]) == (acme.customer, "cached")
    assert miss["upstream"]["target"] == "/hubs/crm/contacts?pageSize=2"
    assert dict(map(tuple, miss["upstream"]["fields"]))["Authorization"] == "User ***, Organization ***, Element ***"
    assert calls(world) == 0

    assert not is_hit(acme.get("/contacts?pageSize=2"))
    hit = told(acme.get("/hubs/crm/contacts?pageSize=2", EXPLAIN))
    assert (hit["cache"]["outcome"], hit["limits"], hit["upstream"]) == ("hit", None, None)
    assert hit["cache"]["key"]["path"] == "/contacts"
    assert 1100 < hit["cache"]["stored"]["fresh_for"] <= 1200
    assert calls(world) == 1


def test_rules_and_what_goes_past(acme: Mapped) -> None:
    assert told(acme.get("/objects/contacts/metadata", EXPLAIN))["cache"]["policy"]["rule"] == "/objects/**"
    assert told(acme.get("/lists/7", EXPLAIN))["cache"]["reason"] == "policy"
    assert told(acme.get("/ping", EXPLAIN))["cache"]["reason"] == "never-stored"
    assert told(acme.get("/contacts", EXPLAIN, "Cache-Control: no-store"))["cache"]["reason"] == "no-store"


def test_a_platform_call(world: World) -> None:
    document = told(world.call("GET", "/elements?asked-by=nobody-else", "Gateway-Environment: dev", EXPLAIN))
    assert (document["call"]["instance"], document["call"]["element"]) == (None, "platform")
    assert dict(map(tuple, document["upstream"]["fields"]))["Authorization"] == "User ***, Organization ***"


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"])
def test_nothing_is_sent_counted_or_dropped(world: World, acme: Mapped, method: str) -> None:
    acme.get("/contacts")
    before = counters(world)
    for _ in range(3):
        document = told(acme.call(method, "/contacts", JSON, EXPLAIN, body=b'{"LastName":"x"}' if method in ("POST", "PATCH") else None))
        assert ("drops" in document["cache"]) is (method not in ("GET", "OPTIONS"))
    assert counters(world) == before
    assert calls(world) == 1
    assert is_hit(acme.get("/contacts"))


def test_a_budget_is_looked_at_and_not_spent(world: World) -> None:
    limited = world.customer("fewaday", like="sfdc")
    for _ in range(4):
        document = told(limited.get("/contacts", EXPLAIN))
        assert [(quota["quota"], quota["remaining"]) for quota in document["limits"]["quotas"]] == [("2/day", 2)]
    for _ in range(2):
        assert limited.get("/contacts").status == 200
    document = told(limited.get("/contacts", EXPLAIN))
    assert (document["limits"]["outcome"], document["limits"]["retry_after"] > 0) == ("refused", True)


@pytest.mark.parametrize(
    "fields",
    [("Gateway-Explain: 2",), ("Gateway-Explain: yes",), ("Gateway-Explain:",), (EXPLAIN, EXPLAIN), (EXPLAIN, "gateway-explain: 0")],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_not_clear_is_refused(world: World, acme: Mapped, method: str, fields: tuple[str, ...]) -> None:
    check_problem(acme.call(method, "/contacts/7", *fields), 400, "bad-request", "caller")
    assert calls(world) == 0


def test_zero_is_a_call(world: World, acme: Mapped) -> None:
    assert acme.get("/contacts", "Gateway-Explain: 0").json()
    assert calls(world) == 1


def test_who_may_not_call_is_told_nothing(world: World, acme: Mapped) -> None:
    assert acme.call("GET", "/contacts", EXPLAIN, key="gwk_wrong_wrong").status == 401
    assert acme.call("GET", "/contacts", EXPLAIN, key=world.new_key(customers=["nobody"])["key"]).status == 403
    assert acme.call("DELETE", "/contacts/7", EXPLAIN, key=world.new_key(methods=["GET"])["key"]).status == 403


def head(acme: Mapped, *fields: str) -> bytes:
    who = f"X-Api-Key: {acme.world.key}", f"Gateway-Instance: {acme.handle}"
    return "\r\n".join((f"POST {BASE}/contacts HTTP/1.1", "Host: gateway", *who, *fields, "", "")).encode()


@pytest.mark.parametrize("framing", ["Content-Length: 11", "Transfer-Encoding: chunked"])
def test_after_a_body_the_connection_is_in_step_or_ended(world: World, acme: Mapped, framing: str) -> None:
    """The body is thrown away, or the connection is; it is never read as the next request."""
    body = b'{"a":"b"}\r\n' if "Length" in framing else b'b\r\n{"a":"b"}\r\n\r\n0\r\n\r\n'
    for pause in (0.0, 0.1):
        with Caller(world.served.listeners["data"]) as caller:
            caller.send(head(acme, EXPLAIN, JSON, framing), pause, body)
            answer = caller.answer("POST")
            assert answer is not None
            world.search(answer)
            assert told(answer)["cache"]["reason"] == "POST"
            if answer.closing:
                assert caller.ended(5.0) != "open"
            else:
                caller.send(head(acme, EXPLAIN, "Content-Length: 0"))
                again = caller.answer("POST")
                assert again is not None
                assert told(again)
    assert calls(world) == 0


def test_a_body_that_waits_for_100_is_not_asked_for(world: World, acme: Mapped) -> None:
    with Caller(world.served.listeners["data"]) as caller:
        caller.send(head(acme, EXPLAIN, JSON, "Content-Length: 11", "Expect: 100-continue"))
        answer = caller.answer("POST")
        assert answer is not None
        assert (told(answer)["cache"]["outcome"], answer.interim, answer.closing) == ("bypass", (), True)
        assert caller.ended(5.0) != "open"


def test_the_record_says_that_it_was_only_asked(world: World, acme: Mapped) -> None:
    answer = acme.get("/contacts?secret=CANARYquery", EXPLAIN)
    (record,) = [
        one for one in world.admin("GET", "/exchanges?limit=20").json()["items"] if one["request_id"] == answer.value("x-request-id")
    ]
    assert (record["outcome"], record["status"], record.get("upstream_calls", 0)) == ("explained", 200, 0)
    assert "CANARYquery" not in json.dumps(record)


def test_what_would_be_asked_of_the_origin(world: World, at_origin: Mapped) -> None:
    with saying(world, "Cache-Control: max-age=0", 'ETag: "v1"') as path:
        at_origin.get(path)
        document = told(at_origin.get(path, EXPLAIN, "X-Probe: 1"))
        assert ["If-None-Match", '"v1"'] in document["upstream"]["fields"]
        at_origin.get(path, "X-Probe: 1")
        first, second = world.raw.requests
        would = [
            tuple(field) for field in document["upstream"]["fields"] if field[0] not in ("Authorization", "X-Request-Id", "traceparent")
        ]
        assert [field for field in second.fields if field[0] not in ("Host", "Authorization", "X-Request-Id", "traceparent")] == would
        assert first.line == second.line
