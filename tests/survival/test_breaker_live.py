"""The circuit breaker on a real upstream (faults 24, 55): four calls, half of them failed, open it for 0.8 s; two probes close it."""

from __future__ import annotations

import time

import pytest

from tests.support.answers import Answer
from tests.support.origin import BODY, CLOSE, STALL, Step, head, ok, script
from tests.survival.scene import Scene, seconds, slug

CLOSED, HALF_OPEN, OPEN = 0, 1, 2
OPEN_S = 0.8


def unwell(scene: Scene, name: str, status: str = "503 Service Unavailable") -> None:
    scene.origin.behaviours[name] = script(head(status, "Content-Length: 0"))


def trip(scene: Scene, element: str) -> float:
    """Open the element's breaker; when that was."""
    unwell(scene, "unwell")
    for _ in range(8):
        if scene.state("gateway_breaker_state", element) == OPEN:
            return time.monotonic()
        assert scene.call("GET ~/unwell", customer=element).status == 503
    raise AssertionError("eight failed calls, and it is not open")


def refused(answer: Answer) -> None:
    assert slug(answer) == "circuit-open"
    assert 1 <= int(answer.value("retry-after")) <= 2


def rested(opened: float, doublings: int = 0) -> None:
    """Sleep until the breaker's rest is over."""
    time.sleep(max(0.0, opened + OPEN_S * 2**doublings + 0.05 - time.monotonic()))


def test_a_storm_opens_it_and_probes_close_it(scene: Scene) -> None:
    with scene.surviving("fragile") as counted:
        opened = trip(scene, "fragile")
        arrived = len(scene.own())
        took = []
        for _ in range(5):
            started = time.monotonic()
            refused(scene.call("GET ~/x", customer="fragile"))
            took.append(seconds(started))
        assert min(took) < 0.01, took
        assert len(scene.own()) == arrived, "a call went while it was open"
        assert scene.call("GET ~/x").status == 200, "another element is not to blame"
        assert scene.call("GET ~/x", customer="unrepeated").status == 200
        rested(opened)
        assert scene.state("gateway_breaker_state", "fragile") == HALF_OPEN
        assert [scene.call("GET ~/x", customer="fragile").status for _ in range(6)] == [200] * 6
        assert scene.state("gateway_breaker_state", "fragile") == CLOSED
    assert counted == {"requests 503": 9, "upstream 503": 4, "problem circuit-open": 5, "requests 200": 6, "upstream 200": 6}
    assert scene.outcomes()[4:9] == ["circuit-open"] * 5
    said = [line for line in scene.gateway.text.splitlines() if "circuit breaker" in line and "fragile" in line]
    assert "open" in said[0], "the log does not say that it opened"
    assert "4 of 4 calls failed" in said[0]


def test_a_probe_that_fails_opens_it_for_longer(scene: Scene) -> None:
    with scene.surviving("reopened"):
        opened = trip(scene, "reopened")
        rested(opened)
        assert scene.call("GET ~/unwell", customer="reopened").status == 503
        opened = time.monotonic()
        time.sleep(OPEN_S + 0.05)
        refused(scene.call("GET ~/x", customer="reopened"))
        rested(opened, 1)
        assert [scene.call("GET ~/x", customer="reopened").status for _ in range(3)] == [200] * 3
        assert scene.state("gateway_breaker_state", "reopened") == CLOSED


