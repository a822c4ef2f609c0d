"""What a review of the fast paths found, each once more: calls that differ in size, ids or method take them all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fastpath.asking import AGENT, SCRIPTS, dated, get, post
from tests.fastpath.conftest import Make
from tests.fastpath.sides import Pair
from tests.fastpath.test_review import Lines, taken
from tests.support.origin import Recorded, script

AGENT_1 = AGENT.format("review of sizes")


@pytest.fixture
def pair(own: Make) -> object:
    with own() as made:
        made.behave(**SCRIPTS)
        yield made


def _sized(request: Recorded) -> bytes:
    """500 and 5,000 octets in turn."""
    number = len(request.wire._origin.requests)
    return dated("200 OK", "Cache-Control: no-store", body=b"x" * (500, 5000)[number % 2])(request)


def _request_id(number: int) -> str:
    return f"X-Request-Id: r{'0' * (number % 7)}{number}"


MIXES: dict[str, Callable[[int], bytes]] = {
    "bodies": lambda number: post("/c/1/plain", b"x" * (500, 5000)[number % 2], AGENT_1),
    "answers": lambda number: get("/c/1/sized", AGENT_1),
    "ids": lambda number: get("/c/1/plain", AGENT_1, _request_id(number)),
    "methods": lambda number: post("/c/1/plain", b"{}", AGENT_1) if number % 2 else get("/c/1/plain", AGENT_1),
    "methods-and-ids": lambda number: (
        post("/c/1/plain", b"1" * number, AGENT_1, _request_id(number)) if number % 2 else get("/c/1/sized", AGENT_1, _request_id(number))
    ),
}


@pytest.mark.parametrize("mix", MIXES)
def test_calls_that_differ_in_size_or_ids_or_method_all_take_the_fast_path(pair: Pair, mix: str) -> None:
    pair.behave(sized=script(_sized))
    lines = Lines(pair)

    def play(first: int, last: int) -> None:
        for number in range(first, last):
            octets = MIXES[mix](number)
            assert lines.statuses(octets, octets.split(b" ")[0].decode()) == [200, 200]

    play(0, 12)
    assert taken(pair, lambda: play(12, 32)) == 20


def test_five_hundred_octets_and_then_five_thousand(pair: Pair) -> None:
    lines = Lines(pair)
    for _ in range(6):
        lines.ask(post("/c/1/plain", b"1" * 500, AGENT_1), "POST")
    assert taken(pair, lambda: [lines.ask(post("/c/1/plain", b"1" * 5000, AGENT_1), "POST") for _ in range(5)]) == 5
    assert {len(request.payload) for side in pair for request in side.origin.requests} == {500, 5000}
