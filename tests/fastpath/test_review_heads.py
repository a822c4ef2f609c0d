"""What a review of the fast paths found, each once more: an upstream's head that the corridor refuses is refused each time."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

import pytest

from tests.fastpath.asking import AGENT, SCRIPTS, get
from tests.fastpath.conftest import Make
from tests.fastpath.sides import Pair
from tests.fastpath.test_review import Lines, taken
from tests.support.origin import Recorded, script

AGENT_1 = AGENT.format("review of heads")


@pytest.fixture
def pair(own: Make) -> object:
    with own() as made:
        made.behave(**SCRIPTS)
        yield made


def _odd(line: bytes, more: bytes = b"") -> Callable[[Recorded], bytes]:
    def made(_: Recorded) -> bytes:
        fields = f"Content-Type: text/plain\r\nCache-Control: no-store\r\nDate: {formatdate(usegmt=True)}\r\n".encode()
        return line + fields + more + b"Content-Length: 2\r\n\r\nhi"

    return made


ODD = {
    "control": _odd(b"HTTP/1.1 200 OK\x0bX\r\n"),
    "bare-feed": _odd(b"HTTP/1.1 200 OK\nContent-Length: 9\r\n"),
    "many": _odd(b"HTTP/1.1 200 OK\r\n", b"".join(b"X-%d: a\r\n" % number for number in range(300))),
    "long": _odd(b"HTTP/1.1 200 OK\r\n", b"X-L: " + b"a" * 40_000 + b"\r\n"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_head_that_is_refused_is_refused_each_time(pair: Pair, name: str) -> None:
    pair.behave(**{name: script(ODD[name])})
    lines = Lines(pair)

    def good(times: int) -> None:
        for _ in range(times):
            assert lines.statuses(get("/c/1/plain", AGENT_1)) == [200, 200]

    good(5)
    for number in range(4):
        asking = pair.fast.taken["begun"]
        answers = lines.ask(get(f"/c/{number}/{name}", AGENT_1))
        assert pair.fast.taken["begun"] > asking, "it did not leave on the fast path"
        assert [answer.status for answer in answers] == [502, 502], f"answer {number}"
        assert [answer.json()["type"] for answer in answers] == ["urn:gateway:problem:upstream-protocol-error"] * 2
        good(3)


@pytest.mark.parametrize("field", ["X-Trace", "Elements-Request-Id", "X-RateLimit-Remaining"])
def test_a_field_that_differs_each_time_is_refused_when_it_is_too_long(pair: Pair, field: str) -> None:
    """It is cut out of the head, and so is no part of what is recognized."""

    def counted(request: Recorded) -> bytes:
        number = len(request.wire._origin.requests)
        value = "a" * 40_000 if request.target.endswith("?long") else str(number)
        return _odd(b"HTTP/1.1 200 OK\r\n", f"{field}: {value}\r\n".encode())(request)

    pair.behave(counted=script(counted))
    lines = Lines(pair)
    for number in range(8):
        assert lines.statuses(get(f"/c/{number}/counted", AGENT_1)) == [200, 200]
    assert taken(pair, lambda: lines.ask(get("/c/9/counted", AGENT_1))) == 1
    for _ in range(2):
        assert lines.statuses(get("/c/1/counted?long", AGENT_1)) == [502, 502]
        lines.ask(get("/c/1/counted", AGENT_1))
