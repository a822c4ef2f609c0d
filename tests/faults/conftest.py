"""Gateways of the fault suite: one folder is set up a worker, each gateway serves a copy of it; and what must hold after any fault.

Faults are injected from outside. ``Stage.steady`` is what every row of reference/faults.md asks for afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import session
from gateway.models import NewKey
from gateway.operations import Operations
from tests.acceptance.commands import exchange
from tests.acceptance.world import check_problem
from tests.support.answers import Answer
from tests.support.cases import BASE, ask
from tests.support.lane import Lane
from tests.support.origin import Origin
from tests.support.processes import ROOT, SEEN, Canaries, Gateway, collect, configuration, end_process, run, wait_ready
from tests.support.raw import Caller, Part

SLACK = 3.5  # seconds until what ends after one second must have ended, on a busy machine
QUICK = """
listen.header_timeout = "1s"
listen.body_timeout = "1s"
listen.keep_alive_timeout = "5s"
listen.write_timeout = "1s"
listen.drain_timeout = "1s"
upstream.connect_timeout = "1s"
upstream.response_timeout = "1s"
upstream.body_timeout = "1s"
elements.plain.breaker.enabled = false
[elements.kept]
breaker.enabled = false
cache.ttl = "60s"
"""
ENVIRONMENTS = ("dev", "refusing", "full", "nowhere", "trusted", "untrusted", "misnamed", "expired", "selfsigned", "stalling", "plain")
KINDS = {
    "upstream-unreachable": (502, "upstream"),
    "upstream-protocol-error": (502, "upstream"),
    "upstream-timeout": (504, "upstream"),
    "overloaded": (503, "gateway"),
    "store-unavailable": (503, "gateway"),
    "request-timeout": (408, "caller"),
    "unauthenticated": (401, "caller"),
}
_serial = count(1)


def problem(answer: Answer | None, slug: str) -> None:
    """An error of the gateway's own, with every member of the contract, and nothing that tells of machinery."""
    assert answer is not None, f"no answer, {slug} was due"
    status, source = KINDS[slug]
    check_problem(answer, status, slug, source)
    assert (status == 503) <= bool(answer.values("retry-after")), "503 without Retry-After"
    assert not re.search(r"127\.0\.0\.1|Traceback|aiohttp|sqlite3|Error\(|\.py", answer.body.decode()), answer.body


@dataclass(frozen=True)
class Template:
    """A folder as ``gateway init`` makes it, with customers ``acme`` and ``kept`` everywhere; ``spare`` is a key that nobody has used."""

    folder: Path
    environ: dict[str, str]
    canaries: Canaries
    admin_key: str
    key: str
    spare: str


