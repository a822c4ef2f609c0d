"""Pauses and kept answers, where they meet the limits: who is paused waits in no line, and a replay costs nothing."""

from __future__ import annotations

import time

from tests.support.origin import BODY, CLOSE, STALL, Behaviour, Recorded, Wire, ok, script
from tests.survival.scene import Scene, seconds, slug

KEYED = ("Content-Type: application/json", "Content-Length: 7")
BODY_UP = b'{"a":1}'


def test_a_paused_customer_waits_in_no_line(scene: Scene) -> None:
    """Its one call an hour is spent, and it may wait five seconds: while it is paused it is told so at once, and afterwards waits."""
    with scene.surviving("paused") as counted:
        assert scene.call("GET ~/x", customer="paused").status == 200
        pause = {"environment": "dev", "customer": "paused", "reason": "maintenance", "for": "60s"}
        made = scene.admin("POST", "/admin/v1/pauses", pause)
        assert made.status == 201, made.body
        assert scene.origin.wait(lambda: slug(scene.call("GET ~/x", "Prefer: wait=0", customer="paused")) == "paused")
        started = time.monotonic()
        assert slug(scene.call("GET ~/x", "Prefer: wait=5", customer="paused")) == "paused"
        assert seconds(started) < 1
        row = scene.row("paused", "1/h")
        assert row is not None
        assert (row["used"], row["waiting"]) == (1, 0)
        assert scene.admin("DELETE", f"/admin/v1/pauses/{made.json()['id']}").status == 204
        assert scene.origin.wait(lambda: slug(scene.call("GET ~/x", "Prefer: wait=0", customer="paused")) == "rate-limited")
    assert counted["upstream 200"] == 1
    assert counted["limited queued"] == 0


def test_a_replay_costs_no_budget(scene: Scene) -> None:
    """Three calls an hour: the first answer of a key can be had as often as one likes, the fourth call cannot."""
    with scene.surviving("once") as counted:
        first = scene.call("POST ~/x", "Idempotency-Key: replay", *KEYED, body=BODY_UP, customer="once")
        again = [scene.call("POST ~/x", "Idempotency-Key: replay", *KEYED, body=BODY_UP, customer="once") for _ in range(5)]
        assert {(one.status, one.body, one.value("idempotency-replayed")) for one in again} == {(first.status, first.body, "true")}
        row = scene.row("once", "3/h")
        assert row is not None
        assert row["used"] == 1
        assert scene.arrived("x") == 1
    assert counted == {"requests 200": 6, "upstream 200": 1}


def test_one_key_at_once_while_the_first_is_made_again(scene: Scene, fresh: str) -> None:
    """The first try is lost on a new connection; five callers with the same key get one answer, of the second try."""

    def lossy() -> Behaviour:
        lost: list[bool] = []

        def behave(wire: Wire, request: Recorded) -> None:
            wire.read_body(request)
            script(0.05, ok(BODY) if lost else CLOSE)(wire, request)
            lost.append(True)

        return behave

    scene.origin.behaviours["lossy"] = lossy()
    with scene.surviving(fresh) as counted:
        callers = [scene.begin("POST ~/lossy", "Idempotency-Key: lossy", *KEYED, body=BODY_UP, customer=fresh) for _ in range(5)]
        answers = [caller.answer("POST") for caller in callers]
        assert [answer and answer.status for answer in answers] == [200] * 5
        for caller in callers:
            caller.close()
        assert scene.arrived("lossy") == 2
    assert counted == {"requests 200": 5, "upstream none": 1, "upstream 200": 1, "retries": 1}


def test_a_deadline_while_another_call_has_the_key(scene: Scene, fresh: str) -> None:
    """Waiting for somebody else's answer is waiting, too: the caller's time is over when it is over."""
    scene.origin.behaviours["silent"] = script(STALL)
    held = ("Idempotency-Key: held", *KEYED)
    with scene.surviving(fresh):
        with scene.begin("POST ~/silent", "Gateway-Timeout: 2", *held, body=BODY_UP, customer=fresh) as first:
            assert scene.origin.wait(lambda: scene.arrived("silent") == 1)
            started = time.monotonic()
            late = scene.call("POST ~/silent", "Gateway-Timeout: 0.3", *held, body=BODY_UP, customer=fresh)
            took = seconds(started)
            answer = first.answer("POST")
        assert slug(late) == "upstream-timeout"
        assert took < 1.3
        assert answer is not None
        assert slug(answer) == "upstream-timeout"


def test_a_deadline_while_another_call_brings_the_answer(scene: Scene) -> None:
    """The same for callers who wait for one answer together (the cache sends one call for all of them)."""
    scene.origin.behaviours["late"] = script(1.5, ok(BODY, "Cache-Control: max-age=60"))
    with scene.surviving("popular"):
        with scene.begin("GET ~/late", customer="popular") as first:
            assert scene.origin.wait(lambda: scene.arrived("late") == 1)
            started = time.monotonic()
            late = scene.call("GET ~/late", "Gateway-Timeout: 0.3", customer="popular")
            took = seconds(started)
            answer = first.answer()
        assert slug(late) == "upstream-timeout"
        assert took < 1.3
        assert answer is not None
        assert answer.status == 200


def test_a_leader_who_is_in_a_hurry_hurries_nobody(scene: Scene) -> None:
    """The one whose call leaves has 0.3 s; the one who waits for the same answer has all the time in the world, and gets it."""
    scene.origin.behaviours["later"] = script(0.8, ok(BODY, "Cache-Control: max-age=60"))
    with scene.surviving("popular"), scene.begin("GET ~/later", "Gateway-Timeout: 0.3", customer="popular") as leader:
        assert scene.origin.wait(lambda: scene.arrived("later") == 1)
        follower = scene.call("GET ~/later", customer="popular")
        answer = leader.answer()
        assert answer is not None
        assert slug(answer) == "upstream-timeout"
        assert (follower.status, follower.complete) == (200, True)
