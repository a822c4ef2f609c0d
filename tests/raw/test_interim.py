"""Interim answers on the wire, from a real origin through the real gateway to a caller (RFC 9110 §15.2)."""

from __future__ import annotations

import pytest

from tests.support.answers import Field, parse_fields, status_line
from tests.support.cases import ask, post
from tests.support.lane import Lane, check_problem
from tests.support.origin import BODY, CLOSE, head, ok, script

HINTS = head("103 Early Hints", "Link: </a>; rel=preload", "X-Hint: 1")


def interims(octets: bytes) -> list[tuple[int, str, tuple[Field, ...]]]:
    """Status, reason and fields of each interim answer in what a caller received."""
    found = []
    while octets:
        section, _, octets = octets.partition(b"\r\n\r\n")
        line, _, fields = section.partition(b"\r\n")
        status, reason = status_line(line)
        if status >= 200:
            break
        found.append((status, reason, parse_fields(fields)))
    return found


@pytest.mark.parametrize(
    ("status", "reason"), [(102, "Processing"), (103, "Early Hints"), (104, "Upload Resumption Supported"), (199, ""), (110, "")]
)
def test_one_is_passed_on(lane: Lane, status: int, reason: str) -> None:
    lane.origin.behaviours["i"] = script(head(f"{status} Their Words", "X-Hint: 1"), ok())
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/i"))
        answer = caller.answer()
        assert answer is not None
        assert (answer.status, answer.body, answer.interim) == (200, BODY, (status,))
        assert interims(bytes(caller.received)) == [(status, reason, (("X-Hint", "1"),))]
        lane.sentinel(caller)


def test_it_is_there_before_the_answer(lane: Lane) -> None:
    lane.origin.behaviours["i"] = script(HINTS, 0.4, ok())
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/i"))
        caller.wait_for(b"X-Hint: 1\r\n\r\n")
        assert b"200 OK" not in caller.received
        answer = caller.answer()
        assert answer is not None
        assert answer.interim == (103,)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "DELETE", "PUT"])
def test_for_every_method(lane: Lane, method: str) -> None:
    lane.origin.behaviours["i"] = script(HINTS, ok(b"") if method == "HEAD" else ok())
    with lane.caller() as caller:
        lane.send(caller, ask(f"{method} ~/i"))
        answer = caller.answer(method)
        assert answer is not None
        assert (answer.status, answer.interim) == (200, (103,))
        lane.sentinel(caller)


def test_several_and_no_100_of_the_upstreams(lane: Lane) -> None:
    lane.origin.behaviours["i"] = script(head("100 Continue"), HINTS, head("102 Processing"), head("100 Continue"), HINTS, ok())
    assert lane.ask(ask("GET ~/i")).interim == (103, 102, 103)


def test_our_own_100_comes_first(lane: Lane) -> None:
    lane.origin.behaviours["i"] = script(HINTS, ok())
    with lane.caller() as caller:
        lane.send(caller, ask("POST ~/i", "Content-Length: 2", "Expect: 100-continue"))
        caller.wait_for(b"100 Continue\r\n\r\n")
        lane.send(caller, b"{}")
        answer = caller.answer("POST")
        assert answer is not None
        assert (answer.status, answer.interim) == (200, (100, 103))
        lane.sentinel(caller)


def test_secrets_cookies_and_what_is_one_hops_stay_behind(lane: Lane) -> None:
    canaries = lane.gateway.canaries
    lane.origin.behaviours["i"] = script(
        head(
            "103 Early Hints",
            f"Link: </{canaries.of('acme')}>",
            f"X-User: {canaries.user}",
            f"X-All: {lane.authorization()}",
            "Set-Cookie: a=b",
            "Connection: X-Hop",
            "X-Hop: 1",
            "Keep-Alive: timeout=5",
            "Proxy-Authenticate: Basic",
            "Upgrade: h2c",
            "Content-Length: 5",
            "X-End: \xe4",
        ),
        ok(),
    )
    with lane.caller() as caller:  # it looks for canaries itself
        lane.send(caller, ask("GET ~/i"))
        answer = caller.answer()
        assert answer is not None
        assert answer.body == BODY
        ((_, _, fields),) = interims(bytes(caller.received))
        lane.sentinel(caller)
    assert [name for name, _ in fields] == ["Link", "X-User", "X-All", "X-End"]
    assert dict(fields)["Link"] == f"</{'*' * len(canaries.of('acme'))}>"
    assert dict(fields)["X-End"] == "\xe4"


