"""One gateway a worker, in front of two sandboxes and a recording origin."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.acceptance.commands import initialize, serving, toml
from tests.acceptance.world import CloudElements, Mapped, World
from tests.support.origin import Origin

# Breakers are off for elements with whose upstreams many tests have bad luck: one test's failures are not the next one's.
SETTINGS = """
log_level = "debug"
upstream.response_timeout = "2s"
[elements.plain]
breaker.enabled = false
[elements.window5]
limits = ["5/2s"]
cache.ttl = "20m"
[elements.exact50]
limits = ["50/60s", "100000/day"]
[elements.bycustomer]
limits = ["5/60s"]
scope = "customer"
[elements.byelement]
limits = ["5/60s"]
scope = "element"
[elements.bygroup]
limits = ["5/60s"]
scope = "group"
[elements.bursting]
limits = ["60/min burst 3"]
[elements.fewaday]
limits = ["2/day"]
[elements.fewamonth]
limits = ["2/month"]
[elements.cached]
cache.ttl = "20m"
breaker.enabled = false
[[elements.cached.cache.rules]]
path = "/objects/**"
ttl = "1h"
[[elements.cached.cache.rules]]
path = "/lists/**"
enabled = false
[elements.quick]
cache.ttl = "2s"
[elements.erring]
limits = ["5/60s"]
breaker.enabled = false
"""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world. At its end nothing that the gateway wrote may hold a secret."""
    folder = tmp_path_factory.mktemp("acceptance")
    dev, staging = CloudElements(), CloudElements()
    with Origin() as raw, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets this port, and it refuses
        environments = {
            "dev": dev.base_url,
            "staging": staging.base_url,
            "raw": f"http://{raw.authority}/elements/api-v2",
            "dead": f"http://127.0.0.1:{taken.getsockname()[1]}/elements/api-v2",
        }
        try:
            admin_key = initialize(folder, toml(environments, SETTINGS))
            with serving(folder) as served:
                built = World(folder, served, admin_key, dev, staging, raw)
                yield built
            written = served.output
            for secret in (*built.secrets, built.key, admin_key):
                assert secret.encode() not in written, "a secret was written by the gateway"
        finally:
            dev.stop()
            staging.stop()


@pytest.fixture
def at_origin(world: World) -> Mapped:
    """A customer whose instance is at the recording origin, which knows nothing yet."""
    world.raw.behaviours.clear()
    mapped = world.customer("plain", environment="raw")
    world.raw.forget()
    return mapped


@pytest.fixture
def acme(world: World) -> Mapped:
    """A customer at the sandbox, whose element keeps answers for 60 s and has no limits."""
    mapped = world.customer("cached", like="sfdc")
    world.dev.forget()
    return mapped
