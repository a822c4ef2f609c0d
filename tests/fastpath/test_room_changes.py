"""Budgets, bulkheads, breakers, shedding and draining hold for the fast paths as for the corridor."""

from __future__ import annotations

import time

from tests.fastpath.asking import NO_STORE, SCRIPTS, get, post
from tests.fastpath.changing import AGENT_1, HIT, Kept, ask, forward, kept, operate, warm
from tests.fastpath.conftest import Make
from tests.fastpath.playing import Play, Stage
from tests.fastpath.sides import Pair
from tests.support.origin import script


def test_a_quota_that_is_used_up(own: Make) -> None:
    more = '[elements.tight]\nlimits = ["12/h"]\nconcurrency = 3\nbreaker.enabled = false'
    with own(more) as pair:
        pair.behave(**SCRIPTS)
        stage = Stage(pair)
        plays = [Play((get(f"/c/{n}/plain", AGENT_1, element="tight"),)) for n in range(16)]
        stage.compare(plays)
        assert pair.fast.taken["answered"] >= 6
        assert pair.fast.operator("GET", "/admin/v1/limits").json()["items"][0]["used"] == 12


def test_a_callers_own_quota(own: Make) -> None:
    with own() as pair:
        pair.behave(**SCRIPTS)
        answers = operate(pair, "POST", "/admin/v1/keys", {"name": "few", "limits": ["9/h"]})
        for side, answer in zip(pair, answers, strict=True):
            side.keys["few"] = answer.json()["key"]
        mine = Kept(pair)
        told = [mine.ask(get(f"/c/{n}/plain", AGENT_1, key="few")) for n in range(12)]
        assert [[one.status for one in both] for both in told] == [[200, 200]] * 9 + [[429, 429]] * 3
        assert [[one.values("ratelimit")[0].split(";t=")[0] for one in both] for both in told[:9]] == [
            [f'"9/h";r={8 - n}'] * 2 for n in range(9)
        ]
        assert pair.fast.taken["answered"] >= 4


def test_full_bulkheads_and_budgets(own: Make) -> None:
    """While two calls are under way, the third is refused; and when they are over, nothing is held."""
    more = "[elements.narrowed]\nbulkhead = 2\nbreaker.enabled = false"
    with own(more) as pair:
        pair.behave(**SCRIPTS, slow=script(0.5, NO_STORE))
        stage = Stage(pair)
        stage.compare([Play((get(f"/c/{n}/plain", AGENT_1, element="narrowed"),)) for n in range(6)])
        begun = pair.fast.taken["begun"]
        for side in pair:
            callers = [pair.caller(side) for _ in range(3)]
            for caller in callers * 3:  # at rest, and it is known where its heads are cut
                caller.send(side.filled(get("/c/x/plain", AGENT_1, element="narrowed")))
                assert (answer := caller.answer()) is not None
                assert answer.status == 200
            for number, caller in enumerate(callers):
                caller.send(side.filled(get(f"/c/{number}/slow", AGENT_1, element="narrowed")))
                time.sleep(0.05)
            assert [answer.status for caller in callers if (answer := caller.answer())] == [200, 200, 503]
            for caller in callers:
                caller.close()
        assert pair.fast.taken["begun"] > begun
        stage.settled()
        stage.compare([Play((get(f"/d/{n}/plain", AGENT_1, element="narrowed"),)) for n in range(6)])


def test_a_breaker_that_opens(own: Make) -> None:
    more = "[elements.guarded.breaker]\nminimum_calls = 5\nwindow = '60s'\nopen = '1s'\nprobes = 1\nramp = '0s'"
    with own(more) as pair:
        pair.behave(**SCRIPTS)
        stage = Stage(pair)
        stage.compare([Play((get(f"/c/{n}/plain", AGENT_1, element="guarded"),)) for n in range(6)])
        stage.compare([Play((post(f"/c/{n}/500", b"{}", AGENT_1, element="guarded"),), ("POST",)) for n in range(12)])
        statuses = [ask(side, get("/c/1/plain", AGENT_1, element="guarded")).status for side in pair]
        assert statuses == [503, 503]
        time.sleep(1.1)
        stage.compare([Play((get(f"/c/{n}/plain", AGENT_1, element="guarded"),)) for n in range(6)])


def test_while_calls_are_shed_the_fast_paths_let_nobody_in(pair: Pair) -> None:
    warm(pair)
    mine = kept(pair)
    for side in pair:
        side.at(lambda side=side: setattr(side.listener.shedder, "share", 0.0))  # type: ignore[misc]
    for octets in (HIT, forward(), HIT):
        assert mine.statuses(octets) == [503, 503]
    for side in pair:
        side.at(lambda side=side: setattr(side.listener.shedder, "share", 1.0))  # type: ignore[misc]
    for octets in (HIT, forward(), HIT):
        assert mine.statuses(octets) == [200, 200]


def test_while_draining_connections_end_with_their_answer(own: Make) -> None:
    with own() as pair:
        warm(pair)
        mine = kept(pair)
        for side in pair:
            side.at(lambda side=side: setattr(side.gateway.health, "draining", True))  # type: ignore[misc]
        for octets in (HIT, forward()):
            assert [answer.closing for answer in mine.ask(octets)] == [True, True]
            assert [caller.ended(2.0) for caller in mine.callers] == ["closed", "closed"]
            mine = Kept(pair)
        for side in pair:
            side.at(lambda side=side: setattr(side.gateway.health, "draining", False))  # type: ignore[misc]


def test_a_call_that_is_under_way_when_draining_begins_ends_its_connection(own: Make) -> None:
    with own() as pair:
        warm(pair)
        mine = kept(pair)
        pair.behave(slow=script(0.3, NO_STORE))
        for side, caller in zip(pair, mine.callers, strict=True):
            caller.send(side.filled(get("/c/1/slow", AGENT_1)))
            assert side.origin.wait(lambda side=side: side.origin.requests[-1].target.endswith("slow"))  # type: ignore[misc]
            side.at(lambda side=side: setattr(side.gateway.health, "draining", True))  # type: ignore[misc]
            answer = caller.answer()
            assert answer is not None
            assert answer.status == 200
            assert answer.closing
            side.at(lambda side=side: setattr(side.gateway.health, "draining", False))  # type: ignore[misc]
