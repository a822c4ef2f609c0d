"""One gateway for the folder, a customer for each element, each element set up to survive one kind of misbehaviour.

Breaker, bulkhead and retry budget belong to an element, budgets to an instance: a test that spends one has an element (or a customer)
of its own here.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator

import pytest

from tests.faults.conftest import serving
from tests.support.cases import BASE
from tests.support.origin import Origin
from tests.support.processes import configuration
from tests.survival.scene import Planted, Scene, plant

OFF = "breaker.enabled = false\n"
BRITTLE = (
    'breaker.minimum_calls = 4\nbreaker.open = "800ms"\nbreaker.max_open = "3s"\nbreaker.probes = 2\nbreaker.ramp = "0s"\nretries = 0\n'
)
GATED = 16
ELEMENTS = {
    "plain": OFF,
    "broken": OFF + 'limits = ["10000/h"]\nconcurrency = 1\nbulkhead = 1\nbody_timeout = "200ms"\nresponse_timeout = "400ms"\nwait = "2s"',
    "retried": OFF + 'limits = ["10000/h"]',
    "storm": OFF,
    "unrepeated": OFF + "retries = 0",
    "hasty": OFF + 'response_timeout = "200ms"',
    "timed": OFF + 'call_timeout = "300ms"\nconcurrency = 2',
    "fragile": BRITTLE,
    "refusals": BRITTLE,
    "leavers": BRITTLE,
    "torn": BRITTLE,
    "reopened": BRITTLE,
    "spared": BRITTLE + '[elements.spared.cache]\nttl = "1s"\nstale_if_error = "1h"',
    "narrow": OFF + "bulkhead = 5",
    "turns": OFF + "concurrency = 1",
    "abandoned": OFF + "concurrency = 1",
    "daily": OFF + 'limits = ["5/h"]',
    "paused": OFF + 'limits = ["1/h"]\nwait = "5s"',
    "once": OFF + 'limits = ["3/h"]',
    "crowded": OFF + "concurrency = 1",
    "gated": OFF,
    "sfdc": OFF,
    "marketo": OFF,
    "chaos": OFF + 'concurrency = 12\nbulkhead = 12\nwait = "5s"\nresponse_timeout = "300ms"\nbody_timeout = "100ms"',
    "popular": OFF + '[elements.popular.cache]\nttl = "1h"',
}
FRESH = 60
ELEMENTS |= {f"fresh{number}": OFF + 'limits = ["10000/h"]\nconcurrency = 1' for number in range(FRESH)}
CUSTOMERS = {("acme" if element == "plain" else element): element for element in ELEMENTS} | {
    f"gated-{number}": "gated" for number in range(GATED)
}
SETTINGS = (
    """
listen.drain_timeout = "1s"
upstream.connect_timeout = "1s"
upstream.response_timeout = "5s"
upstream.body_timeout = "2s"
queue.max_calls = 30
"""
    + "\n".join(f"[elements.{element}]\n{lines}" for element, lines in ELEMENTS.items())
    + "\n"
)


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("survival") / "template", CUSTOMERS, SETTINGS, ("dev", "gone"))


@pytest.fixture(scope="session")
def shared_scene(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Origin() as origin, socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))  # and does not listen
        urls = {"dev": f"http://{origin.authority}{BASE}", "gone": f"http://127.0.0.1:{refusing.getsockname()[1]}{BASE}"}
        folder = tmp_path_factory.mktemp("scene")
        shutil.copytree(planted.folder, folder, dirs_exist_ok=True)
        (folder / "gateway.toml").write_text(configuration(urls, SETTINGS), "utf-8")
        with serving(planted, folder) as gateway:
            yield Scene(gateway, origin, planted)


@pytest.fixture
def scene(shared_scene: Scene) -> Iterator[Scene]:
    yield shared_scene
    shared_scene.origin.behaviours.clear()


@pytest.fixture(scope="session")
def elements() -> Iterator[str]:
    return iter([f"fresh{number}" for number in range(FRESH)])


@pytest.fixture
def fresh(elements: Iterator[str]) -> str:
    """An element (and its customer) that no test has called: its retry budget and its quota are whole, and it has one place."""
    return next(elements)
