from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.upstream.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, BreakerSettings
from tests.upstream.breaker_oracle import Call, Oracle

SMALL = BreakerSettings(
    error_ratio=0.5, minimum_calls=4, window_s=10, slow_s=5, slow_ratio=0.75, open_s=10, max_open_s=35, probes=3, ramp_s=8
)
STATES = {"closed": CLOSED, "open": OPEN, "probing": HALF_OPEN, "ramping": HALF_OPEN}


def play(breaker: Breaker, script: str, now: float = 0.0) -> float:
    """The time after calls that all go: ``+`` succeeds, ``~`` slowly, ``-`` fails, ``o`` teaches nothing, ``*N`` times; ``@S`` waits."""
    for word in script.split():
        if word[0] == "@":
            now += float(word[1:])
            continue
        for _ in range(int(word[2:] or 1)):
            assert breaker.refusal(now) == 0, f"refused at {now}, {word!r} of {script!r}"
            generation = breaker.enter(now)
            if word[0] == "-":
                breaker.failure(generation, now)
            elif word[0] == "o":
                breaker.nothing(generation, now)
            else:
                breaker.success(generation, now, 5.0 if word[0] == "~" else 4.9)
    return now


TABLE = [
    ("", CLOSED),
    ("+*100", CLOSED),
    ("-*3", CLOSED),  # fewer than the minimum say nothing
    ("-*4", OPEN),
    ("-*3 +", OPEN),  # the minimum is reached by a success
    ("+*3 -*2", CLOSED),
    ("+*3 -*3", OPEN),
    ("+*100 -*99", CLOSED),
    ("+*100 -*100", OPEN),
    ("+*9 -*3 @10 -*3", CLOSED),  # what is older than the window is forgotten
    ("-*3 @9 -", OPEN),
    ("-*3 @10 -", CLOSED),
    ("+*9 @5 -*3 @5 -", OPEN),  # successes are forgotten, too
    ("~*3", CLOSED),
    ("~*4", OPEN),
    ("~*3 +", OPEN),
    ("~*2 +*2", CLOSED),
    ("o*100", CLOSED),
    ("o*100 -*3", CLOSED),  # what teaches nothing does not fill the minimum either
    ("-*4 @10", OPEN),  # until somebody calls
    ("-*4 @10 +", HALF_OPEN),
    ("-*4 @10 +*2", HALF_OPEN),
    ("-*4 @10 +*3", HALF_OPEN),
    ("-*4 @10 -", OPEN),
    ("-*4 @10 +*2 -", OPEN),
    ("-*4 @10 o*100", HALF_OPEN),
    ("-*4 @10 ~*2 +", HALF_OPEN),  # two of three are fewer than three quarters
    ("-*4 @10 ~*3", OPEN),
    ("-*4 @10 +*3 @8", HALF_OPEN),
    ("-*4 @10 +*3 @8 +", CLOSED),
    ("-*4 @10 +*3 @8 o", CLOSED),
    ("-*4 @10 +*3 @7.5 -", OPEN),  # a ramp is judged by a quarter of the minimum
    ("-*4 @10 +*3 @8 -*3", CLOSED),  # it is closed with nothing counted
    ("-*4 @10 +*3 @8 -*4", OPEN),
]


@pytest.mark.parametrize(("script", "state"), TABLE, ids=[script or "nothing" for script, _ in TABLE])
def test_states(script: str, state: int) -> None:
    breaker = Breaker(SMALL)
    play(breaker, script)
    assert breaker.state == state


def test_it_stays_open_for_twice_as_long_each_time_up_to_a_limit_and_begins_anew_when_it_has_recovered() -> None:
    breaker = Breaker(SMALL)
    now, waits = play(breaker, "-*4"), []
    for _ in range(4):
        wait = breaker.refusal(now)
        waits.append(wait)
        assert breaker.refusal(now + wait - 0.001) > 0
        now = play(breaker, "-", now + wait)
    assert waits == [10, 20, 35, 35]
    now = play(breaker, "@35 +*3 @7.5 -", now)  # on the ramp it has not recovered yet
    assert breaker.refusal(now) == 35
    now = play(breaker, "@35 +*3 @8 + @1 -*3", now)
    assert breaker.refusal(now) == 10


