"""Octets behind a complete answer, were they only the beginning of another one: the connection is not used again (threats 8)."""

from __future__ import annotations

import pytest

from tests.support.cases import ask
from tests.support.lane import Lane
from tests.support.misbehaviour import CHUNKED, HELLO
from tests.support.origin import head, ok, script

COMPLETE = {
    "chunked": ("GET", CHUNKED + HELLO),
    "204": ("GET", head("204 No Content")),
    "304": ("GET", head("304 Not Modified", "Content-Length: 60")),
    "head": ("HEAD", head("200 OK", "Content-Length: 60")),
    "length": ("GET", ok()),
}
SURPLUS = {
    "half-a-head": b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\nConte",
    "one-letter": b"H",
    "empty-line": b"\r\n",
}


@pytest.mark.parametrize("surplus", SURPLUS)
@pytest.mark.parametrize("name", COMPLETE)
def test_surplus_ends_the_connection(lane: Lane, name: str, surplus: str) -> None:
    method, answer = COMPLETE[name]
    lane.origin.behaviours["s"] = script(answer + SURPLUS[surplus])
    lane.ask(ask(f"{method} ~/s"))
    (found,) = lane.own()
    assert lane.origin.wait(found.wire.closed.is_set, 1.0), "a connection that holds surplus octets waits for the next call"


def test_nobody_pays_for_half_an_answer(lane: Lane) -> None:
    """The rest of it comes when the next call is on its way, which must not be spoiled by it."""
    lane.origin.behaviours["s"] = script(CHUNKED + HELLO + b"HTTP/1.1 200 OK\r\nConte")
    lane.origin.behaviours["next"] = script(b"nt-Length: 4\r\n\r\nevil", 0.05, ok())
    lane.ask(ask("GET ~/s"))
    answer = lane.ask(ask("POST ~/next", "Content-Length: 0"))
    first, second = lane.own()
    assert first.wire is not second.wire, f"the connection was used again: {answer.status} {answer.body[:60]!r}"
