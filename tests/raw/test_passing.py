"""Large bodies of stated length pass the parsers by (``gateway/tapping.py``): each octet, each end, and what stands behind it."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator

import pytest

from gateway.tapping import MOST, WORTH
from tests.support.cases import BASE, ask
from tests.support.lane import Lane, check_problem
from tests.support.origin import BODY, CLOSE, RESET, STALL, Action, Origin, Recorded, Wire, head, ok, script
from tests.support.processes import running_gateway

MIB = 1 << 20
LARGE = random.Random(7).randbytes(3 * MIB + 77)
CUTS = (-4097, -3, -2, -1, 0, 1, 2, 3)
"""Where what is sent ends for a moment, by octets from the end of the body."""
LENGTHS = (WORTH - 1, WORTH, WORTH + 1, MOST - 1, MOST, MOST + 1, 4 * MOST + 5)
OCTETS = "Content-Type: application/octet-stream"
PAUSE = 0.02
"""Seconds in which what was sent is received."""


def large(length: int = len(LARGE), *fields: str) -> bytes:
    return head("200 OK", OCTETS, f"Content-Length: {length}", *fields)


@pytest.mark.parametrize("cut", CUTS)
def test_an_answer_wherever_it_is_cut(lane: Lane, cut: int) -> None:
    """Cut before, at and behind its end; its connection is kept if nothing stands behind it, and only then."""
    octets = large() + LARGE + b"x" * max(cut, 0)
    at = len(large()) + len(LARGE) + cut
    lane.origin.behaviours["l"] = script(octets[:1000], PAUSE, octets[1000:70_000], PAUSE, octets[70_000:at], PAUSE, octets[at:])
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/l"))
        answer = caller.answer()
        assert answer is not None
        assert answer.complete
        assert answer.body == LARGE
        lane.sentinel(caller)
    first, second = lane.origin.requests
    assert (second.wire is first.wire) == (cut <= 0)


@pytest.mark.parametrize("length", LENGTHS)
def test_an_answer_of_any_length(lane: Lane, length: int) -> None:
    body = random.Random(length).randbytes(length)
    lane.origin.behaviours["l"] = script(large(length), body[:1], PAUSE, body[1:])
    with lane.caller() as caller:
        for _ in range(2):
            lane.send(caller, ask("GET ~/l"))
            answer = caller.answer()
            assert answer is not None
            assert answer.body == body
    assert len(lane.origin.wires) == 1 or lane.own()[0].wire is lane.own()[1].wire


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["fin", "reset"])
@pytest.mark.parametrize("missing", [1, 2, MIB, len(LARGE) - 5])
def test_an_answer_that_ends_early_is_not_complete(lane: Lane, missing: int, end: Action) -> None:
    lane.origin.behaviours["l"] = script(large(), LARGE[:5], PAUSE, LARGE[5 : len(LARGE) - missing], PAUSE, end)
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/l"))
        answer = caller.answer()
        assert answer is not None
        assert not answer.complete
        assert LARGE.startswith(answer.body)
        assert caller.ended() != "open"
    lane.sentinel()


def test_an_answer_that_stops(quick: Lane) -> None:
    """The time between two octets is limited as ever, and runs anew with each."""
    quick.origin.behaviours["l"] = script(large(), LARGE[:5], 0.6, LARGE[5:MIB], 0.6, LARGE[MIB : 2 * MIB], STALL)
    with quick.caller() as caller:
        quick.send(caller, ask("GET ~/l"))
        began = time.monotonic()
        answer = caller.answer()
        assert answer is not None
        assert not answer.complete
        assert len(answer.body) == 2 * MIB
        assert 2.0 < time.monotonic() - began < 4.0
    quick.sentinel()


def test_a_secret_is_masked_wherever_it_is_cut(lane: Lane) -> None:
    secret = lane.gateway.canaries.of("acme").encode()
    text = b"0123456789abcdef" * (MIB // 16)
    body = b"".join(text + secret for _ in range(3))
    one, two = (n * (len(text) + len(secret)) - len(secret) // (n + 1) for n in (1, 2))
    plain = head("200 OK", "Content-Type: text/plain", f"Content-Length: {len(body)}")
    lane.origin.behaviours["l"] = script(plain + body[:9], PAUSE, body[9:one], PAUSE, body[one:two], PAUSE, body[two:])
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/l"))
        answer = caller.answer()
    assert answer is not None
    assert answer.complete
    assert answer.body == body.replace(secret, b"*" * len(secret))


def test_a_slow_reader_gets_all_of_it(lane: Lane) -> None:
    """Held up again and again, nothing is lost."""
    body = LARGE * 6
    lane.origin.behaviours["l"] = script(large(len(body)), body)
    with lane.caller(receive_buffer=32768, patience=20) as caller:
        lane.send(caller, ask("GET ~/l"))
        caller.wait_for(b"\r\n\r\n")
        time.sleep(0.3)
        answer = caller.answer()
        assert answer is not None
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()
        lane.sentinel(caller)


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_a_caller_who_leaves_a_large_answer(lane: Lane, leave: str) -> None:
    lane.origin.behaviours["l"] = script(large(), LARGE[:5], PAUSE, LARGE[5:MIB], STALL)
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/l"))
        caller.wait_for(LARGE[MIB - 50 : MIB])
        getattr(caller, leave)()
    assert lane.origin.wait(lane.own()[0].wire.closed.is_set, 2.0), "the call upstream is kept open"
    lane.sentinel()


@pytest.mark.parametrize("cut", CUTS)
def test_a_request_wherever_it_is_cut(lane: Lane, cut: int) -> None:
    """The next request stands right behind it, in one piece with its end or not."""
    first = lane.fill(ask("POST ~/one", f"Content-Length: {len(LARGE)}"))
    following = lane.fill(ask("POST ~/two", "Content-Length: 4", body=b"tail"))
    octets = first + LARGE + following
    at = len(first) + len(LARGE) + cut
    with lane.caller() as caller:
        caller.send(octets[: len(first) + 100], PAUSE, octets[len(first) + 100 : at], PAUSE, octets[at:])
        for _ in range(2):
            answer = caller.answer("POST")
            assert answer is not None
            assert (answer.status, answer.body) == (200, BODY)
        lane.sentinel(caller)
    one, two = lane.own()
    assert bytes(one.payload) == LARGE
    assert (bytes(two.payload), two.complete) == (b"tail", True)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_request_of_any_length(lane: Lane, length: int) -> None:
    body = random.Random(length).randbytes(length)
    with lane.caller() as caller:
        for _ in range(2):
            caller.send(lane.fill(ask("POST ~/x", f"Content-Length: {length}")) + body[:1], PAUSE, body[1:])
            answer = caller.answer("POST")
            assert answer is not None
            assert answer.status == 200
    assert [bytes(found.payload) for found in lane.own()] == [body, body]


def test_garbage_behind_a_large_request(lane: Lane) -> None:
    with lane.caller() as caller:
        lane.send(caller, ask("POST ~/x", f"Content-Length: {len(LARGE)}") + LARGE[:9], PAUSE, LARGE[9:] + b"\x00 no request\r\n\r\n")
        good, bad = caller.answer("POST"), caller.answer()
        assert good is not None
        assert bad is not None
        assert good.status == 200
        check_problem(bad, "bad-request")
    assert len(lane.own()) == 1


@pytest.mark.parametrize("leave", ["reset", "close", "finish"])
@pytest.mark.parametrize("missing", [1, MIB])
def test_a_request_that_ends_early_is_not_complete(lane: Lane, missing: int, leave: str) -> None:
    with lane.caller() as caller:
        lane.send(caller, ask("POST ~/x", f"Content-Length: {len(LARGE)}"), LARGE[:9], PAUSE, LARGE[9 : len(LARGE) - missing])
        assert lane.origin.wait(lambda: bool(lane.own()) and len(lane.own()[0].payload) == len(LARGE) - missing)
        getattr(caller, leave)()
        (found,) = lane.own()
        assert lane.origin.wait(found.wire.closed.is_set, 2.0), "half a request is kept open upstream"
    assert not found.complete
    lane.sentinel()


def test_a_request_that_stops(quick: Lane) -> None:
    length, half = MIB - 100, MIB // 2
    with quick.caller() as caller:
        quick.send(caller, ask("POST ~/x", f"Content-Length: {length}"), LARGE[:9], 0.6, LARGE[9:half], 0.6, LARGE[half : length - 1])
        answer = caller.answer("POST")
        assert answer is not None
        check_problem(answer, "request-timeout")
    assert not quick.own()[0].complete


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """Callers may be silent for a moment only, upstreams for longer."""
    settings = 'listen.body_timeout = "0.3s"\nupstream.response_timeout = "2s"\nelements.rawelement.breaker.enabled = false'
    with (
        Origin() as origin,
        running_gateway(tmp_path_factory.mktemp("impatient"), {"dev": f"http://{origin.authority}{BASE}"}, settings=settings) as gateway,
    ):
        yield Lane(gateway, origin)


def test_a_slow_upstream_is_not_a_caller_who_stops(impatient: Lane) -> None:
    body = LARGE * 8  # more than the kernel holds for an upstream that does not read

    def behave(wire: Wire, request: Recorded) -> None:
        for _ in range(3):
            time.sleep(0.4)
            wire.more()
        wire.read_body(request)
        wire.send(ok())

    impatient.origin.behaviours["slow"] = behave
    with impatient.caller() as caller:
        impatient.send(caller, ask("POST ~/slow", f"Content-Length: {len(body)}"), body[:9], PAUSE, body[9:])
        answer = caller.answer("POST")
        assert answer is not None
        assert (answer.status, answer.body) == (200, BODY)
    assert impatient.own()[0].payload == body


def test_an_upstream_that_never_reads_is_too_slow(impatient: Lane) -> None:
    """The time for an answer runs while it does not read."""
    released = threading.Event()

    def behave(wire: Wire, request: Recorded) -> None:
        released.wait(8)
        wire.close()

    impatient.origin.behaviours["deaf"] = behave
    body = LARGE * 12  # more than kernel buffers hold
    try:
        with impatient.caller(patience=5) as caller:
            impatient.send(caller, ask("POST ~/deaf", f"Content-Length: {len(body)}"), body[:9], PAUSE, body[9:])
            answer = caller.answer("POST")
            assert answer is not None
            check_problem(answer, "upstream-timeout")
    finally:
        released.set()


@pytest.mark.parametrize("end", [STALL, CLOSE], ids=["stays", "leaves"])
def test_an_answer_before_a_large_request_is_there(lane: Lane, end: Action) -> None:
    """What the caller goes on sending is received, and dropped, so that the answer reaches him."""
    lane.origin.behaviours["early"] = script(head("403 Forbidden", "Content-Length: 5") + b"early", end, reads_body=False)
    with lane.caller() as caller:
        lane.send(caller, ask("POST ~/early", f"Content-Length: {len(LARGE)}"), LARGE[:9], PAUSE, LARGE[9:])
        answer = caller.answer("POST")
        assert answer is not None
        assert (answer.status, answer.body) == (403, b"early")
        assert caller.ended() != "open"
    lane.sentinel()


def test_an_answer_to_an_upload_that_is_held_up(lane: Lane) -> None:
    """An upstream answers without reading. What was not received any more is received then, and dropped."""
    released = threading.Event()

    def behave(wire: Wire, request: Recorded) -> None:
        time.sleep(0.3)
        wire.send(head("403 Forbidden", "Content-Length: 5") + b"early")
        released.wait(8)
        wire.close()

    lane.origin.behaviours["deaf"] = behave
    body = LARGE * 12  # more than kernel buffers hold
    try:
        with lane.caller() as caller:
            assert lane.send(caller, ask("POST ~/deaf", f"Content-Length: {len(body)}"), body[:9], PAUSE, body[9:])
            answer = caller.answer("POST")
            assert answer is not None
            assert (answer.status, answer.body) == (403, b"early")
    finally:
        released.set()
    lane.sentinel()


def test_an_upload_waits_for_100_continue(lane: Lane) -> None:
    with lane.caller() as caller:
        lane.send(caller, ask("POST ~/x", f"Content-Length: {len(LARGE)}", "Expect: 100-continue"))
        caller.wait_for(b"100 Continue\r\n\r\n")
        caller.send(LARGE)
        answer = caller.answer("POST")
        assert answer is not None
        assert (answer.status, answer.body) == (200, BODY)
        lane.sentinel(caller)
    assert bytes(lane.own()[0].payload) == LARGE


def test_others_are_served_while_much_passes(lane: Lane) -> None:
    """Whatever a fast pair moves, a small call does not wait for the end of it."""
    stop = threading.Event()

    def behave(wire: Wire, request: Recorded) -> None:
        wire.send(large(1 << 40))
        while True:
            wire.send(LARGE[:MIB])

    lane.origin.behaviours["flood"] = behave

    def fetch() -> None:
        with lane.caller(patience=30) as caller:
            lane.send(caller, ask("GET ~/flood"))
            caller.wait_for(b"\r\n\r\n")
            while not stop.is_set():
                caller.wait_more()
                caller.received.clear()

    thread = threading.Thread(target=fetch)
    thread.start()
    try:
        assert lane.origin.wait(lambda: bool(lane.own()))
        for _ in range(5):
            began = time.monotonic()
            lane.sentinel()
            assert time.monotonic() - began < 2.0
    finally:
        stop.set()
        thread.join(30)