def test_no_more_probes_at_once_than_stated_and_a_place_comes_back_where_nothing_was_learned() -> None:
    breaker = Breaker(SMALL)
    now = play(breaker, "-*4 @10")
    first, *_ = [breaker.enter(now) for _ in range(3)]
    assert breaker.refusal(now) == 1
    breaker.nothing(first, now)
    assert breaker.refusal(now) == 0
    breaker.enter(now)
    assert breaker.refusal(now) == 1
    breaker.success(first, now, 0.1)  # and one that has succeeded needs no successor
    assert breaker.refusal(now) == 1


def test_probes_that_never_report_cost_a_minute_and_their_late_reports_nothing() -> None:
    breaker = Breaker(SMALL)
    now = play(breaker, "-*4 @10")
    lost = [breaker.enter(now) for _ in range(3)]
    assert breaker.refusal(now + 59.75) == 0.25
    now = play(breaker, "@60 +*2", now)
    for generation in lost:
        breaker.failure(generation, now)
        breaker.nothing(generation, now)
    assert breaker.state == HALF_OPEN
    now = play(breaker, "+ @8 +", now)
    assert breaker.state == CLOSED


def test_probes_have_as_long_as_it_was_open_where_that_is_more_than_a_minute() -> None:
    breaker = Breaker(replace(SMALL, open_s=90, probes=1))
    now = play(breaker, "-*4 @90")
    breaker.enter(now)
    assert breaker.refusal(now + 89.5) == 0.5
    assert breaker.refusal(now + 90) == 0


def test_probes_are_too_slow_from_the_slow_ratio_on() -> None:
    breaker = Breaker(replace(SMALL, probes=4))
    play(breaker, "-*4 @10 ~*3 +")
    assert breaker.state == OPEN


def test_a_ramp_begins_with_nothing_counted() -> None:
    breaker = Breaker(replace(SMALL, window_s=1000))
    play(breaker, "-*4 @10 +*3 +")
    assert breaker.state == HALF_OPEN


def test_a_call_of_the_ramp_that_ends_after_it_is_the_first_of_the_closed_breaker() -> None:
    breaker = Breaker(replace(SMALL, window_s=1000))
    now = play(breaker, "-*4 @10 +*3")
    generation = breaker.enter(now)
    breaker.failure(generation, now + 8.5)
    assert breaker.state == CLOSED
    assert breaker.describe(now + 8.5)["calls"] == 1


def test_what_went_before_it_opened_says_nothing_afterwards() -> None:
    breaker = Breaker(SMALL)
    before = breaker.enter(0.0)
    now = play(breaker, "-*4 @10 +*2")
    for teach in (breaker.failure, breaker.nothing):
        teach(before, now)
    breaker.success(before, now, 0.1)
    assert breaker.state == HALF_OPEN
    now = play(breaker, "+ @8 +", now)
    for _ in range(10):
        breaker.failure(before, now)
    assert breaker.state == CLOSED
    assert breaker.describe(now)["calls"] == 1


def test_switched_off_it_never_opens() -> None:
    breaker = Breaker(replace(SMALL, enabled=False))
    play(breaker, "-*1000")
    assert breaker.state == CLOSED
    assert breaker.describe(0.0)["state"] == "off"


def test_without_a_ramp_it_is_closed_once_the_probes_have_succeeded() -> None:
    breaker = Breaker(replace(SMALL, ramp_s=0))
    now = play(breaker, "-*4 @10 +*3")
    assert breaker.state_at(now) == CLOSED
    play(breaker, "+*10 -*3", now)
    assert breaker.state == CLOSED


def test_it_says_why_it_opened_and_what_is_left_of_it() -> None:
    breaker = Breaker(SMALL)
    assert breaker.describe(0.0) == {"state": "closed", "reason": "", "calls": 0, "failures": 0, "slow": 0, "retry_after_s": 0.0}
    now = play(breaker, "+*2 ~ -*3")
    why = "3 of 6 calls failed"
    assert breaker.describe(now) == {"state": "open", "reason": why, "calls": 6, "failures": 3, "slow": 1, "retry_after_s": 10.0}
    assert repr(breaker) == "<Breaker open, 3 failures>"
    assert breaker.describe(now + 10)["state"] == "half-open"
    now = play(breaker, "@10 ~*3", now)
    assert breaker.reason == "3 of 3 probes took 5 s or longer"
    now = play(breaker, "@20 +*3 @6", now)
    described = breaker.describe(now)
    assert (described["state"], described["reason"], described["share"]) == ("half-open", breaker.reason, 0.75)
    assert breaker.describe(now + 2)["state"] == "closed"
    play(breaker, "@2 +", now)
    assert breaker.reason == ""


