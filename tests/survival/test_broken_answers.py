"""Answers that stall, break off or are none (faults 3-8, 13-17), of an element with one place only: a place that leaks ends the test."""

from __future__ import annotations

import time

import pytest

from tests.support.misbehaviour import CUT, HALF_HEAD, NONSENSE
from tests.support.origin import BODY, CLOSE, RESET, STALL, Step, chunked, head, ok, script
from tests.survival.scene import Scene, seconds, slug

CHUNKED = head("200 OK", "Transfer-Encoding: chunked", "Content-Type: application/json")
LONG = b"a" * 40_000
HEADS = {
    name: NONSENSE[name] for name in ("garbage", "ssh", "cl-and-te", "status-99", "head-1-mb", "101", "1xx-flood", "request-as-answer")
}
ODD_SLUGS = {"upstream-unreachable", "upstream-protocol-error"}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_answer_in_time(scene: Scene, method: str) -> None:
    """Once: nobody knows what the upstream is doing with it. The element's own time is what counts."""
    scene.origin.behaviours["silent"] = script(STALL)
    with scene.surviving("broken") as counted:
        started = time.monotonic()
        assert slug(scene.call(f"{method} ~/silent", customer="broken")) == "upstream-timeout"
        assert 0.3 < seconds(started) < 2.0
        assert scene.arrived("silent") == 1
        assert scene.origin.wait(lambda: all(item.wire.closed.is_set() for item in scene.own()))
        assert scene.call("GET ~/x", customer="broken").status == 200
    assert counted == {"requests 504": 1, "requests 200": 1, "upstream none": 1, "upstream 200": 1, "problem upstream-timeout": 1}
    assert scene.outcomes() == ["upstream-timeout", "ok"]


def test_slow_but_alive(scene: Scene) -> None:
    """An octet each 5 ms, for longer than any pause may be: no time-out is for the whole."""
    trickle: list[Step] = [step for _ in range(100) for step in (b"a", 0.005)]
    scene.origin.behaviours["trickle"] = script(ok(b"", length=100), *trickle)
    with scene.surviving("broken") as counted:
        started = time.monotonic()
        answer = scene.call("GET ~/trickle", customer="broken")
        assert (answer.status, answer.body, answer.complete) == (200, b"a" * 100, True)
        assert seconds(started) > 0.45
    assert counted == {"requests 200": 1, "upstream 200": 1}


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ((ok(LONG, length=50_000), STALL), "upstream-timeout"),
        ((CHUNKED + chunked(LONG, end=b""), STALL), "upstream-timeout"),
        ((ok(LONG, length=50_000), 0.02, CLOSE), "upstream-unreachable"),
        ((CHUNKED + chunked(LONG, end=b""), 0.02, CLOSE), "upstream-unreachable"),
        ((ok(LONG, length=50_000), 0.02, RESET), "upstream-unreachable"),
        ((CHUNKED + chunked(LONG, end=b""), 0.02, b"xyz\r\n"), "upstream-protocol-error"),
    ],
    ids=["stall", "stall-chunked", "short", "no-last-chunk", "reset", "bad-chunk"],
)
def test_broken_off(scene: Scene, steps: tuple[Step, ...], why: str) -> None:
    """The caller sees that it is not whole; it is not made again, and it has cost what a whole one costs."""
    scene.origin.behaviours["broken"] = script(*steps)
    used = (scene.row("broken", "10000/h") or {"used": 0})["used"]
    with scene.surviving("broken") as counted:
        started = time.monotonic()
        with scene.begin("GET ~/broken", customer="broken") as caller:
            answer = caller.answer()
            assert answer is not None
            assert (answer.status, answer.complete) == (200, False)
            assert caller.ended() != "open"
        assert seconds(started) < 1.5
        assert scene.call("GET ~/x", customer="broken").status == 200
        assert scene.arrived("broken") == 1
    assert counted == {"requests 200": 2, "upstream 200": 2}
    assert scene.outcomes() == [f"broken-off:{why}", "ok"]
    row = scene.row("broken", "10000/h")
    assert row is not None
    assert row["used"] - used == 2


def test_every_way_to_cut_an_answer(scene: Scene) -> None:
    """With one place: each call can go only because the one before it has left nothing."""
    scene.origin.behaviours |= {name: script(*steps) for name, steps in CUT.items()}
    with scene.surviving("broken") as counted:
        for name in CUT:
            with scene.begin(f"GET ~/{name}", customer="broken") as caller:
                answer = caller.answer()
                assert answer is None or not answer.complete or slug(answer) in ODD_SLUGS, (name, answer)
    assert sum(number for name, number in counted.items() if name.startswith("requests")) == len(CUT)
    assert not [item for item in scene.outcomes() if item == "ok"]


def test_every_answer_that_is_none(scene: Scene) -> None:
    """502 once each: an upstream that answers nonsense has had the call."""
    odd = HEADS | HALF_HEAD
    scene.origin.behaviours |= {name: script(*steps) for name, steps in odd.items()}
    with scene.surviving("broken") as counted:
        for name in odd:
            answer = scene.call(f"GET ~/{name}", customer="broken")
            assert slug(answer) == "upstream-protocol-error", name
            assert scene.arrived(name) == 1, name
        assert scene.call("GET ~/x", customer="broken").body == BODY
    many = len(odd)
    assert counted == {
        "requests 502": many,
        "upstream none": many,
        "problem upstream-protocol-error": many,
        "requests 200": 1,
        "upstream 200": 1,
    }
