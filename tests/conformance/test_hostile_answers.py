"""Answers that are broken on the wire: none is kept as if it were whole, and none spoils what comes after it."""

from __future__ import annotations

import pytest

from tests.conformance.turns import Turns, saying
from tests.support.cases import ask
from tests.support.origin import CLOSE, RESET, chunked, head
from tests.support.wire import Action

FRESH = "Cache-Control: max-age=3600"
TEXT = "Content-Type: text/plain"
GOOD = saying(FRESH, body=b"good")


def broken(length: str, body: bytes = b"bad") -> bytes:
    return head("200 OK", TEXT, FRESH, f"Content-Length: {length}") + body


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(broken("4"), id="longer than it is"),
        pytest.param(broken("100000"), id="much longer"),
        pytest.param(broken("18446744073709551617"), id="longer than 64 bits"),
        pytest.param(broken("-1"), id="negative"),
        pytest.param(broken("3, 4"), id="two"),
        pytest.param(broken("0x3"), id="hexadecimal"),
        pytest.param(broken("3\r\nContent-Length: 4"), id="two lines"),
        pytest.param(broken("3\r\nTransfer-Encoding: chunked"), id="length and chunks"),
        pytest.param(head("200 OK", TEXT, FRESH, "Transfer-Encoding: chunked") + chunked(b"bad", end=b""), id="chunks without an end"),
        pytest.param(head("200 OK", TEXT, FRESH, "Transfer-Encoding: chunked") + b"3\r\nb", id="half a chunk"),
        pytest.param(head("200 OK", TEXT, FRESH, "Transfer-Encoding: chunked") + b"zz\r\nbad\r\n", id="a size that is none"),
    ],
)
@pytest.mark.parametrize("ending", [CLOSE, RESET])
def test_what_did_not_arrive_whole_is_not_kept(turns: Turns, octets: bytes, ending: Action) -> None:
    turns.answers((octets, ending), GOOD)
    with turns.lane.caller() as caller:
        turns.lane.send(caller, ask(f"GET ~/{turns.name}"))
        first = caller.answer()
    assert first is None or not first.complete or first.status == 502 or first.body == b"good"  # it may have asked again
    assert turns.get().body == b"good"
    assert turns.get().value("cache-status").startswith("gateway; hit")


def test_what_comes_after_the_stated_length_belongs_to_nobody(turns: Turns) -> None:
    """The answer itself is whole, and may be kept; the rest is no part of it, nor of the next one."""
    turns.answers(broken("2", b"ok" + GOOD), GOOD)
    assert turns.get().body == b"ok"
    other = Turns(turns.lane)
    other.answers(saying(body=b"another"))
    assert other.get().body == b"another"
    assert turns.get().body in (b"ok", b"good")


LONG = "x" * 64 * 1024


@pytest.mark.parametrize("name", ["Cache-Control", "CDN-Cache-Control", "Vary", "ETag", "Expires", "Age", "X-Other"])
def test_a_value_of_64_kib_is_refused_or_passed_and_hurts_nothing(turns: Turns, name: str) -> None:
    turns.answers(saying(f"{name}: {LONG}"), GOOD)
    with turns.lane.caller() as caller:
        turns.lane.send(caller, ask(f"GET ~/{turns.name}"))
        answer = caller.answer()
    assert answer is not None
    assert answer.status in (200, 502)
    assert turns.get().status == 200
    turns.lane.sentinel()
