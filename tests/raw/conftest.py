"""One origin and one gateway a worker for the tables; a second gateway with short time-outs where time is what is tested."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.cases import BASE
from tests.support.lane import Lane
from tests.support.origin import Origin, head, script
from tests.support.processes import running_gateway

# All tests share a mapping: the bad luck of one is not the next one's.
SETTINGS = """
elements.rawelement.breaker.enabled = false
elements.rawelement.limit_signals = []
"""
QUICK = """
elements.rawelement.breaker.enabled = false
elements.rawelement.limit_signals = []
listen.header_timeout = "1s"
listen.body_timeout = "1s"
listen.max_body_bytes = "1MiB"
listen.keep_alive_timeout = "1s"
listen.write_timeout = "1s"
upstream.connect_timeout = "1s"
upstream.response_timeout = "1s"
upstream.body_timeout = "1s"
"""
UNCLEAR = script(head("503 Cannot Tell", "Content-Length: 0"))
"""What the origin says to a probe after a 401: so no mapping is withdrawn."""


@pytest.fixture(scope="session")
def shared_lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    with (
        Origin() as origin,
        running_gateway(tmp_path_factory.mktemp("gateway"), {"dev": f"http://{origin.authority}{BASE}"}, settings=SETTINGS) as gateway,
    ):
        lane = Lane(gateway, origin)
        yield lane
        lane.assert_no_canary(bytes(gateway.output))


@pytest.fixture
def lane(shared_lane: Lane) -> Iterator[Lane]:
    """Gateway and origin with nothing recorded, and no behaviours but for probes."""
    shared_lane.origin.forget()
    shared_lane.origin.behaviours["instances"] = UNCLEAR
    yield shared_lane
    shared_lane.origin.behaviours.clear()


@pytest.fixture(scope="session")
def shared_quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    # Bound and not listening: refuses. Listening with a full backlog: takes no connection and refuses none.
    with Origin() as origin, socket.socket() as refusing, socket.socket() as full, socket.socket() as first, socket.socket() as second:
        for taken in (refusing, full):
            taken.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        environments = {
            "dev": f"http://{origin.authority}{BASE}",
            "refusing": f"http://127.0.0.1:{refusing.getsockname()[1]}{BASE}",
            "full": f"http://127.0.0.1:{full.getsockname()[1]}{BASE}",
        }
        with running_gateway(tmp_path_factory.mktemp("quick"), environments, settings=QUICK) as gateway:
            lane = Lane(gateway, origin)
            yield lane
            lane.assert_no_canary(bytes(gateway.output))


@pytest.fixture
def quick(shared_quick: Lane) -> Iterator[Lane]:
    """As ``lane``, with time-outs of one second, and the environments ``refusing`` and ``full`` that nothing answers in."""
    shared_quick.origin.forget()
    shared_quick.origin.behaviours["instances"] = UNCLEAR
    yield shared_quick
    shared_quick.origin.behaviours.clear()
