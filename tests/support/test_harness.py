"""The harness against itself: the client sees what the origin did, the origin records what the client sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.answers import MalformedError
from tests.support.origin import BODY, CLOSE, RESET, STALL, Origin, chunked, head, ok, script
from tests.support.raw import Caller


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


def test_default_answer_and_exact_record(origin: Origin) -> None:
    sent = b"POST /a/b?c=%20 HTTP/1.1\r\nHost: x\r\nX-A:  1\r\nContent-Length: 3\r\n\r\nabc"
    with Caller(origin.address) as caller:
        caller.send(sent[:10], 0.01, sent[10:])
        answer = caller.answer("POST")
        assert answer is not None
        assert (answer.status, answer.body, answer.framing, answer.complete) == (200, BODY, "length", True)
        assert caller.ended(0.05) == "open"
    (request,) = origin.requests
    assert (request.method, request.target, bytes(request.payload), request.framing) == ("POST", "/a/b?c=%20", b"abc", "length")
    assert bytes(request.wire.received) == sent
    assert request.values("x-a") == ["1"]
    assert origin.wait(request.wire.closed.is_set)


def test_chunked_both_ways_with_trailers(origin: Origin) -> None:
    origin.behaviours["t"] = script(head("200 OK", "Transfer-Encoding: chunked"), chunked(b"he", b"llo", end=b"0\r\nX-T: 1\r\n\r\n"))
    with Caller(origin.address) as caller:
        caller.send(b"POST /t HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"ab", b"c"))
        answer = caller.answer("POST")
    assert answer is not None
    assert (answer.body, answer.trailers, answer.framing) == (b"hello", (("X-T", "1"),), "chunked")
    assert (bytes(origin.requests[0].payload), bytes(origin.requests[0].framed)) == (b"abc", chunked(b"ab", b"c"))


@pytest.mark.parametrize(
    ("steps", "complete", "ending"),
    [
        ((ok(b"hel", length=5), CLOSE), False, "closed"),
        ((ok(b"hel", length=5), 0.05, RESET), False, "reset"),
        ((head("200 OK", "Transfer-Encoding: chunked"), chunked(b"hel", end=b""), CLOSE), False, "closed"),
        ((head("200 OK"), b"hel", CLOSE), True, "closed"),
    ],
)
def test_endings(origin: Origin, steps: tuple[bytes, ...], complete: bool, ending: str) -> None:
    origin.behaviours["e"] = script(*steps)
    with Caller(origin.address) as caller:
        caller.send(b"GET /e HTTP/1.1\r\n\r\n")
        answer = caller.answer()
        assert answer is not None
        assert answer.complete is complete
        assert caller.ended() == ending
    assert answer.body == b"hel"


@pytest.mark.parametrize(
    "bad",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX A: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nb\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n",
        b"HTTP/1.1 999 OK\r\n\r\n",
    ],
)
def test_strictness(origin: Origin, bad: bytes) -> None:
    origin.behaviours["b"] = script(bad, CLOSE)
    with Caller(origin.address) as caller:
        caller.send(b"GET /b HTTP/1.1\r\n\r\n")
        with pytest.raises(MalformedError):
            caller.answer()


def test_interim_silence_and_surplus(origin: Origin) -> None:
    origin.behaviours["i"] = script(head("103 Early Hints", "Link: </x>"), ok(), b"surplus")
    origin.behaviours["s"] = script(STALL)
    with Caller(origin.address) as caller:
        caller.send(b"GET /i HTTP/1.1\r\n\r\n")
        answer = caller.answer()
        assert answer is not None
        assert answer.interim == (103,)
        with pytest.raises(MalformedError):
            caller.ended()
    with Caller(origin.address, patience=0.1) as caller:
        caller.send(b"GET /s HTTP/1.1\r\n\r\n")
        assert caller.answer() is None
        assert caller.ending == "open"


def test_idle_connections_are_dropped(origin: Origin) -> None:
    with Caller(origin.address) as caller:
        caller.send(b"GET / HTTP/1.1\r\n\r\n")
        assert caller.answer()
        origin.wait(lambda: origin.wires[0].idle)
        origin.wires[0].hang_up()
        assert caller.ended() == "closed"
    origin.drop_idle()
    assert origin.wires[0].closed.is_set()
