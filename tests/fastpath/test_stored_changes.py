"""What is stored goes, ages and comes anew: the fast paths notice as the corridor does."""

from __future__ import annotations

import time

import pytest

from tests.fastpath.asking import SCRIPTS, get, post
from tests.fastpath.changing import AGENT_1, HIT, Kept, is_fast, kept, operate, warm
from tests.fastpath.playing import Play, Stage
from tests.fastpath.sides import Pair
from tests.support.cases import BASE
from tests.support.origin import BODY, Recorded, head, script
from tests.support.wire import Wire


def test_a_purge(pair: Pair) -> None:
    warm(pair)
    mine = kept(pair)
    asked = time.time()
    while time.time() - asked < 1.2:  # whatever of its second is left
        mine.ask(HIT)
        answers = operate(pair, "POST", "/admin/v1/cache:purge", {"customer": "acme"})
        assert [answer.json() for answer in answers] == [{"purged": 1}] * 2
        answers = mine.ask(HIT)
        assert [answer.value("cache-status") for answer in answers] == ["gateway; fwd=uri-miss; stored"] * 2
        is_fast(pair, lambda: [mine.ask(HIT) for _ in range(3)], "repeated")
    operate(pair, "POST", "/admin/v1/cache:purge", {"customer": "acme"})
    answers = mine.ask(HIT)
    assert [answer.value("cache-status") for answer in answers] == ["gateway; fwd=uri-miss; stored"] * 2


def test_a_write_that_invalidates_says_how_many_answers_went(pair: Pair) -> None:
    def both(wire: Wire, request: Recorded) -> None:
        SCRIPTS["fresh" if request.method == "GET" else "created"](wire, request)

    pair.behave(**{"7": both})
    stage = Stage(pair)
    write = Play((post("/d/7", b"{}", AGENT_1),), ("POST",))
    reads = [Play((get("/d/7", AGENT_1),), on=1), Play((get("/d/7?a=1", AGENT_1),), on=1)]
    stage.compare([*[write] * 6, *reads * 6])
    answered = pair.fast.taken["answered"]
    stage.compare([*[write] * 3, *reads, write, *reads * 3, write, reads[0]])
    assert pair.fast.taken["answered"] - answered >= 2


@pytest.mark.parametrize("name", ["Location", "Content-Location"])
def test_a_write_whose_answer_names_another_place(pair: Pair, name: str) -> None:
    """What it names is touched, too (RFC 9111 §4.4)."""

    def written(wire: Wire, request: Recorded) -> None:
        place = f"http://{wire._origin.authority}{BASE}/e/7/fresh"
        script(head("201 Created", "Date: Sun, 06 Nov 1994 08:49:37 GMT", f"{name}: {place}", "Content-Length: 0"))(wire, request)

    pair.behave(**SCRIPTS, written=written)
    stage = Stage(pair)
    mine = Kept(pair, *[get("/e/7/fresh", AGENT_1)] * 2)
    for _ in range(6):
        mine.ask(post("/d/7/written", b"{}", AGENT_1), "POST")
    for _ in range(3):
        mine.ask(get("/e/7/fresh", AGENT_1))
        mine.ask(post("/d/7/written", b"{}", AGENT_1), "POST")
        mine.ask(post("/d/7/written", b"{}", AGENT_1), "POST")
        assert [answer.value("cache-status") for answer in mine.ask(get("/e/7/fresh", AGENT_1))] == ["gateway; fwd=uri-miss; stored"] * 2
    stage.settled()


def test_a_lifetime_that_ends_and_one_that_is_renewed(pair: Pair) -> None:
    pair.behave(**SCRIPTS)
    stage = Stage(pair)
    brief = Play((get("/c/1/brief", AGENT_1),))
    stage.compare([brief] * 5)
    time.sleep(1.1)
    stage.compare([brief] * 5)


def test_the_age_is_that_of_the_answer(pair: Pair) -> None:
    pair.behave(old=script(lambda request: head("200 OK", "Cache-Control: max-age=100", "Age: 40", "Content-Length: 2") + b"{}"))
    begun = time.time()
    mine = Kept(pair, get("/c/old", AGENT_1))
    stored = time.time()
    for at in (0.0, 0.2, 0.6, 0.9, 1.3, 1.8, 2.2, 2.8, 3.1):
        time.sleep(max(0.0, stored + at - time.time()))
        earliest = int(time.time() - stored)
        answers = mine.ask(get("/c/old", AGENT_1))
        for answer in answers:
            age, status = int(answer.value("age")), answer.value("cache-status")
            assert 40 + earliest <= age <= 40 + int(time.time() - begun)
            assert status in (f"gateway; hit; ttl={100 - age}", f"gateway; hit; ttl={99 - age}"), (age, status)
    assert pair.fast.taken["repeated"] >= 4


def test_the_upstreams_answer_that_comes_to_be_storable_is_stored(pair: Pair) -> None:
    """A form is known without its date; whether an answer may be stored must not hang on it."""
    pair.behave(**SCRIPTS)

    def answered(request: Recorded) -> bytes:
        old = request.target.endswith("old/dating")
        date = "Sun, 06 Nov 1994 08:49:37 GMT" if old else time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        return head("200 OK", f"Date: {date}", "Cache-Control: max-age=60", f"Content-Length: {len(BODY)}") + BODY

    pair.behave(dating=script(answered))
    stage = Stage(pair)
    stage.compare([Play((get(f"/c/{n}/old/dating", AGENT_1),)) for n in range(6)])
    stage.compare([Play((get("/c/new/dating", AGENT_1),)) for _ in range(3)])
