"""How long a call may take: the caller's own word, the element's, and which of them wins (faults 3-5)."""

from __future__ import annotations

import time

import pytest

from tests.support.origin import STALL, Step, head, ok, script
from tests.survival.scene import Scene, seconds, slug

SOON = "Gateway-Timeout: 0.3"
CHUNKED = head("200 OK", "Transfer-Encoding: chunked")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_callers_deadline_wins(scene: Scene, fresh: str, method: str) -> None:
    """An answer may take five seconds here; this caller has 0.3. Nothing is made again for it, and its field goes no further."""
    scene.origin.behaviours["silent"] = script(STALL)
    with scene.surviving(fresh) as counted:
        started = time.monotonic()
        assert slug(scene.call(f"{method} ~/silent", SOON, customer=fresh)) == "upstream-timeout"
        assert 0.29 <= seconds(started) < 1.0
        (found,) = scene.own()
        assert not found.values("gateway-timeout")
        assert scene.origin.wait(found.wire.closed.is_set)
    assert counted == {"requests 504": 1, "upstream none": 1, "problem upstream-timeout": 1}


def test_the_elements_deadline_holds_for_who_says_nothing(scene: Scene) -> None:
    scene.origin.behaviours["silent"] = script(STALL)
    with scene.surviving("timed"):
        started = time.monotonic()
        assert slug(scene.call("GET ~/silent", customer="timed")) == "upstream-timeout"
        assert slug(scene.call("GET ~/silent", "Gateway-Timeout: 9", customer="timed")) == "upstream-timeout"
        assert 0.6 <= seconds(started) < 1.6


@pytest.mark.parametrize("status", ["200 OK", "503 Service Unavailable"])
def test_over_in_mid_body(scene: Scene, fresh: str, status: str) -> None:
    """Octets keep coming, and no pause is too long: the whole is. An error's body is read before it is passed on."""
    trickle: list[Step] = [step for _ in range(300) for step in (b"1\r\na\r\n", 0.01)]
    scene.origin.behaviours["long"] = script(head(status, "Transfer-Encoding: chunked"), *trickle)
    with scene.surviving(fresh) as counted:
        started = time.monotonic()
        with scene.begin("GET ~/long", SOON, customer=fresh) as caller:
            answer = caller.answer()
            assert answer is not None
            assert 0.29 <= seconds(started) < 1.2
            assert slug(answer) == "upstream-timeout" if status[0] == "5" else not answer.complete
        assert scene.arrived("long") == 1
        assert scene.origin.wait(scene.own()[0].wire.closed.is_set)
    assert counted[f"upstream {status[:3]}"] == 1
    assert scene.outcomes() == ["upstream-timeout" if status[0] == "5" else "broken-off:upstream-timeout"]


def test_over_in_the_queue(scene: Scene, fresh: str) -> None:
    """Somebody has the only place. A caller may wait ten seconds for it, but has 0.3 in all: it is refused then, and never leaves."""
    scene.origin.behaviours["silent"] = script(STALL)
    with scene.surviving(fresh) as counted:
        first = scene.begin("GET ~/silent", "Gateway-Timeout: 1.5", customer=fresh)
        assert scene.origin.wait(lambda: scene.arrived("silent") == 1)
        started = time.monotonic()
        late = scene.call("GET ~/x", SOON, "Prefer: wait=10", customer=fresh)
        assert slug(late) == "rate-limited"
        assert late.value("preference-applied") == "wait=10"
        assert 0.25 <= seconds(started) < 1.0
        assert scene.arrived("x") == 0
        answer = first.answer()
        assert answer is not None
        assert slug(answer) == "upstream-timeout"
        first.close()
    assert counted["limited queued"] + counted["limited rejected"] == 1


def test_no_time_for_a_second_try(scene: Scene, fresh: str) -> None:
    """What failed is made again only if the caller would still hear of it."""
    unwell = head("503 Service Unavailable", "Content-Length: 0", "Retry-After: 1")
    scene.origin.behaviours["unwell"] = script(unwell)
    with scene.surviving(fresh):
        started = time.monotonic()
        assert scene.call("GET ~/unwell", SOON, customer=fresh).status == 503
        assert seconds(started) < 0.3
        assert scene.arrived("unwell") == 1


def test_an_elements_own_time_for_an_answer(scene: Scene, fresh: str) -> None:
    """``hasty`` has 0.2 s for a head, everybody else five."""
    scene.origin.behaviours["half"] = script(0.9, ok())
    with scene.surviving("hasty"):
        assert slug(scene.call("GET ~/half", customer="hasty")) == "upstream-timeout"
        assert scene.call("GET ~/half", customer=fresh).status == 200


@pytest.mark.parametrize("said", ["0", "-1", "soon", "1e3", "1.0000", "999999", "5, 5"])
def test_what_is_no_time(scene: Scene, fresh: str, said: str) -> None:
    answer = scene.call("GET ~/x", f"Gateway-Timeout: {said}", customer=fresh)
    assert slug(answer) == "bad-request"
    assert "Gateway-Timeout" in answer.json()["detail"]
    assert scene.arrived("x") == 0
