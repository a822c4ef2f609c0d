"""A gateway, a misbehaving origin, and the books: what was counted, decided and left behind by a fault."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gateway.cli import session
from gateway.models import InstanceQuery, NewKey
from gateway.operations import Operations
from tests.acceptance.commands import exchange
from tests.faults.conftest import Stage, Template
from tests.support.answers import Answer
from tests.support.cases import BASE, ask
from tests.support.origin import Origin
from tests.support.processes import ROOT, SEEN, Canaries, Gateway, configuration, run
from tests.support.raw import Caller

_serial = count(1)
_COUNTED = {
    "gateway_requests_total": ("requests", "status"),
    "gateway_upstream_requests_total": ("upstream", "status"),
    "gateway_upstream_retries_total": ("retries", ""),
    "gateway_rate_limited_total": ("limited", "action"),
    "gateway_limit_signals_total": ("signals", ""),
    "gateway_problems_total": ("problem", "type"),
}


@dataclass(frozen=True)
class Planted(Template):
    """A folder with customers, their handles (by ``customer`` in the first environment, and by ``environment/customer``), and a key of
    batch priority."""

    batch: str = field(default="", repr=False)
    handles: Mapping[str, str] = field(default_factory=dict)


class Scene(Stage):
    """A gateway, the origin behind its environment ``dev``, and its books."""

    def __init__(self, gateway: Gateway, origin: Origin, planted: Planted, others: Sequence[Origin] = ()) -> None:
        """``others`` stand behind further environments."""
        super().__init__(gateway, origin, planted)
        self.planted = planted
        self.others = others

    def rest(self) -> None:
        super().rest()
        for origin in self.others:
            assert origin.wait(lambda origin=origin: all(wire.idle or wire.closed.is_set() for wire in origin.wires))  # type: ignore[misc]
            origin.drop_idle()

    def request(self, line: str, *fields: str, body: bytes = b"", key: str | None = None, customer: str = "acme") -> bytes:
        """As of ``Stage``, for many threads at once: each call has an id of its own."""
        request_id = f"survival-{os.getpid()}-{next(_serial)}"
        self.called.append(request_id)
        octets = ask(line, f"X-Request-Id: {request_id}", *fields, body=body)
        octets = octets.replace(b"Gateway-Customer: acme", b"Gateway-Customer: " + customer.encode(), 1)
        return octets.replace(b"@KEY@", (key or self.gateway.key).encode(), 1)

    def logged(self) -> dict[str, list[str]]:
        """As of ``Stage``. A call with an Idempotency-Key outlives its caller, and then has a second line under the same id, which is left
        out here: it is the gateway's own, and counts as no caller's."""
        return {key: lines[:1] if self.goes_on(key) else lines for key, lines in super().logged().items()}

    def goes_on(self, request_id: str) -> bool:
        """Whether the gateway went on with a call after its caller had gone."""
        lines = [line for line in self.gateway.text.splitlines() if request_id in line]
        return any('"background": true' in line for line in lines)

    def begin(self, line: str, *fields: str, body: bytes = b"", key: str | None = None, customer: str = "acme") -> Caller:
        """A caller that has sent a call and waits for its answer; to be closed by the test."""
        caller = Caller(self.address, patience=15.0)
        caller.send(self.request(line, *fields, body=body, key=key, customer=customer))
        return caller

    def row(self, customer: str, quota: str) -> dict[str, Any] | None:
        """What ``GET /limits`` says of a budget of ``customer``, None where nothing of it is used."""
        rows = [row for row in self.limits() if row["key"] == self.planted.handles[customer] and row["quota"] == quota]
        assert len(rows) <= 1, rows
        return rows[0] if rows else None

    def limits(self) -> list[dict[str, Any]]:
        return list(self.admin("GET", "/admin/v1/limits").json()["items"])

    def state(self, metric: str, element: str, environment: str = "dev") -> float:
        """A gauge of an element."""
        where = {"environment": environment, "element": element}
        return float(sum(sample.value for sample in self._samples(metric) if where.items() <= sample.labels.items()))

    def counts(self, element: str) -> Counter[str]:
        """All that is counted of an element in every environment, as ``requests 502``, ``upstream none``, ``retries``, …"""
        found: Counter[str] = Counter()
        for sample in self._samples(*_COUNTED):
            name, label = _COUNTED[sample.name]
            if sample.labels.get("element", element) == element:
                found[f"{name} {sample.labels[label]}" if label else name] += int(sample.value)
        return found

    @contextmanager
    def surviving(self, element: str) -> Iterator[Counter[str]]:
        """``steady``, no permit, place or queue place left, no secret told; what was counted of ``element`` is known afterwards."""
        with self.steady():
            before, found = self.counts(element), Counter[str]()
            yield found
            self.outcomes()
            found.update(self.counts(element) - before)
            self.settled()
        self.assert_no_canary(b"")

    def settled(self) -> None:
        """Nobody waits, and no place is held."""
        assert self.origin.wait(lambda: not self.held()), self.held()
        waiting = [sample for sample in self._samples("gateway_rate_limit_waiting_calls") if sample.value]
        assert not waiting, waiting

    def held(self) -> list[dict[str, Any]]:
        return [row for row in self.limits() if row["waiting"] or (row["quota"] == "concurrency" and row["used"])]

    def many(self, count: int, line: str, *fields: str, key: str | None = None, customer: str = "acme") -> list[Answer]:
        """The answers to ``count`` calls at once."""
        with ThreadPoolExecutor(min(count, 40)) as pool:
            return list(pool.map(lambda _: self.call(line, *fields, key=key, customer=customer), range(count)))

    def _samples(self, *names: str) -> list[Sample]:
        """What is shown now of the metrics called so."""
        lines = exchange(self.gateway.admin, "GET", "/metrics").body.decode().splitlines(keepends=True)
        text = "".join([line for line in lines if line.startswith(names)])  # parsing all of it takes longer than most tests
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples if sample.name in names]


def slug(answer: Answer) -> str:
    """The slug of an error of the gateway's own, checked to be whole; the status of what was passed on."""
    if "problem+json" not in " ".join(answer.values("content-type")):
        return str(answer.status)
    problem = answer.json()
    assert problem["status"] == answer.status
    assert problem["requestId"] == answer.value("x-request-id")
    assert problem["detail"]
    assert "127.0.0.1" not in answer.body.decode()
    if answer.status in (429, 503):
        assert problem["retryAfter"] == int(answer.value("retry-after")) >= 1
    return str(problem["type"].rpartition(":")[2])


