"""Contract 2.3: a repeated unsafe call with the same ``Idempotency-Key`` gets the first answer again; 2.4: another one 422."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.caching import JSON
from tests.acceptance.world import Mapped, World, check_problem
from tests.support.answers import Answer
from tests.support.origin import BODY, CLOSE, head, ok, script

NEW = b'{"LastName":"Abara"}'
KEY = 'Idempotency-Key: "8e03978e-40d5-43e8-bc93-6894a57f9324"'
BARE = "Idempotency-Key: 8e03978e-40d5-43e8-bc93-6894a57f9324"


def is_replay(answer: Answer) -> bool:
    """Whether it is a first answer again; checks that both of its fields say so."""
    again = answer.values("idempotency-replayed") == ["true"]
    assert again == (answer.value("cache-status") == "gateway; fwd=bypass; detail=idempotency-replayed")
    return again


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_repeat_gets_the_first_answer_again(world: World, at_origin: Mapped, method: str) -> None:
    world.raw.behaviours["contacts"] = script(ok(b'{"id":7}', "X-Said: once", "X-Request-Id: upstreams"))
    body = None if method == "DELETE" else NEW
    first = at_origin.call(method, "/contacts?x=1", KEY, JSON, "X-Request-Id: one", body=body)
    again = at_origin.call(method, "/contacts?x=1", BARE, JSON, "X-Request-Id: two", body=body)

    assert (is_replay(first), is_replay(again)) == (False, True)
    assert (again.status, again.body, again.values("x-said")) == (200, b'{"id":7}', ["once"])
    assert (first.values("x-request-id"), again.values("x-request-id")) == (["one"], ["two"])
    assert len(again.values("via")) == len(again.values("server-timing")) == 1
    (sent,) = world.raw.requests
    assert sent.values("idempotency-key") == [KEY.partition(": ")[2]]


def test_one_contact_is_made_at_the_sandbox(world: World, acme: Mapped) -> None:
    answers = [acme.call("POST", "/contacts", KEY, JSON, body=NEW) for _ in range(3)]

    assert [answer.status for answer in answers] == [200] * 3
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [is_replay(answer) for answer in answers] == [False, True, True]
    assert len(world.dev.arrivals()) == 1


def test_a_key_for_another_request_is_refused(world: World, at_origin: Mapped) -> None:
    at_origin.call("POST", "/contacts", KEY, JSON, body=NEW)
    for method, path, body in (("POST", "/contacts", b"{}"), ("POST", "/accounts", NEW), ("PUT", "/contacts", NEW)):
        check_problem(at_origin.call(method, path, KEY, JSON, body=body), 422, "idempotency-key-reused", "caller")
    assert len(world.raw.requests) == 1


def test_keys_are_a_callers_and_an_instances_own(world: World, at_origin: Mapped) -> None:
    other = world.customer("plain", environment="raw")
    key = world.new_key(scopes=["hub"])["key"]
    answers = [at_origin.call("POST", "/contacts", KEY, body=NEW), other.call("POST", "/contacts", KEY, body=b"{}")]
    answers.append(at_origin.call("POST", "/contacts", KEY, body=b"[]", key=key))

    assert [is_replay(answer) for answer in answers] == [False] * 3
    assert len(world.raw.requests) == 3


def test_large_requests_are_compared_as_they_stream(world: World, at_origin: Mapped) -> None:
    large = b"x" * 1_000_000
    answers = [at_origin.call("POST", "/files", KEY, body=large) for _ in range(2)]
    assert [is_replay(answer) for answer in answers] == [False, True]
    check_problem(at_origin.call("POST", "/files", KEY, body=large[:-1] + b"y"), 422, "idempotency-key-reused", "caller")
    assert [len(sent.payload) for sent in world.raw.requests] == [len(large)]


def test_an_answer_too_large_to_keep_is_not_asked_for_again(world: World, at_origin: Mapped) -> None:
    large = b"x" * (1024**2 + 1)
    world.raw.behaviours["reports"] = script(ok(large))
    assert at_origin.call("POST", "/reports", KEY, body=NEW).body == large
    problem = check_problem(at_origin.call("POST", "/reports", KEY, body=NEW), 409, "conflict", "caller")
    assert "too large to be kept" in problem["detail"]
    assert len(world.raw.requests) == 1


def test_those_who_call_at_the_same_time_wait_for_the_first(world: World, at_origin: Mapped) -> None:
    world.raw.behaviours["contacts"] = script(0.3, ok(b'{"id":7}'))
    start = threading.Barrier(8)

    def call(_: int) -> Answer:
        start.wait()
        return at_origin.call("POST", "/contacts", KEY, body=NEW)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(8)))
    assert sorted(is_replay(answer) for answer in answers) == [False] + [True] * 7
    assert {answer.body for answer in answers} == {b'{"id":7}'}
    assert len(world.raw.requests) == 1


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"])
def test_what_says_try_again_may_be_tried_again(world: World, at_origin: Mapped, status: str) -> None:
    world.raw.behaviours["contacts"] = script(head(status, "Content-Length: 0"))
    first = at_origin.call("POST", "/contacts", KEY, body=NEW)
    del world.raw.behaviours["contacts"]
    later, again = (at_origin.call("POST", "/contacts", KEY, body=NEW) for _ in range(2))

    assert (first.status, is_replay(first)) == (int(status[:3]), False)
    assert (later.status, is_replay(later), is_replay(again)) == (200, False, True)


def test_an_error_of_the_gateway_is_not_kept(world: World, at_origin: Mapped) -> None:
    world.raw.behaviours["contacts"] = script(CLOSE)
    check_problem(at_origin.call("POST", "/contacts", KEY, body=NEW), 502, "upstream-unreachable", "upstream")
    del world.raw.behaviours["contacts"]
    answer = at_origin.call("POST", "/contacts", KEY, body=NEW)
    assert (answer.status, answer.body, is_replay(answer)) == (200, BODY, False)


@pytest.mark.parametrize("fields", [["Idempotency-Key: "], ['Idempotency-Key: "a'], ["Idempotency-Key: " + "x" * 256], [KEY, KEY]])
def test_what_is_no_key_is_refused(world: World, at_origin: Mapped, fields: list[str]) -> None:
    check_problem(at_origin.call("POST", "/contacts", *fields, body=NEW), 400, "bad-request", "caller")
    assert world.raw.requests == []


def test_a_key_on_a_read_means_nothing(world: World, at_origin: Mapped) -> None:
    answers = [at_origin.get("/contacts", KEY) for _ in range(2)]
    assert [is_replay(answer) for answer in answers] == [False, False]
    assert len(world.raw.requests) == 2


def test_nothing_of_it_can_be_read_in_the_database(world: World, at_origin: Mapped) -> None:
    said = b"CANARY-said-5d1"
    world.raw.behaviours["contacts"] = script(ok(said, "X-Said: CANARY-said-5d2"))
    for _ in range(2):
        at_origin.call("POST", "/contacts", "Idempotency-Key: CANARY-said-5d3", body=b"CANARY-said-5d4")
    files = [file for file in world.folder.rglob("*") if file.is_file()]
    assert any(b"kept_answers" in file.read_bytes() for file in files)
    assert [file.name for file in files if b"CANARY-said-5d" in file.read_bytes()] == []
    assert b"CANARY-said-5d" not in world.served.output
