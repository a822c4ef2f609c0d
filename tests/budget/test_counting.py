"""The counters count what they say, and nothing else."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter

import pytest

from bench.origin import Origin
from bench.steps.clock import PAUSE_S, Clock
from bench.steps.counting import Calls, Counts, Instructions, named
from gateway.paths import shape_of
from gateway.telemetry.tally import Tally


@pytest.fixture(autouse=True)
def _seen_before() -> None:
    """Python 3.12 tells of the instructions of a function from the second time on."""
    with Instructions(Counter()):
        shape_of("/contacts/7")


def test_each_instruction_of_the_gateway_is_counted_and_none_of_others():
    seen: list[int] = []
    for times in (1, 2, 2):
        counts: Counts = Counter()
        with Instructions(counts):
            json.loads("[1]")
            for _ in range(times):
                shape_of("/contacts/7")
        assert [name for name in named(counts) if name != "paths.py _is_word"] == ["paths.py shape_of"]
        seen.append(counts[shape_of.__code__])
    assert seen[1] == seen[2] == 2 * seen[0] > 0


def test_calls_in_python_count_for_themselves_and_those_in_c_for_their_caller():
    counts: Counts = Counter()
    with Calls(counts):
        Tally().add(0.5)
    assert counts[Tally.add.__code__] == 1
    assert named(counts)["telemetry/tally.py bucket_of"] == 2  # itself, and the search that it has done in C


def test_who_asks_and_who_answers_is_not_counted():
    counts: Counts = Counter()
    origin = Origin(b"")
    with Calls(counts):
        origin.data_received(b"GET / HTTP/1.1\r\n")
    assert not [code for code in counts if code.co_filename.endswith("origin.py")]


async def test_tasks_that_have_nothing_to_do_with_it_are_left_out():
    async def shaping(path: str) -> str:
        return shape_of(path)

    other, own = asyncio.create_task(shaping("/contacts/7")), asyncio.create_task(shaping("/contacts/7"))
    alone: Counts = Counter()
    with Instructions(alone):
        shape_of("/contacts/7")
    for counting in (Instructions, Calls):
        counts: Counts = Counter()
        with counting(counts, frozenset({other})):
            await asyncio.gather(other, own)
            assert counts[shape_of.__code__] > 0
        if counting is Instructions:
            assert counts == alone
        other, own = asyncio.create_task(shaping("/contacts/7")), asyncio.create_task(shaping("/contacts/7"))
    await asyncio.gather(other, own)


def test_who_looked_before_looks_again_afterwards():
    before = sys.gettrace(), sys.getprofile()
    counts: Counts = Counter()
    with Instructions(counts), Calls(counts):
        assert (sys.gettrace(), sys.getprofile()) != before
    assert (sys.gettrace(), sys.getprofile()) == before
    counts.clear()
    shape_of("/contacts/7")
    assert not counts


def test_the_clock_stands_but_for_a_moment_each_reading_and_goes_on_when_told():
    clock = Clock()
    first, wall = clock.monotonic(), clock.time()
    time.sleep(0.01)
    assert 0 < clock.monotonic() - first < 1e-4
    assert abs(clock.time() - wall) < 1e-4
    assert abs(wall - time.time()) < 60
    clock.go_on()
    assert clock.monotonic() - first >= 0.01
    now = clock.monotonic()
    clock.go_on(100.0)
    assert 100.0 <= clock.monotonic() - now < 100.0 + PAUSE_S
