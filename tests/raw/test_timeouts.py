"""Nobody holds the gateway for longer than its time-outs say, and nobody who goes on slowly is cut (faults 1-5, 30-33).

Every time-out of ``quick`` is one second; a case must be over well before the next multiple that would hide a missing one.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from tests.support.cases import ask
from tests.support.lane import Lane, check_problem
from tests.support.origin import BODY, STALL, Step, chunked, head, ok, script
from tests.support.raw import Caller

SLACK = 3.5  # seconds until something that ends after one second must have ended, on a busy machine


def ends(caller: Caller) -> float:
    """Seconds until the connection ended, whatever came before."""
    started = time.monotonic()
    caller.drain(SLACK)
    assert caller.ending != "open", "the connection is held"
    return time.monotonic() - started


@pytest.mark.parametrize(
    "sent",
    [(), (b"G",), (b"GET /elements/api-v2/x HTTP/1.1\r\n",), (ask("GET ~/x")[:-2],), (b"\r\n",), (b"\x16\x03\x01",)],
    ids=["nothing", "octet", "line", "all-but-the-end", "empty-line", "tls"],
)
def test_a_head_that_does_not_come(quick: Lane, sent: tuple[bytes, ...]) -> None:
    with quick.caller() as caller:
        quick.send(caller, *sent)
        seconds = ends(caller)
        assert seconds > 0.5 or caller.received.startswith(b"HTTP/1.1 400 ")
        assert caller.received == b"" or caller.received.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 "))
    assert quick.own() == []
    quick.sentinel()


def test_a_head_that_trickles(quick: Lane) -> None:
    """The time is for the whole head: an octet now and then does not buy more."""
    started = time.monotonic()
    with quick.caller() as caller:
        for octet in quick.fill(ask("GET ~/x", "X-A: " + "a" * 100)):
            if not caller.send(bytes([octet]), 0.1) or caller.drain(0.0) or caller.ending != "open":
                break
        assert ends(caller) < SLACK
    assert time.monotonic() - started < SLACK + 1
    assert quick.own() == []
    quick.sentinel()


def test_an_idle_connection(quick: Lane) -> None:
    with quick.caller() as caller:
        quick.sentinel(caller)
        assert ends(caller) > 0.5
        assert caller.received.count(b"HTTP/1.1") == 1


def test_a_second_head_that_stalls(quick: Lane) -> None:
    with quick.caller() as caller:
        quick.sentinel(caller)
        quick.send(caller, b"GET /elem")
        ends(caller)
    assert quick.own() == []


@pytest.mark.parametrize(
    "sent",
    [
        ask("POST ~/x", "Content-Length: 10"),
        ask("POST ~/x", "Content-Length: 10", body=b"hello"),
        ask("POST ~/x", "Transfer-Encoding: chunked"),
        ask("POST ~/x", "Transfer-Encoding: chunked", body=b"5\r\nhel"),
        ask("POST ~/x", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"),
        ask("POST ~/x", "Expect: 100-continue", "Content-Length: 10"),
        ask("GET ~/x", "Content-Length: 10", body=b"hello"),
    ],
    ids=["length-nothing", "length-half", "chunked-nothing", "chunk-half", "chunks-no-end", "expect-nothing", "get-half"],
)
def test_a_body_that_stalls(quick: Lane, sent: bytes) -> None:
    started = time.monotonic()
    with quick.caller() as caller:
        quick.send(caller, sent)
        answer = caller.answer("POST")
        assert answer is not None
        check_problem(answer, "request-timeout")
        assert answer.closing
        assert 0.5 < time.monotonic() - started < SLACK
        assert caller.ended() != "open"
    for found in quick.own():
        assert quick.origin.wait(found.wire.closed.is_set)
        assert not found.complete
    quick.sentinel()


def test_a_body_of_a_refused_call_that_stalls(quick: Lane) -> None:
    with quick.caller() as caller:
        quick.send(caller, ask("POST ~/../x", "Content-Length: 100000"))
        answer = caller.answer("POST")
        assert answer is not None
        check_problem(answer, "bad-request")
        ends(caller)


@pytest.mark.parametrize("framing", ["Content-Length: 6", "Transfer-Encoding: chunked"])
def test_a_body_that_trickles_is_served(quick: Lane, framing: str) -> None:
    pieces = [b"1\r\na\r\n"] * 6 + [b"0\r\n\r\n"] if "chunked" in framing else [b"a"] * 6
    with quick.caller() as caller:
        quick.send(caller, ask("POST ~/x", framing), *[part for piece in pieces for part in (0.3, piece)])
        answer = caller.answer("POST")
    assert answer is not None
    assert answer.status == 200
    assert bytes(quick.own()[0].payload) == b"aaaaaa"


LATE: dict[str, tuple[Step, ...]] = {
    "silent": (STALL,),
    "half-head": (b"HTTP/1.1 200 OK\r\nContent-", STALL),
    "head-trickles": (*[step for octet in ok() for step in (bytes([octet]), 0.1)], STALL),
    "interim": (head("100 Continue"), STALL),
    "interim-trickle": (*[step for _ in range(40) for step in (head("102 Processing"), 0.1)], STALL),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", LATE)
def test_an_answer_that_does_not_come(quick: Lane, name: str, method: str) -> None:
    quick.origin.behaviours["late"] = script(*LATE[name])
    started = time.monotonic()
    with quick.caller() as caller:
        quick.send(caller, ask(f"{method} ~/late"))
        answer = caller.answer(method)
        assert answer is not None
        check_problem(answer, "upstream-timeout")
        assert 0.5 < time.monotonic() - started < SLACK
        quick.sentinel(caller)
    (found,) = quick.own()
    assert quick.origin.wait(found.wire.closed.is_set), "the call upstream is kept open"


@pytest.mark.parametrize(
    "start", [ok(b"hel", length=5), head("200 OK", "Transfer-Encoding: chunked") + chunked(b"hel", end=b""), head("200 OK") + b"hel"]
)
def test_an_answer_that_stalls_in_its_body(quick: Lane, start: bytes) -> None:
    quick.origin.behaviours["stall"] = script(start, STALL)
    started = time.monotonic()
    with quick.caller() as caller:
        quick.send(caller, ask("GET ~/stall"))
        answer = caller.answer()
        assert answer is not None
        assert (answer.status, answer.complete) == (200, False)
        assert 0.5 < time.monotonic() - started < SLACK
        assert caller.ended() != "open"
    assert quick.origin.wait(quick.own()[0].wire.closed.is_set)
    quick.sentinel()


def test_an_answer_that_trickles_passes(quick: Lane) -> None:
    quick.origin.behaviours["t"] = script(ok(b"", length=6), *[step for _ in range(6) for step in (0.3, b"a")])
    assert quick.ask(ask("GET ~/t")).body == b"aaaaaa"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upstream_that_refuses(quick: Lane, method: str) -> None:
    started = time.monotonic()
    check_problem(quick.ask(ask(f"{method} ~/x", "Gateway-Environment: refusing")), "upstream-unreachable")
    assert time.monotonic() - started < 1
    quick.sentinel()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upstream_that_does_not_take_connections(quick: Lane, method: str) -> None:
    started = time.monotonic()
    answer = quick.ask(ask(f"{method} ~/x", "Gateway-Environment: full"))
    check_problem(answer, "upstream-timeout")
    assert 0.5 < time.monotonic() - started < SLACK
    quick.sentinel()


def test_a_caller_who_takes_nothing(quick: Lane) -> None:
    quick.origin.behaviours["large"] = script(ok(b"", length=1 << 30), *[b"a" * (1 << 20)] * 1024)
    with quick.caller(receive_buffer=4096) as caller:
        quick.send(caller, ask("GET ~/large"))
        assert quick.origin.wait(lambda: bool(quick.own()))
        assert quick.origin.wait(quick.own()[0].wire.closed.is_set, SLACK + 2), "the call upstream is kept open"
    quick.sentinel()


def test_a_caller_who_takes_slowly_gets_all(quick: Lane) -> None:
    size = 24 << 20
    quick.origin.behaviours["large"] = script(ok(b"a" * size))
    with quick.caller(receive_buffer=65536) as caller:
        quick.send(caller, ask("GET ~/large"))
        for _ in range(6):
            time.sleep(0.4)
            seen = len(caller.received)
            while len(caller.received) < seen + (1 << 20):
                caller.wait_more()
        answer = caller.answer()
    assert answer is not None
    assert (answer.complete, len(answer.body)) == (True, size)


def test_many_who_say_nothing_stop_nobody(quick: Lane) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(Caller(quick.address)) for _ in range(300)]
        for caller in silent[::2]:
            caller.send(b"POST /elements")
        quick.sentinel()
        assert quick.ask(ask("GET ~/x")).body == BODY
        deadline = time.monotonic() + SLACK
        for caller in silent:
            caller.drain(max(0.0, deadline - time.monotonic()))
        assert [caller.ending for caller in silent].count("open") == 0
    quick.sentinel()
