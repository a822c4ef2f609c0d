"""Calls that are lost on the way (faults 1, 9, 10): made again where nothing can be done twice, and what that costs."""

from __future__ import annotations

import time

import pytest

from tests.support.origin import BODY, CLOSE, RESET, Action, Recorded, Wire, ok, script
from tests.survival.scene import Scene, seconds, slug

GONE = "Gateway-Environment: gone"
JSON = "Content-Type: application/json"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_refused(scene: Scene, fresh: str, method: str) -> None:
    """Nothing of it ever left, so a POST may go again too; and it has cost nothing."""
    with scene.surviving(fresh) as counted:
        started = time.monotonic()
        answer = scene.call(f"{method} ~/x", GONE, customer=fresh)
        assert slug(answer) == "upstream-unreachable"
        assert seconds(started) < 1
    assert counted == {"requests 502": 1, "upstream none": 2, "retries": 1, "problem upstream-unreachable": 1}
    assert scene.outcomes() == ["upstream-unreachable"]
    assert all(row["environment"] != "gone" for row in scene.limits()), "a call that never left has cost something"


@pytest.mark.parametrize(
    ("method", "how", "fields", "arrivals"),
    [
        ("GET", CLOSE, (), 2),
        ("GET", RESET, (), 2),
        ("PUT", CLOSE, (), 2),
        ("DELETE", RESET, (), 2),
        ("POST", CLOSE, (), 1),
        ("POST", RESET, (), 1),
        ("PATCH", CLOSE, (), 1),
        ("POST", CLOSE, ("Idempotency-Key: empty",), 2),
    ],
    ids=["get", "get-reset", "put", "delete-reset", "post", "post-reset", "patch", "keyed-post"],
)
def test_an_empty_answer(scene: Scene, fresh: str, method: str, how: Action, fields: tuple[str, ...], arrivals: int) -> None:
    scene.origin.behaviours["empty"] = script(how)
    with scene.surviving(fresh) as counted:
        assert slug(scene.call(f"{method} ~/empty", *fields, customer=fresh)) == "upstream-unreachable"
        assert scene.arrived("empty") == arrivals
    again = {"retries": 1} if arrivals == 2 else {}
    assert counted == {"requests 502": 1, "upstream none": arrivals, "problem upstream-unreachable": 1, **again}
    assert scene.outcomes() == ["upstream-unreachable"]
    row = scene.row(fresh, "10000/h")
    assert row is not None
    assert row["used"] == arrivals, "each call that left costs, a retry too"


def stale(wire: Wire, request: Recorded) -> None:
    """Serves the first call of a connection; ends it without a word when a second one comes."""
    wire.read_body(request)
    if request.index:
        wire.close()
    else:
        wire.send(ok(BODY, "Cache-Control: no-store"))


@pytest.mark.parametrize(
    ("method", "keyed", "status"),
    [("GET", False, 200), ("PUT", False, 200), ("DELETE", False, 200), ("POST", True, 200), ("POST", False, 502)],
)
def test_a_kept_connection_that_was_closed(scene: Scene, fresh: str, method: str, keyed: bool, status: int) -> None:
    scene.origin.behaviours["stale"] = stale
    body = b'{"a":1}' if method in ("PUT", "POST") else b""
    fields = (JSON, f"Content-Length: {len(body)}") if body else ()
    with scene.surviving(fresh) as counted:
        assert scene.call("GET ~/first", customer=fresh).status == 200  # leaves a connection in the pool
        key = (f"Idempotency-Key: stale-{time.monotonic()}",) if keyed else ()
        answer = scene.call(f"{method} ~/stale", *fields, *key, body=body, customer=fresh)
        assert answer.status == status
        found = [item for item in scene.origin.requests if item.target.endswith("stale")]
        assert [bytes(item.payload) for item in found] == [body] * (2 if status == 200 else 1)
    if status == 200:
        assert counted == {"requests 200": 2, "upstream 200": 2, "upstream none": 1, "retries": 1}
    else:
        assert counted == {"requests 200": 1, "requests 502": 1, "upstream 200": 1, "upstream none": 1, "problem upstream-unreachable": 1}


def test_a_body_that_streams_is_not_sent_twice(scene: Scene, fresh: str) -> None:
    """What was passed on as it came is nowhere any more."""
    scene.origin.behaviours["empty"] = script(CLOSE)
    body = b"a" * 300_000
    with scene.surviving(fresh) as counted:
        answer = scene.call("PUT ~/empty", f"Content-Length: {len(body)}", body=body, customer=fresh)
        assert slug(answer) == "upstream-unreachable"
        assert scene.arrived("empty") == 1
    assert counted["upstream none"] == 1


def test_a_streaming_body_that_never_left_may_go(scene: Scene, fresh: str) -> None:
    """Refused at the door: none of it was read yet."""
    body = b"a" * 300_000
    with scene.surviving(fresh) as counted:
        answer = scene.call("POST ~/x", GONE, f"Content-Length: {len(body)}", body=body, customer=fresh)
        assert slug(answer) == "upstream-unreachable"
    assert counted["retries"] == 1
