"""More callers than connections (faults 27, 33, 50): upstream places, the listener's, and the process's descriptors."""

from __future__ import annotations

import re
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import QUICK, SLACK, Stage, Template, copied, problem, serving
from tests.support.answers import Answer
from tests.support.cases import BASE
from tests.support.origin import BODY, STALL, Origin, Recorded, Wire, ok, script
from tests.support.raw import Caller

CAP = 40
TIGHT = f"""
listen.max_connections = {CAP}
upstream.max_connections = 2
"""


@pytest.fixture(scope="module")
def shared_tight(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Origin() as origin:
        folder = copied(template, tmp_path_factory.mktemp("tight"), {"dev": f"http://{origin.authority}{BASE}"}, TIGHT + QUICK)
        with serving(template, folder) as gateway:
            yield Stage(gateway, origin, template)


@pytest.fixture
def tight(shared_tight: Stage) -> Iterator[Stage]:
    """Two connections upstream, forty callers' connections."""
    yield shared_tight
    shared_tight.origin.behaviours.clear()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_place_upstream(tight: Stage, method: str) -> None:
    """Two calls hold both connections; the others wait for a bounded time, are told when to come back, and never leave."""
    tight.origin.behaviours["held"] = script(STALL)
    with tight.steady():
        started = time.monotonic()
        first = [tight.open(f"{method} ~/held") for _ in range(2)]
        assert tight.origin.wait(lambda: tight.arrived("held") == 2)
        waiting = [tight.open(f"{method} ~/x") for _ in range(18)]
        answers = [caller.answer(method) for caller in waiting]
        assert time.monotonic() - started < SLACK
        for caller in first:
            problem(caller.answer(method), "upstream-timeout")
        for caller in (*first, *waiting):
            caller.close()
        served = [answer for answer in answers if answer and answer.status == 200]
        for answer in answers:
            if answer not in served:
                problem(answer, "overloaded")
        assert len(served) == tight.arrived("x"), "a call that was refused had been made"
    assert tight.outcomes()[:2] == ["upstream-timeout"] * 2


def test_waiting_for_a_place_is_not_for_long(tight: Stage) -> None:
    """Nobody gives a place back: all who wait are refused after the time for a connection."""
    gate = threading.Event()

    def alive(wire: Wire, request: Recorded) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
        while len(sent := request.framed) < 40 and not gate.wait(0.1):
            wire.send(b"a")
            sent += b"a"
        wire.send(b"a" * (40 - len(request.framed)))

    tight.origin.behaviours["alive"] = alive
    with tight.steady():
        first = [tight.open("GET ~/alive") for _ in range(2)]
        assert tight.origin.wait(lambda: tight.arrived("alive") == 2)
        waiting = [tight.open("POST ~/x") for _ in range(18)]
        started = time.monotonic()
        for caller in waiting:
            problem(caller.answer("POST"), "overloaded")
            caller.close()
        assert 0.5 < time.monotonic() - started < SLACK
        gate.set()
        for caller in first:
            answer = caller.answer()
            assert answer is not None
            assert (answer.status, answer.body, answer.complete) == (200, b"a" * 40, True)
            caller.close()
        assert tight.arrived("x") == 0
    assert tight.outcomes() == ["ok"] * 2 + ["overloaded"] * 18


def test_twenty_callers_take_turns(tight: Stage) -> None:
    tight.origin.behaviours["brief"] = script(0.01, ok(BODY, "Cache-Control: no-store"))
    with tight.steady():
        callers = [tight.open("GET ~/brief") for _ in range(20)]
        answers = [caller.answer() for caller in callers]
        assert [answer and answer.status for answer in answers] == [200] * 20
        for caller in callers:
            caller.close()
        assert len({item.wire.number for item in tight.own()}) <= 2, "more connections than allowed"


def test_who_leaves_the_queue_takes_no_place_along(tight: Stage) -> None:
    tight.origin.behaviours["brief"] = script(0.4, ok(BODY, "Cache-Control: no-store"))
    with tight.steady():
        first = [tight.open("GET ~/brief") for _ in range(2)]
        assert tight.origin.wait(lambda: tight.arrived("brief") == 2)
        for _ in range(15):
            tight.open("POST ~/left").reset()
        last = [tight.open("GET ~/x") for _ in range(4)]
        for caller in (*first, *last):
            answer = caller.answer()
            assert answer is not None
            assert answer.status == 200
            caller.close()
        assert tight.arrived("left") == 0, "a call was made for somebody who had left"
    assert sorted(tight.outcomes()) == ["caller-left"] * 15 + ["ok"] * 6


def full(stage: Stage, caller: Caller) -> Answer:
    """What a caller gets for whom there is no connection, without having asked. It has a line and is counted, as every refusal."""
    answer = caller.answer()
    assert answer is not None
    assert answer.closing
    stage.called.append(answer.value("x-request-id") or "")
    return answer


def test_all_connections_taken(tight: Stage) -> None:
    """The next one is told so at once; who is inside is served on; when some go, there is room again."""
    with tight.steady(), ExitStack() as stack:
        inside = [stack.enter_context(Caller(tight.address)) for _ in range(CAP)]
        assert tight.origin.wait(lambda: len(tight.descriptors()) >= CAP)
        for _ in range(10):
            with Caller(tight.address) as late:
                started = time.monotonic()
                answer = full(tight, late)
                assert time.monotonic() - started < 1
                assert (answer.status, answer.value("retry-after"), answer.json()["retryAfter"]) == (503, "1", 1)
                assert answer.json()["type"] == "urn:gateway:problem:overloaded"
                assert late.ended() != "open"
        inside[0].send(tight.request("GET ~/x"))
        served = inside[0].answer()
        assert served is not None
        assert served.status == 200
        for caller in inside[1:11]:
            caller.close()
        assert tight.origin.wait(lambda: tight.call("GET ~/x").status == 200 if room(tight) else False)


def room(stage: Stage) -> bool:
    """Whether a new connection is taken: it is not answered unasked."""
    with Caller(stage.address) as caller:
        octets = caller.drain(0.1)
        stage.called += re.findall(r"X-Request-Id: (\S+)", octets.decode())
        return octets == b""


def test_the_refusal_of_a_connection_is_a_whole_problem(tight: Stage) -> None:
    """Contract 2.4: as every error made by the gateway."""
    with tight.steady():
        with ExitStack() as stack:
            for _ in range(CAP):
                stack.enter_context(Caller(tight.address))
            assert tight.origin.wait(lambda: len(tight.descriptors()) >= CAP)
            with Caller(tight.address) as late:
                problem(full(tight, late), "overloaded")
        assert tight.origin.wait(lambda: room(tight))


def test_no_descriptors_left(tight: Stage) -> None:
    """The process may open five more; sixty come. It neither dies nor spins, and afterwards all is as before."""
    process = psutil.Process(tight.gateway.process.pid)
    with tight.steady():
        old = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        highest = max(int(link.name) for link in tight_links(process.pid))
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (highest + 6, old[1]))
        try:
            with ExitStack() as stack:
                callers = [stack.enter_context(Caller(tight.address, patience=0.5)) for _ in range(60)]
                spent, started = sum(process.cpu_times()[:2]), time.monotonic()
                time.sleep(0.5)
                busy = (sum(process.cpu_times()[:2]) - spent) / (time.monotonic() - started)
                assert busy < 0.8, f"it spins: {busy:.0%} of a processor"
                assert process.is_running()
                assert len(callers) == 60
        finally:
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, old)
        assert tight.origin.wait(lambda: room(tight))
        assert tight.call("GET ~/x").status == 200


def tight_links(process_id: int) -> list[Path]:
    return list(Path(f"/proc/{process_id}/fd").iterdir())


def test_no_descriptor_for_the_call_upstream(tight: Stage) -> None:
    """A caller is connected, and no further connection can be opened: an answer in time, none is lost, and the next call passes."""
    process_id = tight.gateway.process.pid
    with tight.steady(), Caller(tight.address) as caller:
        caller.send(tight.request("GET ~/first"))
        assert caller.answer() is not None
        tight.rest()
        old = resource.prlimit(process_id, resource.RLIMIT_NOFILE)
        resource.prlimit(process_id, resource.RLIMIT_NOFILE, (1, old[1]))
        try:
            caller.send(tight.request("POST ~/x"))
            answer = caller.answer("POST")
            assert answer is not None
            problem(answer, "overloaded" if answer.status == 503 else "upstream-unreachable")
        finally:
            resource.prlimit(process_id, resource.RLIMIT_NOFILE, old)
        assert tight.arrived("x") == 0
        caller.send(tight.request("GET ~/x"))
        again = caller.answer()
        assert again is not None
        assert again.status == 200
