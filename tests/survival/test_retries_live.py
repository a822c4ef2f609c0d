"""Calls that are made once more, and those that are not: by method, by what the upstream said, and by how many there were already."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.origin import BODY, Behaviour, Recorded, Wire, head, ok, script
from tests.support.raw import Caller
from tests.survival.scene import Scene, seconds, slug

FAILED = '{"message":"try later"}'


def failing(status: str, *fields: str) -> bytes:
    return head(status, "Content-Type: application/json", f"Content-Length: {len(FAILED)}", *fields) + FAILED.encode()


def then(*answers: bytes) -> Behaviour:
    """Each of ``answers`` once, the last one for good; by connection or not."""
    left = list(answers)

    def behave(wire: Wire, request: Recorded) -> None:
        wire.read_body(request)
        wire.send(left.pop(0) if len(left) > 1 else left[0])

    return behave


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"])
def test_once_unwell_then_fine(scene: Scene, fresh: str, status: str) -> None:
    scene.origin.behaviours["once"] = then(failing(status), ok(BODY, "Cache-Control: no-store"))
    with scene.surviving(fresh) as counted:
        answer = scene.call("GET ~/once", customer=fresh)
        assert (answer.status, answer.body) == (200, BODY)
    assert counted == {"requests 200": 1, f"upstream {status[:3]}": 1, "upstream 200": 1, "retries": 1}
    assert scene.outcomes() == ["ok"]
    (row,) = [row for row in [scene.row(fresh, "10000/h")] if row]
    assert row["used"] == 2, "a retry costs"


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        ("POST", "503 Service Unavailable", ()),
        ("PATCH", "502 Bad Gateway", ()),
        ("GET", "500 Internal Server Error", ()),
        ("GET", "501 Not Implemented", ()),
        ("GET", "404 Not Found", ()),
        ("GET", "503 Service Unavailable", ("Retry-After: 30",)),
        ("GET", "503 Service Unavailable", ("X-RateLimit-Reset: 30",)),
    ],
    ids=["post", "patch", "500", "501", "404", "retry-after", "reset-after"],
)
def test_passed_on_as_it_is(scene: Scene, fresh: str, method: str, status: str, fields: tuple[str, ...]) -> None:
    """One that says for how long to stay away is not hit again meanwhile, nor is the caller kept waiting for that long."""
    scene.origin.behaviours["unwell"] = script(failing(status, *fields))
    with scene.surviving(fresh) as counted:
        started = time.monotonic()
        answer = scene.call(f"{method} ~/unwell", customer=fresh)
        assert seconds(started) < 1
        assert (str(answer.status), answer.body.decode()) == (status[:3], FAILED)
        assert all(field in [f"{name}: {value}" for name, value in answer.fields] for field in fields)
        assert scene.arrived("unwell") == 1
    assert counted == {f"requests {status[:3]}": 1, f"upstream {status[:3]}": 1}


def test_a_keyed_post_is_made_again(scene: Scene, fresh: str) -> None:
    scene.origin.behaviours["once"] = then(failing("503 Service Unavailable"), ok(BODY, "Cache-Control: no-store"))
    with scene.surviving(fresh) as counted:
        fields = ("Idempotency-Key: again-1", "Content-Type: application/json", "Content-Length: 7")
        assert scene.call("POST ~/once", *fields, body=b'{"a":1}', customer=fresh).status == 200
        assert [bytes(item.payload) for item in scene.own()] == [b'{"a":1}'] * 2
    assert counted == {"requests 200": 1, "upstream 503": 1, "upstream 200": 1, "retries": 1}


def test_a_short_retry_after_is_waited_for(scene: Scene, fresh: str) -> None:
    scene.origin.behaviours["once"] = then(failing("503 Service Unavailable", "Retry-After: 1"), ok(BODY, "Cache-Control: no-store"))
    with scene.surviving(fresh):
        started = time.monotonic()
        assert scene.call("GET ~/once", customer=fresh).status == 200
        assert 1.0 <= seconds(started) < 2.0


def test_what_the_first_one_said_is_the_answer_where_the_second_may_not_go(scene: Scene) -> None:
    """``daily`` has five calls: the fifth fails, and no budget is left to make it again."""
    scene.origin.behaviours["unwell"] = script(failing("503 Service Unavailable"))
    with scene.surviving("daily") as counted:
        for _ in range(4):
            assert scene.call("GET ~/x", customer="daily").status == 200
        answer = scene.call("GET ~/unwell", customer="daily")
        assert (answer.status, answer.body.decode()) == (503, FAILED)
        assert slug(scene.call("GET ~/x", customer="daily")) == "rate-limited"
    assert counted["upstream 503"] == 1
    assert counted["requests 503"] == 1
    assert counted["upstream 200"] == 4


def test_an_element_may_want_none(scene: Scene) -> None:
    scene.origin.behaviours["unwell"] = script(failing("503 Service Unavailable"))
    with scene.surviving("unrepeated") as counted:
        assert scene.call("GET ~/unwell", customer="unrepeated").status == 503
    assert counted == {"requests 503": 1, "upstream 503": 1}


def test_a_storm_is_not_made_worse(scene: Scene) -> None:
    """200 failing calls: at most a fifth more, and three."""
    scene.origin.behaviours["unwell"] = script(failing("503 Service Unavailable"))

    def some(number: int) -> list[int]:
        with Caller(scene.address) as caller:
            found = []
            for call in range(10):
                caller.send(scene.request(f"GET ~/{number}/{call}/unwell", customer="storm"))
                answer = caller.answer()
                found.append(answer.status if answer else 0)
            return found

    with scene.surviving("storm") as counted:
        with ThreadPoolExecutor(20) as pool:
            assert [status for found in pool.map(some, range(20)) for status in found] == [503] * 200
        arrived = [item for item in scene.origin.requests if re.search(r"/unwell$", item.target)]
        assert 203 <= len(arrived) <= 243
    assert counted["requests 503"] == 200
    assert counted["upstream 503"] == len(arrived)
    assert counted["retries"] == len(arrived) - 200
