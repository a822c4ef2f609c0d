"""Bodies stream both ways, with back-pressure; who leaves frees what was held for them (faults 18, 28-30)."""

from __future__ import annotations

import hashlib
import threading
import time

import psutil
import pytest

from tests.support.cases import ask
from tests.support.lane import Lane, check_answer
from tests.support.origin import BODY, CLOSE, STALL, Recorded, Wire, chunked, head, ok, script

MIB = 1 << 20
BUFFERS = 40 * MIB  # more than kernel buffers of two connections and the gateway's own can hold
LARGE = hashlib.sha256(b"seed").digest() * (MIB // 4)  # 8 MiB


def test_an_answer_streams(lane: Lane) -> None:
    gate = threading.Event()

    def behave(wire: Wire, request: Recorded) -> None:
        wire.send(head("200 OK", "Transfer-Encoding: chunked") + chunked(b"first", end=b""))
        gate.wait(8)
        wire.send(chunked(b"last"))

    lane.origin.behaviours["s"] = behave
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/s"))
        caller.wait_for(b"first")
        gate.set()
        answer = caller.answer()
    assert answer is not None
    assert (answer.body, answer.complete) == (b"firstlast", True)


def test_an_answer_that_masks_streams_too(lane: Lane) -> None:
    """What cannot be the start of a secret is not held back."""
    gate = threading.Event()

    def behave(wire: Wire, request: Recorded) -> None:
        wire.send(head("200 OK", "Content-Type: text/plain", "Content-Length: 10") + b"first")
        gate.wait(8)
        wire.send(b"after")

    lane.origin.behaviours["s"] = behave
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/s"))
        caller.wait_for(b"first")
        gate.set()
        answer = caller.answer()
    assert answer is not None
    assert answer.body == b"firstafter"


@pytest.mark.parametrize(
    ("fields", "first", "last"),
    [("Content-Length: 9", b"first", b"last"), ("Transfer-Encoding: chunked", b"5\r\nfirst\r\n", b"4\r\nlast\r\n0\r\n\r\n")],
    ids=["length", "chunked"],
)
def test_a_request_streams(lane: Lane, fields: str, first: bytes, last: bytes) -> None:
    with lane.caller() as caller:
        lane.send(caller, ask("POST ~/x", fields), first)
        assert lane.origin.wait(lambda: bool(lane.own()) and bytes(lane.own()[0].payload) == b"first"), "the start is held back"
        lane.send(caller, last)
        answer = caller.answer("POST")
        assert answer is not None
        assert answer.body == BODY
        lane.sentinel(caller)
    assert bytes(lane.own()[0].payload) == b"firstlast"


@pytest.mark.parametrize("coded", [False, True], ids=["length", "chunked"])
def test_large_bodies_are_exact(lane: Lane, coded: bool) -> None:
    def behave(wire: Wire, request: Recorded) -> None:
        wire.read_body(request)
        if coded:
            wire.send(
                head("200 OK", "Transfer-Encoding: chunked") + chunked(*[LARGE[at : at + 65537] for at in range(0, len(LARGE), 65537)])
            )
        else:
            wire.send(ok(LARGE))

    lane.origin.behaviours["l"] = behave
    framing = "Transfer-Encoding: chunked" if coded else f"Content-Length: {len(LARGE)}"
    with lane.caller(patience=30) as caller:
        lane.send(caller, ask("POST ~/l", framing) + (chunked(LARGE[:MIB], LARGE[MIB:]) if coded else LARGE))
        answer = caller.answer("POST")
    assert answer is not None
    assert answer.complete
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(LARGE).digest()
    assert hashlib.sha256(lane.own()[0].payload).digest() == hashlib.sha256(LARGE).digest()


def test_back_pressure_down(lane: Lane) -> None:
    sent = [0]

    def behave(wire: Wire, request: Recorded) -> None:
        wire.send(head("200 OK", "Content-Type: application/octet-stream", f"Content-Length: {256 * MIB}"))
        for _ in range(256):
            wire.send(b"a" * MIB)
            sent[0] += MIB

    lane.origin.behaviours["large"] = behave
    before = psutil.Process(lane.gateway.process.pid).memory_info().rss
    with lane.caller(receive_buffer=65536) as caller:
        lane.send(caller, ask("GET ~/large"))
        caller.wait_for(b"\r\n\r\n")
        time.sleep(1)
        assert sent[0] < BUFFERS
        assert psutil.Process(lane.gateway.process.pid).memory_info().rss - before < 32 * MIB
        lane.sentinel()
    assert lane.origin.wait(lane.own()[0].wire.closed.is_set), "the call upstream is kept open"


@pytest.mark.parametrize("coded", [False, True], ids=["length", "chunked"])
def test_back_pressure_up(lane: Lane, coded: bool) -> None:
    def behave(wire: Wire, request: Recorded) -> None:
        released.wait(8)
        wire.close()

    released = threading.Event()
    lane.origin.behaviours["deaf"] = behave
    before = psutil.Process(lane.gateway.process.pid).memory_info().rss
    with lane.caller(patience=1.0) as caller:
        lane.send(caller, ask("POST ~/deaf", "Transfer-Encoding: chunked" if coded else f"Content-Length: {256 * MIB}"))
        taken = 0
        while taken < 256 and caller.send(b"100000\r\n" * coded + b"a" * MIB + b"\r\n" * coded):
            taken += 1
        assert taken * MIB < BUFFERS
        assert psutil.Process(lane.gateway.process.pid).memory_info().rss - before < 32 * MIB
        lane.sentinel()
    released.set()
    assert lane.origin.wait(lane.own()[0].wire.closed.is_set)


@pytest.mark.parametrize("leave", ["reset", "close"])
@pytest.mark.parametrize("sent", [ask("GET ~/s"), ask("POST ~/s", "Content-Length: 5", body=b"hello")], ids=["get", "post"])
def test_a_caller_who_leaves_before_the_answer(lane: Lane, sent: bytes, leave: str) -> None:
    lane.origin.behaviours["s"] = script(STALL)
    with lane.caller() as caller:
        lane.send(caller, sent)
        assert lane.origin.wait(lambda: bool(lane.own()) and lane.own()[0].complete)
        getattr(caller, leave)()
    assert lane.origin.wait(lane.own()[0].wire.closed.is_set, 2.0), "the call upstream is kept open"
    assert len(lane.own()) == 1
    lane.sentinel()


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_a_caller_who_leaves_in_mid_answer(lane: Lane, leave: str) -> None:
    lane.origin.behaviours["s"] = script(head("200 OK", "Transfer-Encoding: chunked") + chunked(b"first", end=b""), STALL)
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/s"))
        caller.wait_for(b"first")
        getattr(caller, leave)()
    assert lane.origin.wait(lane.own()[0].wire.closed.is_set, 2.0), "the call upstream is kept open"
    lane.sentinel()


@pytest.mark.parametrize("leave", ["reset", "close"])
@pytest.mark.parametrize(
    "sent",
    [ask("POST ~/x", "Content-Length: 99", body=b"first"), ask("POST ~/x", "Transfer-Encoding: chunked", body=b"5\r\nfirst\r\n")],
    ids=["length", "chunked"],
)
def test_a_caller_who_leaves_in_mid_request(lane: Lane, sent: bytes, leave: str) -> None:
    with lane.caller() as caller:
        lane.send(caller, sent)
        assert lane.origin.wait(lambda: bool(lane.own()) and bytes(lane.own()[0].payload) == b"first")
        getattr(caller, leave)()
    (found,) = lane.own()
    assert lane.origin.wait(found.wire.closed.is_set, 2.0), "half a request is kept open upstream"
    assert not found.complete
    lane.sentinel()


@pytest.mark.parametrize("status", ["403 Forbidden", "200 OK", "413 Too Large"])
@pytest.mark.parametrize("close", [False, True], ids=["open", "closing"])
def test_an_answer_before_the_body_is_there(lane: Lane, status: str, close: bool) -> None:
    """An upstream may answer early; the caller gets that answer, and nothing is left out of step."""
    early = head(status, "Content-Length: 5", *(["Connection: close"] if close else [])) + b"early"
    lane.origin.behaviours["e"] = script(early, CLOSE if close else STALL, reads_body=False)
    with lane.caller() as caller:
        lane.send(caller, ask("POST ~/e", "Content-Length: 100", body=b"hello"))
        answer = caller.answer("POST")
        assert answer is not None
        check_answer(answer)
        assert (answer.status, answer.body) == (int(status[:3]), b"early")
    assert lane.origin.wait(lane.own()[0].wire.closed.is_set), "half a request is kept open upstream"
    lane.sentinel()


def test_a_refusal_before_a_large_body(lane: Lane) -> None:
    with lane.caller() as caller:
        lane.send(caller, ask("POST ~/../x", f"Content-Length: {len(LARGE)}"))
        answer = caller.answer("POST")
        assert answer is not None
        assert answer.status == 400
    assert lane.own() == []
    lane.sentinel()


def test_pipelined_answers_keep_their_order(lane: Lane) -> None:
    lane.origin.behaviours["slow"] = script(0.3, ok(b"slow"))
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/slow") + ask("GET ~/x"))
        answers = [caller.answer(), caller.answer()]
    assert [answer and answer.body for answer in answers] == [b"slow", BODY]


def test_descriptors_and_connections_come_back(lane: Lane) -> None:
    """After a round of those who leave, as many descriptors are open as before."""
    lane.origin.behaviours["s"] = script(STALL)
    process = psutil.Process(lane.gateway.process.pid)
    lane.sentinel()
    lane.origin.drop_idle()
    before = process.num_fds()
    for _ in range(20):
        with lane.caller() as caller:
            lane.send(caller, ask("GET ~/s"))
            assert lane.origin.wait(lambda: bool(lane.own()) and lane.own()[-1].complete)
            caller.reset()
        assert lane.origin.wait(lane.own()[-1].wire.closed.is_set)
    assert lane.origin.wait(lambda: process.num_fds() <= before), f"{process.num_fds()} descriptors, {before} before"
