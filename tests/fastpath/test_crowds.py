"""Many calls at once on the fast path: each is answered, one goes for all who want the same, and nothing is held after."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from tests.fastpath.asking import NO_STORE, SCRIPTS, get
from tests.fastpath.conftest import Make
from tests.fastpath.leaving import AGENT_1, MORE, begun, known, read
from tests.fastpath.playing import Play, Stage
from tests.fastpath.sides import Ground, Pair, running
from tests.support.origin import script


@pytest.fixture(scope="module")
def made(rows: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running(rows, tmp_path_factory.mktemp("crowds"), first="upstream.max_connections = 300", more=MORE, patience="20s") as pair:
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


@pytest.mark.parametrize("name", ["plain", "fresh", "slow", "chunked", "404"])
def test_two_hundred_connections_at_once(stage: Stage, name: str) -> None:
    pair = stage.pair
    pair.behave(slow=script(0.2, NO_STORE))
    for side in pair:
        callers = [pair.caller(side, patience=20.0) for _ in range(200)]
        warm = side.filled(read("plain"))
        for _ in range(2):
            for caller in callers:
                caller.send(warm)
            assert {answer.status if (answer := caller.answer()) else None for caller in callers} == {200}
        before = side.taken["begun"]
        for number, caller in enumerate(callers):
            caller.send(side.filled(get(f"/many{name}/{number}/{name}", AGENT_1, element="narrowed")))
        statuses = {answer.status if (answer := caller.answer()) else None for caller in callers}
        assert statuses == {404 if name == "404" else 200}
        assert not side.fast or side.taken["begun"] > before
        stage.settled()
        for caller in callers:
            caller.close()


@pytest.mark.parametrize("outcome", ["shared", "not shared", "failed", "leader leaves"])
def test_of_many_who_ask_for_the_same_one_goes(stage: Stage, outcome: str) -> None:
    """The call that is on its fast path leads; the others wait for it, and get what it brings (RFC 9111 §4)."""
    pair = stage.pair
    arrivals = []
    for side in pair:
        release = threading.Event()
        steps = {"shared": "fresh", "not shared": "plain", "failed": "500", "leader leaves": "fresh"}
        plain = SCRIPTS[steps[outcome]]

        def hold(wire: object, request: object, release: threading.Event = release, plain: object = plain) -> None:
            release.wait(5)
            plain(wire, request)  # type: ignore[operator]

        side.origin.behaviours["held"] = hold
        leader = begun(pair, side, get(f"/held{outcome.replace(' ', '')}/1/held", AGENT_1, element="narrowed"))
        others = [known(pair, side) for _ in range(8)]
        side.origin.forget()
        for other in others:
            other.send(side.filled(get(f"/held{outcome.replace(' ', '')}/1/held", AGENT_1, element="narrowed")))
        time.sleep(0.15)
        assert side.origin.requests == [], "others did not wait for the call that is on its way"
        if outcome == "leader leaves":
            leader.reset()
            assert side.origin.wait(lambda side=side: len(side.origin.requests) == 1)  # type: ignore[misc]
        release.set()
        statuses = [answer.status if (answer := one.answer()) else None for one in others]
        assert set(statuses) == {500 if outcome == "failed" else 200}
        arrivals.append(len(side.origin.requests))
        stage.settled()
    assert arrivals[0] == arrivals[1], arrivals
    assert arrivals[0] == {"shared": 0, "leader leaves": 1}.get(outcome, arrivals[0])


def test_upstream_connections_are_used_again(stage: Stage) -> None:
    pair = stage.pair
    for side in pair:
        caller = known(pair, side)
        side.origin.drop_idle()
        stage.settled()
        side.origin.forget()
        wires = len(side.origin.wires)
        for number in range(30):
            caller.send(side.filled(get(f"/again/{number}/plain", AGENT_1, element="narrowed")))
            assert caller.answer() is not None
        assert len(side.origin.wires) - wires <= 1


def test_tasks_do_not_pile_up(own: Make) -> None:
    with own() as pair:
        pair.behave(**SCRIPTS)
        side = pair.fast
        caller = pair.caller(side)
        counts = []
        for _ in range(3):
            for number in range(40):
                caller.send(side.filled(get(f"/c/{number}/{('plain', 'fresh', 'late', 'chunked')[number % 4]}", AGENT_1)))
                assert caller.answer() is not None
            time.sleep(0.1)
            counts.append(side.at(lambda: len(asyncio.all_tasks())))
        assert counts[0] == counts[1] == counts[2], counts