def test_probes_whose_callers_leave_do_not_wedge_it(scene: Scene) -> None:
    """Two may go; both leave without an answer: their places are free for the next two."""
    scene.origin.behaviours["silent"] = script(STALL)
    with scene.surviving("leavers") as counted:
        opened = trip(scene, "leavers")
        rested(opened)
        for due in (2, 4, 6):
            probes = [scene.begin("POST ~/silent", customer="leavers") for _ in range(2)]
            assert scene.origin.wait(lambda due=due: scene.arrived("silent") == due)  # type: ignore[misc]
            refused(scene.call("GET ~/x", customer="leavers"))
            for probe in probes:
                probe.reset()
            assert scene.origin.wait(lambda: all(item.wire.closed.is_set() for item in scene.own() if item.target.endswith("silent")))
        assert scene.origin.wait(lambda: scene.call("GET ~/x", customer="leavers").status == 200, 1.0)
        assert scene.call("GET ~/x", customer="leavers").status == 200
        assert scene.state("gateway_breaker_state", "leavers") == CLOSED
    assert counted["requests 499"] == 6


def test_what_teaches_nothing_never_opens_it(scene: Scene) -> None:
    """Callers who leave, or have no time; what is not implemented, callers' own mistakes, a provider's spent limit."""
    scene.origin.behaviours["silent"] = script(STALL)
    with scene.surviving("refusals") as counted:
        leaving = [scene.begin("POST ~/silent", customer="refusals") for _ in range(8)]
        assert scene.origin.wait(lambda: scene.arrived("silent") == 8)
        for caller in leaving:
            caller.reset()
        short = [scene.begin("POST ~/silent", "Gateway-Timeout: 0.1", customer="refusals") for _ in range(30)]
        for caller in short:
            assert caller.answer("POST") is not None
            caller.close()
        for status in ("400", "403", "404", "409", "422", "501", "505", "429"):
            unwell(scene, "said", f"{status} Odd")
            answers = [scene.call(f"GET ~/{status}/said", customer="refusals") for _ in range(6)]
            assert {answer.status for answer in answers} == {int(status)}
        assert scene.state("gateway_breaker_state", "refusals") == CLOSED
    assert (counted["requests 499"], counted["requests 504"]) == (8, 30)
    assert counted["upstream 505"] == 6
    assert counted["upstream 429"] == 1


@pytest.mark.parametrize("steps", [(ok(b"a" * 40_000, length=50_000), 0.02, CLOSE), (CLOSE,)], ids=["in-mid-body", "empty"])
def test_answers_that_break_off_open_it(scene: Scene, steps: tuple[Step, ...]) -> None:
    """A head alone is no success. (The first parameter leaves it closed again for the second.)"""
    scene.origin.behaviours["cut"] = script(*steps)
    with scene.surviving("torn"):
        for _ in range(8):
            with scene.begin("GET ~/cut", customer="torn") as caller:
                caller.answer()
            if scene.state("gateway_breaker_state", "torn") == OPEN:
                break
        opened = time.monotonic()
        refused(scene.call("GET ~/x", customer="torn"))
        rested(opened)
        assert [scene.call("GET ~/x", customer="torn").status for _ in range(3)] == [200] * 3
        assert scene.state("gateway_breaker_state", "torn") == CLOSED


def test_stale_answers_while_it_is_open(scene: Scene) -> None:
    """``spared`` keeps answers for a second, and gives them for an hour where the upstream fails."""
    scene.origin.behaviours["kept"] = script(ok(BODY, "Cache-Control: max-age=1"))
    with scene.surviving("spared") as counted:
        assert scene.call("GET ~/kept", customer="spared").status == 200
        stored = time.monotonic()
        trip(scene, "spared")
        time.sleep(max(0.0, stored + 1.1 - time.monotonic()))
        scene.origin.behaviours["kept"] = scene.origin.behaviours["unwell"]
        trip(scene, "spared")
        arrived = len(scene.own())
        answer = scene.call("GET ~/kept", customer="spared")
        assert (answer.status, answer.body) == (200, BODY)
        assert "circuit-open" in answer.value("cache-status")
        assert int(answer.value("age")) >= 1
        refused(scene.call("GET ~/never-seen", customer="spared"))
        refused(scene.call("POST ~/kept", customer="spared"))
        assert len(scene.own()) == arrived
    assert counted["problem circuit-open"] == 2