@pytest.mark.parametrize("version", ["HTTP/1.0"])
def test_a_caller_of_old_gets_none(lane: Lane, version: str) -> None:
    lane.origin.behaviours["i"] = script(HINTS * 3, ok())
    with lane.caller() as caller:
        lane.send(caller, ask(f"GET ~/i {version}"))
        answer = caller.answer()
        assert answer is not None
        assert (answer.status, answer.body, answer.interim) == (200, BODY, ())


@pytest.mark.parametrize(
    "steps",
    [(head("101 Switching Protocols", "Upgrade: h2c", "Connection: Upgrade"),), (head("103 Early Hints") * 101,), (HINTS,)],
    ids=["101", "too many", "nothing else"],
)
def test_what_is_no_answer_is_a_502(lane: Lane, steps: tuple[bytes, ...]) -> None:
    lane.origin.behaviours["i"] = script(*steps, CLOSE)
    with lane.caller() as caller:
        lane.send(caller, ask("POST ~/i"))
        answer = caller.answer("POST")
        assert answer is not None
        check_problem(answer, "upstream-protocol-error")
        assert 101 not in answer.interim
        assert len(answer.interim) <= 100
        lane.sentinel(caller)


def test_none_comes_behind_the_answer(lane: Lane) -> None:
    lane.origin.behaviours["i"] = script(ok() + HINTS, 0.05, HINTS)
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/i"))
        answer = caller.answer()
        assert answer is not None
        assert answer.interim == ()
        assert caller.ended(0.2) == "open"
        lane.sentinel(caller)


def test_pipelined_calls_keep_their_order(lane: Lane) -> None:
    lane.origin.behaviours["slow"] = script(HINTS, 0.2, head("102 Processing"), ok(b"1"))
    lane.origin.behaviours["quick"] = script(head("103 Early Hints", "X-Hint: 2"), ok(b"2"))
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/slow") + ask("GET ~/quick") + post("~/quick", b"{}").replace(b"POST", b"PUT", 1))
        found = [caller.answer() for _ in range(3)]
        assert [(answer.body, answer.interim) for answer in found if answer] == [(b"1", (103, 102)), (b"2", (103,)), (b"2", (103,))]
        lane.sentinel(caller)


def test_a_caller_who_leaves_in_between_harms_nobody(lane: Lane) -> None:
    lane.origin.behaviours["i"] = script(HINTS, 0.2, HINTS, ok())
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/i"))
        caller.wait_for(b"X-Hint")
        caller.reset()
    (found,) = lane.own()
    assert lane.origin.wait(found.wire.closed.is_set)
    lane.sentinel()


def test_what_is_stored_is_the_answer_alone(lane: Lane) -> None:
    lane.origin.behaviours["i"] = script(HINTS, ok(BODY, "Cache-Control: max-age=60"))
    first, second = lane.ask(ask("GET ~/i?stored")), lane.ask(ask("GET ~/i?stored"))
    assert (first.interim, second.interim, second.body) == ((103,), (), BODY)
    assert second.value("cache-status").startswith("gateway; hit")
    assert not second.values("x-hint")
    assert len(lane.own()) == 1


def test_who_waits_for_anothers_call_is_told_of_none(lane: Lane) -> None:
    lane.origin.behaviours["i"] = script(HINTS, 0.4, ok(BODY, "Cache-Control: max-age=60"))
    with lane.caller() as first, lane.caller() as second:
        lane.send(first, ask("GET ~/i?shared"))
        first.wait_for(b"X-Hint")
        lane.send(second, ask("GET ~/i?shared"))
        answers = [caller.answer() for caller in (first, second)]
        assert [(answer.body, answer.interim) for answer in answers if answer] == [(BODY, (103,)), (BODY, ())]
    assert len(lane.own()) == 1
