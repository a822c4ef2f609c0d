"""A gateway in front of an origin that answers in turn, for tests over real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.turns import Turns
from tests.support.cases import BASE
from tests.support.lane import Lane
from tests.support.origin import Origin
from tests.support.processes import running_gateway

# Whatever an answer says about stale ones must hold against an operator who likes them. The origin answers in turn: each call is one.
SETTINGS = """
[elements.rawelement]
retries = 0
breaker.enabled = false
[elements.rawelement.cache]
stale_while_revalidate = "0s"
stale_if_error = "1h"
"""


@pytest.fixture(scope="session")
def turning_lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    folder = tmp_path_factory.mktemp("turns")
    with Origin() as origin, running_gateway(folder, {"dev": f"http://{origin.authority}{BASE}"}, settings=SETTINGS) as gateway:
        lane = Lane(gateway, origin)
        yield lane
        lane.assert_no_canary(bytes(gateway.output))


@pytest.fixture
def turns(turning_lane: Lane) -> Turns:
    """A path of its own at the origin, and calls to it."""
    turning_lane.origin.forget()
    return Turns(turning_lane)
