"""RFC 5861 over real sockets: stale answers while the new one is fetched, and where it cannot be had; marked, counted, never against what
the answer or the caller says.

No test waits for an answer to become stale: the origin says by ``Age`` how old it is as it comes.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.caching import JSON
from tests.acceptance.commands import until
from tests.acceptance.test_metrics_live import Growth
from tests.acceptance.world import Mapped, World, check_problem
from tests.support.answers import Answer
from tests.support.cases import BASE, ask
from tests.support.lane import Lane
from tests.support.origin import CLOSE, RESET, Origin, Recorded, Step, Wire, head
from tests.support.processes import running_gateway
from tests.support.wire import Action

ON_ERROR = 'Cache-Control: max-age=10, stale-if-error=3600|ETag: "1"|Age: 20'
MEANWHILE = 'Cache-Control: max-age=10, stale-while-revalidate=3600|ETag: "1"|Age: 20'


def answer(body: bytes, fields: str = "Cache-Control: no-store", status: str = "200 OK") -> bytes:
    return head(status, JSON, f"Content-Length: {len(body)}", *fields.split("|")) + body


class Resource:
    """A path of its own whose origin gives one answer after the other, the last one for good; ``fields`` are sent with each call."""

    def __init__(self, world: World, of: Mapped, *turns: Step) -> None:
        self.world, self.of, self.path = world, of, f"/{uuid.uuid4().hex}"
        left = deque(turns)

        def behave(wire: Wire, request: Recorded) -> None:
            wire.read_body(request)
            wire.perform(left.popleft() if len(left) > 1 else left[0], request)

        world.raw.behaviours[self.path[1:]] = behave

    def get(self, *fields: str) -> Answer:
        return self.of.get(self.path, *fields)

    @property
    def calls(self) -> list[Recorded]:
        """What reached the origin."""
        return [request for request in list(self.world.raw.requests) if request.target.endswith(self.path)]


@pytest.fixture
def resource(world: World) -> Callable[..., Resource]:
    """``resource(turns…, element=…)`` of a customer of its own."""

    def made(*turns: Step, element: str = "plain") -> Resource:
        return Resource(world, world.customer(element, environment="raw"), *turns)

    return made


def test_a_503_brings_the_stale_answer_and_says_so(world: World, resource: Callable[..., Resource]) -> None:
    found = resource(answer(b'"old"', ON_ERROR), answer(b'"down"', status="503 Service Unavailable"))
    found.get()
    grown = Growth(world)
    stale = found.get()

    assert (stale.status, stale.body, stale.value("etag")) == (200, b'"old"', '"1"')
    assert stale.value("cache-status") == "gateway; fwd=stale; detail=503"
    assert 20 <= int(stale.value("age")) < 60
    assert found.calls[-1].values("if-none-match") == ['"1"']
    assert grown("gateway_requests_total", environment="raw", cache="stale", status="200") == 1
    assert grown("gateway_upstream_requests_total", environment="raw", status="503") >= 1


@pytest.mark.parametrize("ending", [CLOSE, RESET])
def test_a_dropped_connection_brings_the_stale_answer(resource: Callable[..., Resource], ending: Action) -> None:
    found = resource(answer(b'"old"', ON_ERROR), ending)
    found.get()
    stale = found.get()

    assert (stale.status, stale.body) == (200, b'"old"')
    assert stale.value("cache-status") == "gateway; fwd=stale; detail=upstream-unreachable"


def test_a_refused_connection_brings_the_stale_answer(tmp_path: Path) -> None:
    with Origin() as origin, running_gateway(tmp_path, {"dev": f"http://{origin.authority}{BASE}"}) as gateway:
        lane = Lane(gateway, origin)
        origin.behaviours["old"] = lambda wire, _: wire.send(answer(b'"old"', ON_ERROR))
        origin.behaviours["forbidden"] = lambda wire, _: wire.send(answer(b'"old"', ON_ERROR.replace("max", "must-revalidate, max")))
        for path in ("old", "forbidden"):
            assert lane.ask(ask(f"GET ~/{path}")).status == 200
        origin.stop()
        stale, refused = (lane.ask(ask(f"GET ~/{path}")) for path in ("old", "forbidden"))

    assert (stale.status, stale.body) == (200, b'"old"')
    assert stale.value("cache-status") == "gateway; fwd=stale; detail=upstream-unreachable"
    check_problem(refused, 502, "upstream-unreachable", "upstream")


def test_a_spent_budget_brings_the_stale_answer_and_costs_nothing(world: World, resource: Callable[..., Resource]) -> None:
    found = resource(answer(b'"old"', ON_ERROR), answer(b'"new"'), element="fewaday")
    found.get()
    assert found.of.get(f"/{uuid.uuid4().hex}").status == 200  # the second of two a day
    grown = Growth(world)
    stale = found.get()

    assert (stale.status, stale.body) == (200, b'"old"')
    assert stale.value("cache-status") == "gateway; fwd=stale; detail=rate-limited"
    assert len(found.calls) == 1
    assert grown("gateway_upstream_requests_total", environment="raw") == 0
    assert grown("gateway_requests_total", environment="raw", cache="stale", element="fewaday") == 1


@pytest.mark.parametrize("word", ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=10", "stale-if-error=5"])
def test_what_the_answer_forbids_is_not_done(resource: Callable[..., Resource], word: str) -> None:
    """Each of them, and the end of the window, on each way to fail."""
    forbidding = ON_ERROR.replace("stale-if-error=3600", word if word.startswith("stale") else f"stale-if-error=3600, {word}")
    down, dropped, spent = (
        resource(answer(b'"old"', forbidding), answer(b'"down"', status="503 Service Unavailable")),
        resource(answer(b'"old"', forbidding), RESET),
        resource(answer(b'"old"', forbidding), answer(b'"new"'), element="fewaday"),
    )
    for one in (down, dropped, spent):
        one.get()
    spent.of.get(f"/{uuid.uuid4().hex}")

    refused = down.get()
    assert (refused.status, refused.body) == (503, b'"down"')
    check_problem(dropped.get(), 502, "upstream-unreachable", "upstream")
    check_problem(spent.get(), 429, "rate-limited", "gateway")


@pytest.mark.parametrize("wish", ["no-cache", "max-age=5", "min-fresh=1"])
def test_what_the_caller_will_not_have_is_not_given(resource: Callable[..., Resource], wish: str) -> None:
    found = resource(answer(b'"old"', ON_ERROR), answer(b'"down"', status="503 Service Unavailable"))
    found.get()
    assert found.get(f"Cache-Control: {wish}").status == 503
    assert found.get().status == 200


def test_while_it_is_fetched_anew_callers_get_the_stale_one_at_once(world: World, resource: Callable[..., Resource]) -> None:
    """The origin holds the new answer back until all of them have theirs: so none waited, and there was one call for all."""
    let_go = threading.Event()

    def held(_: Recorded) -> bytes:
        assert let_go.wait(20)
        return answer(b'"new"', 'Cache-Control: max-age=3600|ETag: "2"')

    found = resource(answer(b'"old"', MEANWHILE), held)
    found.get()
    grown = Growth(world)
    try:
        early = [found.get() for _ in range(5)]
    finally:
        let_go.set()
    until(lambda: found.get().body == b'"new"', within=10)
    late = found.get()

    assert {one.body for one in early} == {b'"old"'}
    assert all(one.value("cache-status").endswith("; detail=stale-while-revalidate") for one in early)
    assert late.value("cache-status").startswith("gateway; hit; ttl=")
    assert [call.values("if-none-match") for call in found.calls] == [[], ['"1"']]
    until(lambda: grown("gateway_upstream_requests_total", environment="raw", element="plain") == 1)
    stale, hits = (grown("gateway_requests_total", environment="raw", element="plain", cache=cache) for cache in ("stale", "hit"))
    assert stale >= 5
    assert hits >= 2
    # The call in the background is nobody's: it is not among the requests.
    assert grown("gateway_requests_total", environment="raw", element="plain") == stale + hits


def test_a_renewal_that_fails_leaves_the_stale_one_and_is_tried_again(resource: Callable[..., Resource]) -> None:
    down = answer(b'"down"', status="503 Service Unavailable")
    found = resource(answer(b'"old"', MEANWHILE), down, down, answer(b'"new"', 'Cache-Control: max-age=3600|ETag: "2"'))
    found.get()
    assert found.get().body == b'"old"'
    until(lambda: len(found.calls) == 3)  # a GET that is answered 503 is made once more
    bodies = set()

    def renewed() -> bool:
        bodies.add(found.get().body)
        return b'"new"' in bodies

    until(renewed, within=10)
    assert bodies <= {b'"old"', b'"new"'}
    assert len(found.calls) == 4
