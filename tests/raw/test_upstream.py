"""An upstream that misbehaves: what is refused, what is cut, what passes, and that nobody else pays (faults 1-21; threats 6, 8, 10)."""

from __future__ import annotations

import pytest

from tests.support.cases import ask
from tests.support.lane import Lane, check_answer, check_problem
from tests.support.misbehaviour import CUT, DOUBTFUL, HALF_HEAD, NONSENSE, PASSING, SILENT
from tests.support.origin import BODY, CLOSE, Recorded, Wire, head, ok, script

PROTOCOL, UNREACHABLE = "upstream-protocol-error", "upstream-unreachable"


def settled(lane: Lane, calls: int) -> None:
    """The call was made ``calls`` times at most, and others are served on whatever connections are left."""
    assert 1 <= len(lane.own()) <= calls
    for _ in range(3):
        lane.sentinel()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", [*NONSENSE, *SILENT, *HALF_HEAD, *DOUBTFUL])
def test_nonsense_is_a_502(lane: Lane, name: str, method: str) -> None:
    steps = {**NONSENSE, **SILENT, **HALF_HEAD, **DOUBTFUL}[name]
    lane.origin.behaviours["n"] = script(*steps, CLOSE)
    with lane.caller() as caller:
        lane.send(caller, ask(f"{method} ~/n"))
        answer = caller.answer(method)
        assert answer is not None
        check_answer(answer)
        if name not in DOUBTFUL or answer.status != 200:
            allowed = {*([PROTOCOL] if name not in SILENT else []), *([UNREACHABLE] if name in SILENT or name in HALF_HEAD else [])}
            slug = answer.json()["type"].rpartition(":")[2]
            assert slug in allowed, f"{slug}: {answer.body!r}"
            check_problem(answer, slug)
        lane.sentinel(caller)
    settled(lane, 2 if method == "GET" else 1)


@pytest.mark.parametrize("name", CUT)
def test_a_body_that_breaks_never_looks_whole(lane: Lane, name: str) -> None:
    lane.origin.behaviours["c"] = script(*CUT[name])
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/c"))
        answer = caller.answer()
        assert answer is not None
        if answer.status == 502:
            check_problem(answer, answer.json()["type"].rpartition(":")[2])
        else:
            assert answer.status == 200
            assert not answer.complete
            assert answer.body in (b"", b"hel", b"helhe", b"hello") or name == "gzip-short"
            assert caller.ended() != "open"
    settled(lane, 2)


INTERIM = {"102-103-first": (102, 103), "1xx-50": (103,) * 50}  # they pass, but for 100 (RFC 9110 §15.2)


@pytest.mark.parametrize("name", PASSING)
def test_what_is_odd_and_right_passes(lane: Lane, name: str) -> None:
    case = PASSING[name]
    lane.origin.behaviours["p"] = case.behaviour
    with lane.caller() as caller:
        lane.send(caller, ask(f"{case.method} ~/p"))
        answer = caller.answer(case.method)
        assert answer is not None
        check_answer(answer)
        assert (answer.status, answer.body, answer.complete) == (case.status, case.body, True)
        assert (answer.interim, answer.trailers) == (INTERIM.get(name, ()), ())
        lines = [f"{field.lower()}: {value}" for field, value in answer.fields]
        for wanted in case.has:
            field, _, value = wanted.partition(": ")
            assert f"{field.lower()}: {value}" in lines, lines
        for lacking in case.lacks:
            assert not answer.values(lacking), lacking
        if not answer.closing:
            lane.sentinel(caller)
    settled(lane, 2 if answer.status in (502, 503, 504) else 1)  # a GET is made once more


def test_an_answer_that_nobody_asked_for(lane: Lane) -> None:
    """It comes while the connection is idle: nobody gets it, and the connection is not used again."""
    lane.origin.behaviours["u"] = script(ok(), 0.05, head("200 OK", "Content-Length: 4") + b"evil")
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/u"))
        assert caller.answer() is not None
        (found,) = lane.own()
        assert lane.origin.wait(found.wire.closed.is_set), "the connection is kept"
        lane.sentinel(caller)
    settled(lane, 1)


def stale(wire: Wire, request: Recorded) -> None:
    """Served on a new connection; closed without a word on one that was used before."""
    wire.read_body(request)
    if request.index:
        wire.close()
    else:
        wire.send(ok().removesuffix(BODY) if request.method == "HEAD" else ok())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("warm", [1, 3])
def test_a_stale_connection_costs_a_reader_nothing(lane: Lane, method: str, warm: int) -> None:
    """Also where every idle connection is stale: the second attempt goes out on a new one."""
    lane.origin.drop_idle()
    lane.origin.behaviours.update(stale=stale, warm=script(0.15, ok()))
    callers = [lane.caller() for _ in range(warm)]
    opened = [caller.__enter__() for caller in callers]
    for caller in opened:
        lane.send(caller, ask("GET ~/warm"))
    for caller, context in zip(opened, callers, strict=True):
        assert caller.answer() is not None
        context.__exit__(None, None, None)
    answer = lane.ask(ask(f"{method} ~/stale"))
    assert answer.status == 200
    assert [item.method for item in lane.own() if item.target.endswith("stale")] == [method, method]
    lane.sentinel()


@pytest.mark.parametrize(
    "sent",
    [ask("POST ~/stale"), ask("POST ~/stale", "Content-Length: 2", body=b"{}"), ask("PATCH ~/stale", "Content-Length: 2", body=b"{}")],
    ids=["post", "post-body", "patch"],
)
def test_a_stale_connection_never_repeats_a_writer(lane: Lane, sent: bytes) -> None:
    lane.origin.drop_idle()
    lane.origin.behaviours.update(stale=stale)
    lane.sentinel()
    answer = lane.ask(sent)
    check_problem(answer, UNREACHABLE)
    assert len(lane.own()) == 1
    lane.sentinel()


def test_connections_closed_while_idle_are_not_used(lane: Lane) -> None:
    for _ in range(3):
        lane.sentinel()
        lane.origin.drop_idle()
        assert lane.ask(ask("POST ~/x")).status == 200
    assert len(lane.own()) == 3
