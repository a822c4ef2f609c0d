"""A gateway that lets two origins in, ``APP`` and that of the pages a browser loads; and one that lets none in."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.cors.site import Site
from tests.support.cases import BASE
from tests.support.lane import Lane
from tests.support.origin import Origin, ok, script
from tests.support.processes import running_gateway

APP = "https://app.example.com"
SETTINGS = """
cors.allowed_origins = ["{app}", "{site}"]
elements.rawelement.cache.ttl = "60s"
elements.scarce.limits = ["1/h"]
"""


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """Where the pages of the allowed origin are."""
    with Site() as site:
        yield site


@pytest.fixture(scope="session")
def other_site() -> Iterator[Site]:
    """Where pages are that nobody allowed."""
    with Site() as site:
        yield site


@pytest.fixture(scope="session")
def shared_lane(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Lane]:
    with Origin() as origin, socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets this port, and it refuses
        environments = {"dev": f"http://{origin.authority}{BASE}", "dead": f"http://127.0.0.1:{refusing.getsockname()[1]}{BASE}"}
        settings = SETTINGS.format(app=APP, site=site.origin)
        with running_gateway(tmp_path_factory.mktemp("cors"), environments, settings=settings) as gateway:
            where = ("--environment", "dev", "--customer", "spent", "--element", "scarce")
            gateway.command("instances", "add", *where, "--token-file", "-", given=gateway.canaries.of("spent"))
            lane = Lane(gateway, origin)
            yield lane
            lane.assert_no_canary(bytes(gateway.output))


@pytest.fixture(scope="session")
def admin_key(shared_lane: Lane) -> str:
    return shared_lane.gateway.new_key("operator", "--scope", "admin")


@pytest.fixture
def lane(shared_lane: Lane) -> Iterator[Lane]:
    """Gateway and origin with nothing recorded; ``…/kept`` may be cached."""
    shared_lane.origin.forget()
    shared_lane.origin.behaviours["kept"] = script(ok(b'{"kept":true}', "Elements-Request-Id: 5f1c"))
    yield shared_lane
    shared_lane.origin.behaviours.clear()


@pytest.fixture(scope="session")
def shut_lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    with (
        Origin() as origin,
        running_gateway(tmp_path_factory.mktemp("shut"), {"dev": f"http://{origin.authority}{BASE}"}) as gateway,
    ):
        yield Lane(gateway, origin)
