"""What a review of the fast paths found, each once more: what they hold has an end."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from gateway.server import fastpath
from gateway.server.data_connection import DataConnection
from gateway.telemetry.metrics import MAX_SHAPES
from tests.fastpath.asking import AGENT, SCRIPTS, get, post
from tests.fastpath.conftest import Make
from tests.fastpath.sides import Pair, Side
from tests.support.origin import BODY, Recorded, head, script
from tests.support.raw import Caller

AGENT_1 = AGENT.format("review of memory")


@pytest.fixture
def pair(own: Make) -> object:
    with own() as made:
        made.behave(**SCRIPTS)
        yield made


def ask(side: Side, caller: Caller, octets: bytes, method: str = "GET") -> str:
    """The answer's status and fields, as text."""
    caller.send(side.filled(octets))
    answer = caller.answer(method)
    assert answer is not None
    return f"{answer.status} {answer.fields}"


def known_answers(side: Side) -> int:
    repeating: Any = side.listener._repeating
    return side.at(lambda: len(repeating._known))


def forms_of(side: Side) -> list[Any]:
    """The forms of every known caller."""
    forwarding: Any = side.listener._forwarding
    return side.at(lambda: [forms for known in forwarding.callers.known.values() for forms in known.forms.values()])


def test_a_purge_lets_go_of_what_was_known_at_once(pair: Pair) -> None:
    side = pair.fast
    caller = pair.caller(side)
    for number in range(5):
        for _ in range(4):
            ask(side, caller, get(f"/c/{number}/fresh", AGENT_1))
    assert side.taken["repeated"] >= 5
    assert known_answers(side) == 5
    assert side.operator("POST", "/admin/v1/cache:purge", {"customer": "acme"}).status < 300
    assert known_answers(side) == 0


def test_an_entry_tells_no_more_heads_than_are_known(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastpath, "MOST_KNOWN", 4)
    side = pair.fast
    caller = pair.caller(side)
    for number in range(12):  # heads without end for one stored answer
        for _ in range(4):
            ask(side, caller, get("/c/9/fresh", AGENT.format(f"number {number}")))
    assert side.taken["repeated"] >= 12
    repeating: Any = side.listener._repeating
    told = side.at(lambda: {len(known.held.gone) for known in repeating._known.values()})
    assert told == {known_answers(side)} == {4}
    held = side.at(lambda: next(iter(repeating._known.values())).held)
    side.at(repeating._forget_all)
    assert not held.gone


def test_a_write_lets_go_of_what_was_known_at_once(pair: Pair) -> None:
    side = pair.fast
    caller = pair.caller(side)
    for _ in range(4):
        ask(side, caller, get("/c/7/fresh", AGENT_1))
    assert known_answers(side) == 1
    ask(side, caller, post("/c/7/fresh", b"{}", AGENT_1, method="DELETE"), "DELETE")
    assert known_answers(side) == 0


@pytest.mark.parametrize("name", ["X-RateLimit-Remaining", "X-Elements-Trace"])
def test_an_upstream_that_counts_is_known_all_the_same(pair: Pair, name: str) -> None:
    side, numbers = pair.fast, count(1000)

    def counted(request: Recorded) -> bytes:
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        fields = f"Date: {date}", "Cache-Control: no-store", f"{name}: {next(numbers)}", f"Content-Length: {len(BODY)}"
        return head("200 OK", *fields) + BODY

    pair.behave(counted=script(counted))
    caller = pair.caller(side)
    for number in range(12):
        ask(side, caller, get(f"/c/{number}/counted", AGENT_1))
    before = side.taken["answered"]
    for number in range(60):
        said = ask(side, caller, get(f"/c/{number}/counted", AGENT_1))
        assert f"'{name}', '{1012 + number}'" in said
    assert side.taken["answered"] - before == 60
    assert 1 <= sum(len(forms.known) for forms in forms_of(side)) <= 2


def test_upstreams_that_differ_each_time_leave_few_forms(pair: Pair) -> None:
    """Where what differs may not be cut out, each is another form; only so many are kept."""
    side, numbers = pair.fast, count()

    def other(request: Recorded) -> bytes:
        fields = "Cache-Control: no-store", f"Vary: X-{next(numbers) // 3}", f"Content-Length: {len(BODY)}"
        return head("200 OK", time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()), *fields) + BODY

    pair.behave(other=script(other))
    caller = pair.caller(side)
    for number in range(90):
        ask(side, caller, get(f"/c/{number}/other", AGENT_1))
    for forms in forms_of(side):
        assert len(forms.known) <= 8
        assert len(forms._seen) <= 8


def _word(number: int) -> str:
    letters = ""
    for _ in range(6):
        number, letter = divmod(number, 26)
        letters += chr(ord("a") + letter)
    return letters


def test_paths_without_end_leave_no_more_than_those_that_are_counted_apart(pair: Pair) -> None:
    side = pair.fast
    caller = pair.caller(side)
    for number in range(MAX_SHAPES + 40):
        ask(side, caller, get(f"/{_word(number)}/plain", AGENT_1))
    assert side.taken["answered"] >= MAX_SHAPES + 30
    text = side.operator("GET", "/metrics").body.decode()  # all is settled
    assert 'resource="other"' in text
    held = [len(form.notes._upstreams) for forms in forms_of(side) for form in forms.known.values()]
    assert held
    assert max(held) <= MAX_SHAPES


BODY_60 = b"x" * 60_000


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(lambda: get("/c/1/plain", "X-Unknown: 1"), id="corridor"),
        pytest.param(lambda: post("/c/1/plain", BODY_60, "X-Unknown: 1"), id="body"),
        pytest.param(lambda: get("/c/1/fresh", AGENT_1), id="hit"),
        pytest.param(lambda: get("/c/1/plain", AGENT_1), id="forwarded"),
        pytest.param(lambda: post("/c/1/500", b"{}", AGENT_1), id="handed over"),
        pytest.param(lambda: get("/c/1/404", AGENT_1, "X-Unknown: 1"), id="error"),
        pytest.param(lambda: get("/c/1/plain").replace(b"@KEY:usual@", b"gwk_nobody"), id="refused"),
        pytest.param(lambda: b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n", id="healthz"),
    ],
)
def test_a_connection_at_rest_holds_no_request(pair: Pair, last: Callable[[], bytes]) -> None:
    side = pair.fast
    caller = pair.caller(side)
    for number in range(4):
        ask(side, caller, get(f"/c/{number}/plain", AGENT_1))
        ask(side, caller, post(f"/c/{number}/plain", b"{}", AGENT_1), "POST")
    ask(side, caller, last(), last().split(b" ")[0].decode())
    assert caller.ending == "open"

    def heads() -> list[bytes | None]:
        mine = [one for one in gc.get_objects() if isinstance(one, DataConnection) and one._manager is not None]
        mine = [one for one in mine if one._manager.shedder is side.listener.shedder and one.transport is not None]  # type: ignore[union-attr]
        return [one.head for one in mine]

    assert side.at(heads) == [None]