@settings(deadline=None)
@given(st.lists(st.integers(0, 64), max_size=300))
def test_on_a_ramp_the_calls_that_go_are_the_share_of_those_that_come(ticks: list[int]) -> None:
    breaker = Breaker(SMALL)
    began = now = play(breaker, "-*4 @10 +*3")
    due, gone = 0.0, 0
    for tick in ticks:
        now += tick / 512
        if now >= began + SMALL.ramp_s:
            break
        due += max(0.1, (now - began) / SMALL.ramp_s)
        if breaker.refusal(now) == 0:
            breaker.success(breaker.enter(now), now, 0.1)
            gone += 1
        assert due - 0.1 - 1e-6 < gone <= due + 0.9 + 1e-6


class AgainstTheOracle(RuleBasedStateMachine):
    """Calls come, report, report late or never; the breaker does what the oracle says, and its places neither leak nor go below 0."""

    @initialize(probes=st.integers(1, 4), minimum=st.integers(1, 9), open_s=st.sampled_from([10, 70]), window_s=st.sampled_from([10, 40]))
    def begin(self, probes: int, minimum: int, open_s: float, window_s: float) -> None:
        self.settings = replace(SMALL, probes=probes, minimum_calls=minimum, open_s=open_s, max_open_s=3.5 * open_s, window_s=window_s)
        self.breaker, self.oracle = Breaker(self.settings), Oracle(self.settings)
        self.now = 100.0
        self.calls: list[tuple[int, Call]] = []

    def arrive(self) -> None:
        wait = self.breaker.refusal(self.now)
        call = self.oracle.arrive(self.now)
        assert (wait == 0) == (call is not None)
        if call is not None:
            self.calls.append((self.breaker.enter(self.now), call))
        elif self.oracle.phase == "open":
            assert wait == self.oracle.until - self.now
        else:
            assert 0 < wait <= 1

    def report(self, index: int, failed: bool, slow: bool) -> None:
        generation, call = self.calls.pop(index % len(self.calls))
        self.oracle.report(call, self.now, failed, slow and not failed)
        if failed:
            self.breaker.failure(generation, self.now)
        else:
            self.breaker.success(generation, self.now, 5.0 if slow else 0.5)

    @rule(ticks=st.integers(1, 640))
    def time_passes(self, ticks: int) -> None:
        self.now += ticks / 64

    @rule()
    def the_wait_is_over(self) -> None:
        self.now = max(self.now, self.oracle.until)

    @rule(count=st.integers(1, 6))
    def calls_come(self, count: int) -> None:
        for _ in range(count):
            self.arrive()

    @rule(count=st.integers(1, 6), failed=st.booleans(), slow=st.booleans())
    def calls_come_and_end(self, count: int, failed: bool, slow: bool) -> None:
        for _ in range(count):
            under_way = len(self.calls)
            self.arrive()
            if len(self.calls) > under_way:
                self.report(-1, failed, slow)

    @precondition(lambda self: self.calls)
    @rule(index=st.integers(0, 99), failed=st.booleans(), slow=st.booleans())
    def one_ends(self, index: int, failed: bool, slow: bool) -> None:
        self.report(index, failed, slow)

    @precondition(lambda self: self.calls)
    @rule(index=st.integers(0, 99))
    def one_teaches_nothing(self, index: int) -> None:
        generation, call = self.calls.pop(index % len(self.calls))
        self.oracle.nothing(call)
        self.breaker.nothing(generation, self.now)

    @precondition(lambda self: self.calls)
    @rule()
    def the_oldest_is_lost(self) -> None:
        self.calls.pop(0)

    @invariant()
    def they_agree(self) -> None:
        breaker, oracle, now = self.breaker, self.oracle, self.now
        assert breaker.state == STATES[oracle.phase]
        described = breaker.describe(now)
        assert (described["retry_after_s"] == 0) == oracle.goes(now)
        if oracle.phase in ("closed", "ramping") and not (oracle.phase == "ramping" and now >= oracle.until):
            assert (described["calls"], described["failures"], described["slow"]) == oracle.counted(now)
        assert breaker.describe(now) == described
        if oracle.phase == "probing":
            assert breaker._probing == len(oracle.probes) <= self.settings.probes
        assert breaker._probing >= 0


TestAgainstTheOracle = AgainstTheOracle.TestCase
TestAgainstTheOracle.settings = settings(deadline=None, max_examples=80, stateful_step_count=60)