def seconds(started: float) -> float:
    return time.monotonic() - started


def plant(folder: Path, customers: Mapping[str, str], settings: str, environments: tuple[str, ...] = ("dev",)) -> Planted:
    """A gateway's folder, made once; each customer has the instance number 1000 and up."""
    canaries = Canaries()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY__")}
    environ |= SEEN
    environ |= {"RAW_USER_SECRET": canaries.user, "RAW_ORGANIZATION_SECRET": canaries.organization, "PYTHONPATH": str(ROOT)}
    admin_key = json.loads(run([sys.executable, "-m", "gateway", "init", str(folder), "--json"], environ))["admin_key"]
    toml = folder / "gateway.toml"
    toml.write_text(configuration(dict.fromkeys(environments, f"http://127.0.0.1:9{BASE}"), settings), "utf-8")

    async def rows(operations: Operations) -> tuple[list[str], dict[str, str]]:
        names: tuple[tuple[str, Literal["interactive", "batch"]], ...] = (
            ("usual", "interactive"),
            ("spare", "interactive"),
            ("batch", "batch"),
        )
        keys = [(await operations.create_key(NewKey(name=name, priority=priority), actor="test")).key for name, priority in names]
        mappings = [
            {"environment": environment, "customer": customer, "element": element, "token": canaries.of(customer), "instance_id": number}
            for environment in environments
            for number, (customer, element) in enumerate(customers.items(), 1000)
        ]
        await operations.import_instances("\n".join(map(json.dumps, mappings)), "ndjson", actor="test")
        handles: dict[str, str] = {}
        for environment in reversed(environments):  # the handles are those of the first
            page = await operations.list_instances(InstanceQuery(environment=environment, limit=len(customers)))
            for mapped in page.items:
                handles[mapped.customer] = handles[f"{environment}/{mapped.customer}"] = mapped.handle
        return keys, handles

    keys, handles = session.run(toml, rows, secrets=True)
    return Planted(folder, environ, canaries, admin_key, keys[0], keys[1], keys[2], handles)
