"""A real gateway before a sandbox, and calls of every kind through it: what there is to be seen on a busy day."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.acceptance.commands import initialize, serving, toml
from tests.acceptance.world import CloudElements, Mapped, World
from tests.support.origin import Origin, head, ok, script

SETTINGS = """
log_level = "warning"
[elements.hubspot]
limits = ["100000/60s"]
cache.enabled = true
cache.ttl = "60s"
breaker.enabled = false
[elements.scarce]
limits = ["5/60s"]
[elements.patient]
limits = ["8/s burst 1"]
wait = "5s"
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_SAMPLED = f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01"


@contextmanager
def gateway_at_work(folder: Path) -> Iterator[World]:
    """A gateway with the environments of ``World`` that is called without a pause while inside."""
    cloud = CloudElements()
    with Origin() as raw, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets this port, and it refuses
        raw_url = f"http://{raw.authority}/elements/api-v2"
        dead_url = f"http://127.0.0.1:{taken.getsockname()[1]}/elements/api-v2"
        environments = {"dev": cloud.base_url, "staging": cloud.base_url, "raw": raw_url, "dead": dead_url}
        try:
            admin_key = initialize(folder, toml(environments, SETTINGS))
            with serving(folder) as served:
                world = World(folder, served, admin_key, cloud, cloud, raw)
                with _calls(world):
                    yield world
        finally:
            cloud.stop()


@contextmanager
def _calls(world: World) -> Iterator[None]:
    same, whole = head("304 Not Modified", 'ETag: "1"'), ok(b"{}", 'ETag: "1"', "Cache-Control: no-cache")
    world.raw.behaviours["confirmed"] = script(lambda request: same if request.values("if-none-match") else whole)
    world.raw.behaviours["refused"] = script(head("429 Too Many Requests", "Retry-After: 1", "Content-Length: 0"))
    world.raw.behaviours["broken"] = script(head("503 Service Unavailable", "Content-Length: 0"))
    hubspot = world.customer("hubspot")
    others = {name: world.customer(name, "raw") for name in ("hubspot", "scarce", "patient", "refused")}
    others["dead"] = world.customer("hubspot", "dead")
    world.admin("PATCH", f"/instances/{world.customer('hubspot').handle}", {"disabled": True})
    dials = {"hubspot": {"error": {"every": 7, "status": 503}}}
    stopping, failed = threading.Event(), []

    def call() -> None:
        try:
            for number in count():
                if stopping.is_set():
                    return
                _round(world, hubspot, others, number)
        except Exception as error:  # to be raised where it is seen
            failed.append(error)

    with world.dev.dials(**dials):
        caller = threading.Thread(target=call, daemon=True)
        caller.start()
        try:
            yield
        finally:
            stopping.set()
            caller.join(30)
    if failed:
        raise failed[0]


def _round(world: World, hubspot: Mapped, others: dict[str, Mapped], number: int) -> None:
    """A miss, a hit, a write, something that is not there, a revalidation, refusals by us and by the vendor, a wait, failures that are
    tried again, a wrong key."""
    hubspot.get(f"/contacts?pageSize={1 + number % 100}&where={number}", _SAMPLED)
    hubspot.get("/contacts?pageSize=1", _SAMPLED)
    hubspot.get("/contacts?pageSize=1")
    hubspot.call("POST", "/contacts", "Content-Type: application/json", body=b'{"firstName": "Ada"}')
    hubspot.get("/contacts/nobody")
    for path in ("/confirmed", "/broken"):
        others["hubspot"].get(path)
    others["refused"].get("/refused")
    for name in ("scarce", "patient", "patient", "dead"):
        others[name].get("/contacts", "Cache-Control: no-store")
    world.call("GET", "/contacts", key="gwk_wrong_wrong")
