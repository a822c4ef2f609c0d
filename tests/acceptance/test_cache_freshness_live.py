"""Contract 2.3, RFC 9111: what callers and answers say of freshness."""

from __future__ import annotations

import time
import uuid

import pytest

from tests.acceptance.caching import MISS, calls, is_hit, saying
from tests.acceptance.world import Mapped, World
from tests.support.origin import Recorded, head, ok, script


def test_no_store(world: World, acme: Mapped) -> None:
    for _ in range(2):
        assert acme.get("/contacts", "Cache-Control: no-store").value("cache-status") == "gateway; fwd=bypass; detail=no-store"
    assert acme.get("/contacts").value("cache-status") == MISS
    assert calls(world) == 3


@pytest.mark.parametrize("value", ["no-cache", "max-age=0", "No-Cache", "min-fresh=1201", "max-age=0, min-fresh=1"])
def test_a_caller_may_tighten(world: World, acme: Mapped, value: str) -> None:
    acme.get("/contacts")
    assert not is_hit(acme.get("/contacts", f"Cache-Control: {value}"))
    assert calls(world) == 2
    assert is_hit(acme.get("/contacts"))


@pytest.mark.parametrize(
    "value", ["max-age=60", "min-fresh=10", "only-if-cached", "max-stale", "no-transform", "max-age=999999", "hello", ""]
)
def test_and_is_served_where_it_is_content(acme: Mapped, value: str) -> None:
    acme.get("/contacts")
    assert is_hit(acme.get("/contacts", f"Cache-Control: {value}"))


def test_a_caller_may_not_loosen(world: World) -> None:
    quick = world.customer("quick", like="sfdc")
    quick.get("/contacts")
    time.sleep(2.1)
    assert not is_hit(quick.get("/contacts", "Cache-Control: max-stale=1000, max-age=1000"))


def test_only_if_cached(world: World, acme: Mapped) -> None:
    """RFC 9111 5.2.1.7: 504, and nothing is sent."""
    answer = acme.get("/contacts", "Cache-Control: only-if-cached")
    assert answer.status == 504
    assert answer.json()["type"].startswith("urn:gateway:problem:")
    assert calls(world) == 0


@pytest.mark.parametrize(
    "fields",
    [("Cache-Control: max-age=60",), ("Cache-Control: public, s-maxage=60, max-age=0",), ("Cache-Control: MAX-AGE=60, no-transform",)],
)
def test_freshness_that_the_answer_states(world: World, fields: tuple[str, ...]) -> None:
    acme = world.customer("plain", environment="raw")
    with saying(world, *fields) as path:
        assert acme.get(path).status == 200
        assert is_hit(acme.get(path))


@pytest.mark.parametrize(
    "fields",
    [
        ("Cache-Control: no-store",), ("Set-Cookie: a=b",), ("Vary: *",), ("Cache-Control: max-age=0",), ("Cache-Control: no-cache",),
        ("Content-Disposition: attachment; filename=a",), ("Expires: Thu, 01 Jan 1970 00:00:00 GMT",),
    ],
)  # fmt: skip
def test_answers_that_are_not_reused(world: World, fields: tuple[str, ...]) -> None:
    acme = world.customer("cached", environment="raw")
    with saying(world, *fields) as path:
        for _ in range(2):
            assert not is_hit(acme.get(path))


def test_vary(world: World) -> None:
    acme = world.customer("cached", environment="raw")
    with saying(world, "Vary: Accept-Language") as path:
        acme.get(path, "Accept-Language: de")
        assert not is_hit(acme.get(path, "Accept-Language: fr"))
        assert is_hit(acme.get(path, "Accept-Language: de"))
        assert is_hit(acme.get(path, "Accept-Language: fr"))


def test_a_large_answer_is_not_kept(world: World) -> None:
    acme = world.customer("cached", environment="raw")
    with saying(world, body=b"x" * (1024 * 1024 + 1)) as path:
        for _ in range(2):
            assert not is_hit(acme.get(path))


@pytest.mark.parametrize(("validator", "value"), [("ETag", '"v1"'), ("Last-Modified", "Tue, 15 Nov 1994 08:12:31 GMT")])
def test_revalidation(world: World, validator: str, value: str) -> None:
    """A stale answer is confirmed by the origin and served; it cost one call without a body."""
    acme = world.customer("cached", environment="raw")
    asked: list[bool] = []
    condition, stated = {"ETag": "if-none-match", "Last-Modified": "if-modified-since"}[validator], f"{validator}: {value}"

    def answer(request: Recorded) -> bytes:
        asked.append(request.values(condition) == [value])
        return head("304 Not Modified", stated) if asked[-1] else ok(b'{"v":1}', stated, "Cache-Control: no-cache")

    path = uuid.uuid4().hex
    world.raw.behaviours[path] = script(answer)
    first, second = acme.get(f"/{path}"), acme.get(f"/{path}")
    assert asked == [False, True]
    assert (first.status, second.status, second.body) == (200, 200, b'{"v":1}')
    assert second.value("cache-status").startswith("gateway; fwd=stale; fwd-status=304")


def test_conditional_requests_of_callers_are_answered_from_the_cache(world: World) -> None:
    acme = world.customer("cached", environment="raw")
    with saying(world, 'ETag: "v1"', "Last-Modified: Tue, 15 Nov 1994 08:12:31 GMT") as path:
        acme.get(path)
        world.raw.forget()
        same = acme.get(path, 'If-None-Match: "v0", W/"v1"')
        assert (same.status, same.body, same.value("etag")) == (304, b"", '"v1"')
        assert acme.get(path, "If-Modified-Since: Tue, 15 Nov 1994 08:12:31 GMT").status == 304
        assert acme.get(path, 'If-None-Match: "v2"').status == 200
        assert acme.get(path, "If-Modified-Since: Mon, 14 Nov 1994 08:12:31 GMT").status == 200
        assert world.raw.requests == []
