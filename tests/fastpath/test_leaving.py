"""Callers that leave, upstreams that break off and times that run out, in every phase of a call on its fast path: nothing is held after."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import pytest

from gateway.server.data_connection import DataConnection
from tests.fastpath.asking import SCRIPTS, TYPED, dated, get
from tests.fastpath.leaving import AGENT_1, FIRST, MORE, begun, read, write
from tests.fastpath.playing import Play, Stage, open_things
from tests.fastpath.sides import Ground, Pair, Side, running
from tests.fastpath.telling import exchanges, metrics, same, since
from tests.support.origin import CLOSE, RESET, STALL, Step, head, script


@pytest.fixture(scope="module")
def made(rows: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running(rows, tmp_path_factory.mktemp("leaving"), first=FIRST, more=MORE) as pair:
        yield pair


@pytest.fixture
def stage(made: Pair) -> Iterator[Stage]:
    """A pair that knows its callers; whatever a test does, nothing is held afterwards, and all is served as ever."""
    made.behave(**SCRIPTS)
    stage = Stage(made)
    yield stage
    stage.settled()
    # One side was busy before the other: their windows began at different times.
    stage.compare([Play((get(f"/after/{n}/plain", AGENT_1, element="narrowed"),)) for n in range(5)], slack=60)


PHASES: dict[str, tuple[Step, ...]] = {
    "before any octet": (STALL,),
    "inside the head": (b"HTTP/1.1 200 OK\r\nDate: x", STALL),
    "after an interim answer": (head("103 Early Hints", "Link: </a>"), STALL),
    "after the head": (dated("200 OK", "Cache-Control: no-store", body=b"", length=5), STALL),
    "inside the body": (dated("200 OK", "Cache-Control: no-store", body=b"hel", length=5), STALL),
    "inside a chunk": (TYPED + b"5\r\nhel", STALL),
    "inside a long body": (dated("200 OK", body=b"x" * 300_000, length=10**7), STALL),
}


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("phase", PHASES)
def test_the_caller_leaves(stage: Stage, phase: str, method: str, how: str) -> None:
    pair = stage.pair
    pair.behave(phase=script(*PHASES[phase]))
    found, grown = [], []
    for side in pair:
        before = metrics(side)
        caller = begun(pair, side, read("phase") if method == "GET" else write("phase"))
        time.sleep(0.05)
        if how == "reset":
            caller.reset()
        else:
            caller.close()
        assert side.origin.wait(lambda side=side: side.origin.requests[0].wire.closed.is_set()), "the upstream call goes on"  # type: ignore[misc]
        stage.settled()
        found.append(exchanges(side, 1)[0])
        grown.append(since(before, metrics(side)))
    same("records", [[{**one, "bytes_down": 0} if "long" in phase else one] for one in found])
    same("metrics", grown)


BREAKS: dict[str, tuple[Step, ...]] = {name: (*steps[:-1], 0.02, end) for name, steps in PHASES.items() for end in (CLOSE,)} | {
    f"{name}, reset": (*steps[:-1], 0.02, RESET) for name, steps in PHASES.items()
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("phase", BREAKS)
def test_the_upstream_breaks_off(stage: Stage, phase: str, method: str) -> None:
    pair = stage.pair
    pair.behave(phase=script(*BREAKS[phase]))
    octets = read("phase") if method == "GET" else write("phase")
    plain = read("plain") if method == "GET" else write("plain")
    warm = [Play((plain,), (method,)) for _ in range(5)]
    if "long" not in phase:
        stage.compare([*warm, Play((octets,), (method,)), *warm, Play((octets,), (method,))])
        return
    for side in pair:
        caller = begun(pair, side, octets)
        answer = caller.answer(method)
        assert answer is not None
        assert not answer.complete


def test_the_time_for_an_answer_runs_out(stage: Stage) -> None:
    stage.pair.behave(never=script(STALL))
    warm = [Play((read("plain"),)) for _ in range(4)]
    posts = [Play((write("plain"),), ("POST",), on=1) for _ in range(4)]
    stage.compare([*warm, *posts, Play((read("never"),)), Play((write("never"),), ("POST",), on=1), *warm], slack=9)


def test_a_caller_that_reads_nothing_is_cut(stage: Stage) -> None:
    """Answers of the fast path wait for their reader as others do: the connection is not read while it does not, and ends in time."""
    pair = stage.pair
    pair.behave(wide=script(dated("200 OK", "Cache-Control: no-store", body=b"x" * 50_000)))
    for side in pair:
        caller = pair.caller(side, receive_buffer=4096, patience=1.0)
        for number in range(3):
            caller.send(side.filled(get(f"/w/{number}/plain", AGENT_1)))
            assert caller.answer() is not None
        begun = side.taken["begun"]
        for _ in range(200):
            if not caller.send(side.filled(get("/w/1/wide", AGENT_1))):
                break
            time.sleep(0.002)
        assert not side.fast or side.taken["begun"] > begun
        deadline = time.monotonic() + 5
        while open_things(side) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not open_things(side)
        buffered = side.at(lambda side=side: [c._wire.get_write_buffer_size() for c in _connections(side) if c._wire is not None])  # type: ignore[misc]
        assert max(buffered, default=0) < 4_000_000, "answers pile up for one who does not read"
        caller.close()


def _connections(side: Side) -> list[DataConnection]:
    shedder = side.listener.shedder
    return [one for one in gc.get_objects() if isinstance(one, DataConnection) and getattr(one._manager, "shedder", None) is shedder]


def test_an_upstream_that_hung_up_meanwhile(stage: Stage) -> None:
    """The kept connection is gone when a known call wants it."""
    pair = stage.pair
    warm = [Play((read("plain"),)) for _ in range(4)]
    for wait in (0.0, 0.05):
        stage.compare(warm)
        for side in pair:
            side.origin.drop_idle()
        time.sleep(wait)
        stage.compare([*warm, *[Play((write("plain"),), ("POST",))] * 4])
