"""Places (faults 26, 28, 29, 53): a slow element keeps to its own, one place is taken in turns, and whoever leaves frees the one it had."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.support.origin import BODY, STALL, Recorded, Wire, ok, script
from tests.survival.scene import Scene, seconds, slug

NO_STORE = ok(BODY, "Cache-Control: no-store")
PATIENT = "Prefer: wait=10"


class Turnstile:
    """Answers after ``pause`` seconds, and knows how many it had at once."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._lock = threading.Lock()
        self.inside = self.most = 0

    def __call__(self, wire: Wire, request: Recorded) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(self._pause)
        with self._lock:
            self.inside -= 1
        wire.send(NO_STORE)


def test_a_slow_element_keeps_to_its_own_places(scene: Scene) -> None:
    """Five places, of which batch work may have four: it is refused first, at once, and others notice nothing."""
    scene.origin.behaviours["slow"] = script(STALL)
    batch = scene.planted.batch
    with scene.surviving("narrow") as counted:
        held = [scene.begin(f"GET ~/{number}/slow", customer="narrow") for number in range(4)]
        assert scene.origin.wait(lambda: scene.arrived("slow") == 4)
        assert slug(scene.call("GET ~/x", customer="narrow", key=batch)) == "overloaded"
        assert scene.call("GET ~/x", customer="narrow").status == 200
        held.append(scene.begin("GET ~/5/slow", customer="narrow"))
        assert scene.origin.wait(lambda: scene.arrived("slow") == 5)
        started = time.monotonic()
        assert {slug(scene.call("POST ~/x", customer="narrow")) for _ in range(5)} == {"overloaded"}
        assert seconds(started) < 0.5
        answers = [scene.call(f"GET ~/{number}", customer="unrepeated").status for number in range(10)]
        assert answers == [200] * 10
        for caller in held:
            caller.reset()
        assert scene.origin.wait(lambda: scene.call("GET ~/x", customer="narrow").status == 200)
    assert counted["problem overloaded"] >= 6
    assert counted["upstream none"] == 5
    assert counted["upstream 200"] == counted["requests 200"]


def test_one_at_a_time(scene: Scene) -> None:
    """Twenty callers who wait are all served, one after another, and are told for how long they waited."""
    turnstile = scene.origin.behaviours["turn"] = Turnstile(0.02)
    with scene.surviving("turns") as counted:
        started = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            calls = [pool.submit(scene.call, f"GET ~/{number}/turn", PATIENT, customer="turns") for number in range(20)]
            answers = [call.result() for call in calls]
        assert [answer.status for answer in answers] == [200] * 20
        assert {answer.value("preference-applied") for answer in answers} == {"wait=10"}
        assert turnstile.most == 1
        waited = sorted(float(answer.value("server-timing").partition("queue;dur=")[2].partition(",")[0]) for answer in answers)
        assert waited[-1] > 20, waited
        assert seconds(started) >= 20 * 0.02
    assert counted["upstream 200"] == counted["requests 200"] == 20
    assert counted["limited queued"] >= 18
    assert counted["limited rejected"] == 0


def test_who_does_not_wait_is_refused(scene: Scene) -> None:
    scene.origin.behaviours["silent"] = script(STALL)
    with scene.surviving("turns"):
        with scene.begin("GET ~/silent", customer="turns"):
            assert scene.origin.wait(lambda: scene.arrived("silent") == 1)
            for fields in ((), ("Prefer: wait=0",)):
                answer = scene.call("GET ~/x", *fields, customer="turns")
                assert slug(answer) == "rate-limited"
                assert "allows 1 call at a time" in answer.json()["detail"]
            row = scene.row("turns", "concurrency")
            assert row is not None
            assert (row["limit"], row["used"], row["remaining"], row["waiting"]) == (1, 1, 0, 0)
        assert scene.origin.wait(lambda: scene.call("GET ~/x", customer="turns").status == 200)


def test_those_who_leave_free_their_places(scene: Scene) -> None:
    """In mid-wait, before the answer, and in mid-answer: the next one goes at once, and nobody's call is made for nothing."""
    part = b"a" * 40_000
    scene.origin.behaviours |= {"silent": script(STALL), "half": script(ok(part, length=50_000), STALL)}
    with scene.surviving("abandoned") as counted:
        for name in ("silent", "half"):
            inside = scene.begin(f"POST ~/{name}", customer="abandoned")
            assert scene.origin.wait(lambda name=name: scene.arrived(name) == 1)  # type: ignore[misc]
            if name == "half":
                inside.wait_for(b"a" * 1000)
            waiting = [scene.begin("POST ~/left", PATIENT, customer="abandoned") for _ in range(6)]
            assert scene.origin.wait(lambda: (scene.row("abandoned", "concurrency") or {"waiting": 0})["waiting"] == 6)
            last = scene.begin("POST ~/last", PATIENT, customer="abandoned")
            assert scene.origin.wait(lambda: (scene.row("abandoned", "concurrency") or {"waiting": 0})["waiting"] == 7)
            for caller in waiting:
                caller.reset()
            assert scene.origin.wait(lambda: (scene.row("abandoned", "concurrency") or {"waiting": 0})["waiting"] == 1)
            started = time.monotonic()
            inside.reset()
            answer = last.answer("POST")
            assert answer is not None
            assert answer.status == 200
            assert seconds(started) < 1.0
            last.close()
        assert scene.arrived("left") == 0
    assert counted["requests 499"] + counted["requests 200"] == 16
    assert sorted(set(scene.outcomes())) == ["caller-left", "ok"]


def test_the_queue_is_bounded(scene: Scene) -> None:
    """Thirty may wait in this gateway; one more is refused, unless it is another caller's, for whom the noisiest gives a place up."""
    scene.origin.behaviours["silent"] = script(STALL)
    spare = scene.planted.spare
    with scene.surviving("crowded") as counted:
        inside = scene.begin("GET ~/silent", customer="crowded")
        assert scene.origin.wait(lambda: scene.arrived("silent") == 1)
        waiting = [scene.begin("POST ~/x", PATIENT, customer="crowded") for _ in range(30)]
        assert scene.origin.wait(lambda: (scene.row("crowded", "concurrency") or {"waiting": 0})["waiting"] == 30)
        late = scene.call("POST ~/x", PATIENT, customer="crowded")
        assert slug(late) == "rate-limited"
        assert "too many calls wait" in late.json()["detail"]
        other = scene.begin("POST ~/other", PATIENT, key=spare, customer="crowded")
        with waiting.pop() as newest:
            gave_way = newest.answer("POST")
            assert gave_way is not None
            assert slug(gave_way) == "rate-limited"
        inside.reset()
        answers = [caller.answer("POST") for caller in (*waiting, other)]
        assert [answer and answer.status for answer in answers] == [200] * 30
        for caller in (*waiting, other):
            caller.close()
    assert counted["limited rejected"] == 2
    assert counted["upstream 200"] == 30


def test_many_callers_one_key(scene: Scene) -> None:
    """A stampede on one answer that is not here yet (54): one call leaves. Where that is lost, it is made again for all."""
    scene.origin.behaviours["wanted"] = script(0.1, ok(BODY, "Cache-Control: max-age=60"))
    with scene.surviving("popular") as counted:
        assert {answer.status for answer in scene.many(40, "GET ~/wanted", customer="popular")} == {200}
        assert scene.arrived("wanted") == 1
    assert counted["requests 200"] == 40
    assert counted["upstream 200"] == 1
