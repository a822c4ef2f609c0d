"""Callers who leave, take slowly, or send slowly (faults 18, 28-32): they pay alone, and nothing of theirs stays."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import psutil
import pytest

from tests.faults.conftest import SLACK, Stage, problem
from tests.support.cases import ask
from tests.support.origin import BODY, STALL, chunked, head, ok, script
from tests.support.raw import Caller

MIB = 1 << 20
FIRST = head("200 OK", "Cache-Control: no-store", "Transfer-Encoding: chunked") + chunked(b"first", end=b"")


@pytest.mark.parametrize("leave", ["reset", "close"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("when", ["before", "within"])
def test_many_who_leave(stage: Stage, when: str, method: str, leave: str) -> None:
    """Thirty at once, before their answer or within it: the origin sees each connection end within a second."""
    stage.origin.behaviours.update(before=script(STALL), within=script(FIRST, STALL))
    with stage.steady():
        callers = [stage.open(f"{method} ~/{when}", fields=("Cache-Control: no-store",)) for _ in range(30)]  # each its own call
        assert stage.origin.wait(lambda: stage.arrived(when) == 30)
        if when == "within":
            for caller in callers:
                caller.wait_for(b"first")
        for caller in callers:
            getattr(caller, leave)()
        assert stage.origin.wait(lambda: all(item.wire.closed.is_set() for item in stage.own()), 1.0), "calls are kept open upstream"
        assert stage.arrived(when) == 30
    assert stage.outcomes() == ["caller-left"] * 30


def test_who_leaves_while_an_answer_is_being_kept(stage: Stage) -> None:
    """What came of the answer is not stored: the next caller gets the whole of it from upstream."""
    stage.origin.behaviours["half"] = script(ok(b"[1,", length=6), STALL)
    with stage.steady():
        with Caller(stage.address) as caller:
            caller.send(stage.request("GET ~/half", customer="kept"))
            caller.wait_for(b"[1,")
            caller.reset()
        assert stage.origin.wait(stage.own()[0].wire.closed.is_set)
        stage.origin.behaviours["half"] = script(ok(b"[1,2,]"))
        answers = [stage.call("GET ~/half", customer="kept") for _ in range(2)]
        assert [answer.body for answer in answers] == [b"[1,2,]"] * 2
        assert [answer.value("cache-status").partition(";")[2].split(";")[0].split("=")[0].strip() for answer in answers] == ["fwd", "hit"]
    assert stage.outcomes() == ["caller-left", "ok", "ok"]


def test_a_large_answer_taken_slowly_needs_no_memory(stage: Stage) -> None:
    """48 MiB of an answer that may be kept, at 40 MiB/s: it streams, is too large to keep, and leaves the memory as it was."""
    size = 48 * MIB
    stage.origin.behaviours["large"] = script(ok(b"", length=size), *[b"a" * MIB] * 48)
    process = psutil.Process(stage.gateway.process.pid)
    with stage.steady():
        before, most = process.memory_info().rss, 0
        for _ in range(2):
            with stage.open("GET ~/large", receive_buffer=65536) as caller:
                taken = 0
                while taken < size:
                    caller.wait_more()
                    if len(caller.received) - taken > MIB:
                        taken = len(caller.received)
                        most = max(most, process.memory_info().rss)
                        time.sleep(0.01)
                    if len(caller.received) >= size:
                        break
                answer = caller.answer()
            assert answer is not None
            assert (answer.complete, len(answer.body)) == (True, size)
        assert most - before < 20 * MIB, f"{(most - before) / MIB:.1f} MiB"
        assert stage.arrived("large") == 2


def test_only_who_takes_nothing_is_cut(stage: Stage) -> None:
    """Five take nothing and five take slowly, of the same large answer."""
    size = 12 * MIB
    stage.origin.behaviours["large"] = script(ok(b"a" * size, "Cache-Control: no-store"))
    with stage.steady(), ExitStack() as stack:
        deaf = [stack.enter_context(stage.open("GET ~/large", receive_buffer=4096)) for _ in range(5)]
        slow = [stack.enter_context(stage.open("GET ~/large", receive_buffer=65536)) for _ in range(5)]
        started = time.monotonic()
        while time.monotonic() - started < 1.6 or any(len(caller.received) < size for caller in slow):
            for caller in slow:  # in turn to the end: who waits for another's whole answer takes nothing meanwhile
                if len(caller.received) < size and caller.ending == "open":
                    caller.wait_more()
            time.sleep(0.02)
            assert time.monotonic() - started < 30
        for caller in slow:
            answer = caller.answer()
            assert answer is not None
            assert (answer.complete, len(answer.body)) == (True, size)
        assert stage.call("GET ~/x").body == BODY
        assert stage.origin.wait(lambda: sum(item.wire.closed.is_set() for item in stage.own()) >= 5, SLACK)
        for caller in deaf:
            cut = caller.answer()
            assert cut is not None
            assert not cut.complete
    assert sorted(stage.outcomes()) == ["caller-left"] * 5 + ["ok"] * 6


def test_two_hundred_who_never_finish_a_head(stage: Stage) -> None:
    """An octet now and then buys no time; meanwhile others are served; all are cut, and none was a call."""
    request = stage.fill(ask("GET ~/x", "X-Pad: " + "a" * 200))
    with stage.steady():
        callers = [Caller(stage.address) for _ in range(200)]
        started = time.monotonic()
        for caller in callers:
            caller.send(request[:20])
        at = 20
        while time.monotonic() - started < 1.5:
            for caller in callers:
                caller.send(request[at : at + 1])
            at += 1
            assert stage.call("GET ~/x").status == 200
            time.sleep(0.1)
        deadline = time.monotonic() + SLACK
        for caller in callers:
            seen = caller.drain(max(0.0, deadline - time.monotonic()))
            assert caller.ending != "open", "it is held"
            assert seen == b"" or seen.startswith(b"HTTP/1.1 408 ")
            caller.close()
    assert set(stage.outcomes()) == {"ok"}


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_many_whose_body_stops(stage: Stage, framing: str) -> None:
    """Half a body, then silence: 408 with its time kept, nothing half-sent stays open upstream, the call is never whole there."""
    start = b"5\r\nhello\r\n" if "chunked" in framing else b"hello"
    with stage.steady():
        started = time.monotonic()
        callers = [stage.open("POST ~/body", start, fields=(framing,)) for _ in range(30)]
        assert stage.call("GET ~/x").status == 200
        for caller in callers:
            answer = caller.answer("POST")
            problem(answer, "request-timeout")
            assert answer is not None
            assert answer.closing
            assert caller.ended() != "open"
            caller.close()
        assert 0.5 < time.monotonic() - started < SLACK
        halves = [item for item in stage.own() if item.method == "POST"]
        assert stage.origin.wait(lambda: all(item.wire.closed.is_set() for item in halves))
        assert not any(item.complete for item in halves)
    assert sorted(stage.outcomes()) == ["ok"] + ["request-timeout"] * 30


def test_half_a_request_and_a_fin(stage: Stage) -> None:
    """Who says that nothing more will come is not waited for."""
    with stage.steady():
        caller = stage.open("POST ~/body", b"hello", fields=("Content-Length: 100",))
        assert stage.origin.wait(lambda: stage.arrived("body") == 1)
        started = time.monotonic()
        caller.finish()
        assert stage.origin.wait(stage.own()[0].wire.closed.is_set, 1.0)
        assert time.monotonic() - started < 1.0
        caller.close()
    assert stage.outcomes()[0] in ("caller-left", "bad-request")


def test_connections_that_come_and_go(stage: Stage) -> None:
    """Five hundred without a word, some reset."""
    with stage.steady():
        for number in range(500):
            with Caller(stage.address) as caller:
                if number % 3 == 0:
                    caller.reset()
                elif number % 3 == 1:
                    caller.finish()
        with socket.create_connection(stage.address, 2):
            assert stage.call("GET ~/x").status == 200