class Stage(Lane):
    """A gateway and an origin, and a watch on what each fault leaves behind."""

    def __init__(self, gateway: Gateway, origin: Origin, template: Template) -> None:
        super().__init__(gateway, origin)
        self.template = template
        self.called: list[str] = []
        self._mark = 0  # what the gateway had written when ``steady`` began

    def request(self, line: str, *fields: str, body: bytes = b"", key: str | None = None, customer: str = "acme") -> bytes:
        """A call with a request id of its own, which must become one line of the access log."""
        self.called.append(f"fault-{os.getpid()}-{next(_serial)}")
        octets = self.fill(ask(line, f"X-Request-Id: {self.called[-1]}", *fields, body=body))
        return octets.replace(b"Gateway-Customer: acme", b"Gateway-Customer: " + customer.encode()).replace(
            self.gateway.key.encode(), (key or self.gateway.key).encode()
        )

    def call(self, line: str, *fields: str, body: bytes = b"", key: str | None = None, customer: str = "acme") -> Answer:
        """The answer to ``request`` on a connection of its own."""
        with self.caller(patience=15.0) as caller:
            caller.send(self.request(line, *fields, body=body, key=key, customer=customer))
            answer = caller.answer(line.split(" ", maxsplit=1)[0])
        assert answer is not None, f"no answer to {line}"
        return answer

    def open(self, line: str, *parts: Part, fields: tuple[str, ...] = (), receive_buffer: int = 0) -> Caller:
        """A caller that has sent ``request`` and ``parts``; to be closed by the test."""
        caller = Caller(self.address, receive_buffer=receive_buffer)
        caller.send(self.request(line, *fields), *parts)
        return caller

    def arrived(self, segment: str) -> int:
        """How many calls to ``…/segment`` reached the origin."""
        return sum(item.target.endswith(f"/{segment}") for item in self.origin.requests)

    def admin(self, method: str, path: str, document: dict[str, str] | None = None) -> Answer:
        """A call to the admin listener with the admin key."""
        fields = (f"Authorization: Bearer {self.template.admin_key}", "Content-Type: application/json")
        return exchange(self.gateway.admin, method, path, *fields, body=json.dumps(document).encode() if document else None)

    def ready(self) -> tuple[int, Any]:
        """Status and document of ``/readyz``."""
        return (answer := exchange(self.gateway.admin, "GET", "/readyz")).status, answer.json()

    def metric(self, name: str) -> float:
        """The sum of all samples called ``name``."""
        text = exchange(self.gateway.admin, "GET", "/metrics").body.decode()
        return sum(map(float, re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)))

    def descriptors(self) -> list[str]:
        """What is open in the gateway, but for the files of the database, whose pool keeps up to five connections."""
        found = []
        for link in Path(f"/proc/{self.gateway.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.append(str(link.readlink()))
        return [target for target in found if "gateway.db" not in target]

    def logged(self) -> dict[str, list[str]]:
        """By request id, the outcome that each line of the access log tells, since ``steady`` began."""
        found: dict[str, list[str]] = {}
        for line in bytes(self.gateway.output[self._mark :]).rpartition(b"\n")[0].splitlines():  # what is being written ends in the middle
            if b'"outcome"' in line:
                entry = json.loads(line)
                found.setdefault(entry["request_id"], []).append(entry["outcome"])
        return found

    def outcomes(self, within: float = 5.0) -> list[str]:
        """What the access log says of each call since ``steady`` began, in order of the calls; each must have one line."""
        assert self.origin.wait(lambda: self.logged().keys() >= set(self.called), within), "a call without a line in the access log"
        found = [logged[request_id] for logged in [self.logged()] for request_id in self.called]
        assert all(len(lines) == 1 for lines in found), found
        return [line for (line,) in found]

    def rest(self) -> None:
        """Wait until nothing is open at the origin, and end the connections that are kept."""
        assert self.origin.wait(lambda: all(wire.idle or wire.closed.is_set() for wire in self.origin.wires)), "a call is open upstream"
        self.origin.drop_idle()

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Whatever happens inside: each call becomes one line and counts once, 20 good calls pass, nothing stays open or in flight."""
        self.sentinel()
        self.rest()
        self.origin.forget()
        before, counted, self.called = len(self.descriptors()), self.metric("gateway_requests_total"), []
        self._mark = len(self.gateway.output)
        yield
        for _ in range(20):
            self.sentinel()
        self.rest()
        assert self.origin.wait(lambda: abs(len(self.descriptors()) - before) <= 2, 6.0), (before, self.descriptors())
        self.outcomes()
        assert self.metric("gateway_requests_total") - counted == len(self.called) + 20
        assert self.metric("gateway_in_flight_requests") == 0


def copied(template: Template, folder: Path, urls: Mapping[str, str], settings: str = QUICK) -> Path:
    shutil.copytree(template.folder, folder, dirs_exist_ok=True)
    (folder / "gateway.toml").write_text(configuration(urls, settings), "utf-8")
    return folder


@contextmanager
def serving(template: Template, folder: Path, *, stop: bool = True) -> Iterator[Gateway]:
    """``gateway serve`` in ``folder`` until the end; ``stop=False``: the test ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "-c", "gateway.toml"],
        env=template.environ,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    gateway = Gateway(folder, process, template.environ, template.canaries, template.key, {"acme": ""})
    assert process.stdout is not None
    reader = threading.Thread(target=collect, args=(process.stdout, gateway.output), daemon=True)
    reader.start()
    try:
        gateway.listeners = wait_ready(gateway)
        yield gateway
        assert process.poll() is None or not stop, f"the gateway ended by itself: {gateway.text[-2000:]}"
    finally:
        end_process(process)
        reader.join(5)
        process.stdout.close()
        assert "Traceback" not in gateway.text, gateway.text[-3000:]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("faults") / "template"
    canaries = Canaries()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY__")}
    environ |= SEEN
    environ |= {"RAW_USER_SECRET": canaries.user, "RAW_ORGANIZATION_SECRET": canaries.organization, "PYTHONPATH": str(ROOT)}

    def command(*words: str, given: str = "") -> Any:
        return json.loads(run([sys.executable, "-m", "gateway", *words, "--json"], environ, given))

    admin_key = command("init", str(folder))["admin_key"]
    toml = str(folder / "gateway.toml")
    Path(toml).write_text(configuration(dict.fromkeys(ENVIRONMENTS, f"http://127.0.0.1:9{BASE}"), ""), "utf-8")
    rows = [(name, customer) for name in ENVIRONMENTS for customer in ("acme", "kept")] + [("dev", "other"), ("dev", "third")]
    mappings = [
        {"environment": name, "customer": customer, "element": "kept" if customer == "kept" else "plain", "token": canaries.of(customer)}
        for name, customer in rows
    ]
    command("instances", "import", "-", "-c", toml, given="\n".join(json.dumps(mapping) for mapping in mappings))
    keys = session.run(Path(toml), _two_keys)
    return Template(folder, environ, canaries, admin_key, *keys)


async def _two_keys(operations: Operations) -> list[str]:
    return [(await operations.create_key(NewKey(name=name), actor="test")).key for name in ("usual", "spare")]


@pytest.fixture(scope="session")
def shared_stage(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Origin() as origin:
        urls = {"dev": f"http://{origin.authority}{BASE}"}
        with serving(template, copied(template, tmp_path_factory.mktemp("stage"), urls)) as gateway:
            yield Stage(gateway, origin, template)


@pytest.fixture
def stage(shared_stage: Stage) -> Iterator[Stage]:
    """Every time-out is one second."""
    yield shared_stage
    shared_stage.origin.behaviours.clear()
