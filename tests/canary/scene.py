"""A running gateway with planted secrets, and the record of everything that anybody got to read of it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.canary.planted import Planted
from tests.support.origin import Origin
from tests.support.processes import Gateway
from tests.support.raw import Address, Caller, Part

PROVIDER_FIELDS = ("apiSecret", "apiKey", "password", "token", "code", "state")


@dataclass
class Scene:
    """``records`` are (what it is, octets, names of secrets that may stand there); ``keys`` are caller keys by name."""

    gateway: Gateway
    origin: Origin
    planted: Planted
    keys: dict[str, str] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    records: list[tuple[str, bytes, Collection[str]]] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    def record(self, label: str, octets: bytes, but: Collection[str] = ()) -> None:
        self.records.append((label, octets, but))

    def send(self, label: str, *parts: Part, where: Address | None = None, within: float = 3.0, but: Collection[str] = ()) -> bytes:
        """Send ``parts`` over a connection of their own; whatever comes back until it ends, recorded."""
        with Caller(where or self.gateway.data, patience=within) as caller:
            caller.send(*parts)
            octets = caller.drain(within)
        self.record(label, octets, but)
        self.statuses[label] = int(octets[9:12]) if octets.startswith(b"HTTP/1.1 ") else 0
        return octets

    def call(
        self,
        label: str,
        target: str,
        fields: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        method: str = "GET",
        key: str = "service",
        customer: str = "",
    ) -> bytes:
        """A proper call on the data listener."""
        named = {"Authorization": f"Bearer {self.keys[key]}"} if key else {}
        named |= {"Gateway-Customer": customer, "Gateway-Environment": "dev"} if customer else {}
        return self.send(label, request(method, "/elements/api-v2" + target, named | dict(fields or {}), body))

    def admin(
        self, label: str, method: str, path: str, body: bytes = b"", media: str = "application/json", *, but: Collection[str] = ()
    ) -> bytes:
        """The body of the answer of a call to the admin API."""
        fields = {"Authorization": f"Bearer {self.keys['admin']}", "Content-Type": media}
        octets = self.send(label, request(method, "/admin/v1" + path, fields, body), where=self.gateway.admin, but=but)
        return octets.partition(b"\r\n\r\n")[2]

    def command(self, label: str, *arguments: str, given: str = "", but: Collection[str] = (), status: int = 0) -> str:
        """Standard output of a command that must exit with ``status``; what it printed and its arguments are recorded."""
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments, "-c", str(self.gateway.folder / "gateway.toml")],
            env=self.gateway.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.record(f"process arguments of {label}", Path(f"/proc/{process.pid}/cmdline").read_bytes())
        output, errors = process.communicate(given.encode(), timeout=60)
        assert process.returncode == status, f"{label} exited with {process.returncode}\n{output!r}\n{errors!r}"
        self.record(label, output + errors, but)
        return output.decode()

    def new_key(self, name: str, *options: str, but: Collection[str] = ()) -> str:
        """The text of a further caller key, which is planted; only the command that makes it may show it."""
        planted = f"caller key {name}"
        text = str(
            json.loads(self.command(f"keys create ({name})", "keys", "create", "--name", name, "--json", *options, but={planted}))["key"]
        )
        self.planted.plant(planted, text)
        self.keys[name] = text
        return text

    def look_around(self) -> None:
        """Record what can be read of the running gateway: metrics, lists, exports, files, arguments."""
        for accept in ("text/plain", "application/openmetrics-text"):
            for path in ("/metrics", "/healthz", "/readyz"):
                self.send(f"{path} as {accept}", request("GET", path, {"Accept": accept}), where=self.gateway.admin)
        for customer in self.handles:
            question = json.dumps({"path": "/contacts", "customer": customer}).encode()
            self.admin(f"POST /explain ({customer})", "POST", "/explain", question)
        for path in ("/instances", "/keys", "/limits", "/cache", "/instances:export"):
            assert self.admin(f"GET {path}", "GET", path)
        for item in json.loads(self.admin("GET /exchanges", "GET", "/exchanges?limit=1000", but=self.planted.names))["items"]:
            for member, value in item.items():
                self.record(
                    f"GET /exchanges, {member} of a call to {item.get('path', '')[:60]}", json.dumps(value, ensure_ascii=False).encode()
                )
        fields = {"Authorization": f"Bearer {self.keys['admin']}", "Accept": "text/csv"}
        self.send("GET /instances:export as CSV", request("GET", "/admin/v1/instances:export", fields), where=self.gateway.admin)
        self.look_at_files()
        for process in (self.gateway.process.pid, *_children(self.gateway.process.pid)):
            self.record(f"process arguments of {process}", Path(f"/proc/{process}/cmdline").read_bytes())

    def look_at_files(self) -> None:
        """Record every file of the gateway's folder but those that are there to hold secrets, and a dump of the database."""
        for file in sorted(self.gateway.folder.rglob("*")):
            if file.is_file() and file.name not in ("master.keys", "given.token"):
                self.record(f"file {file.name}", file.read_bytes())
        with closing(sqlite3.connect(f"file:{self.gateway.folder / 'gateway.db'}?mode=ro", uri=True)) as database:
            self.record("dump of gateway.db", "\n".join(database.iterdump()).encode())

    def at_once(self, *works: Callable[[], Any]) -> list[Any]:
        """What each of ``works`` returns, done side by side."""
        with ThreadPoolExecutor(32) as pool:
            return [future.result() for future in [pool.submit(work) for work in works]]

    def findings(self) -> list[str]:
        """``PLACE: SECRET (SPELLING)`` for every secret where none may be; the places of the server's output are its lines."""
        lines = [(f"gateway serve wrote {line[:400]!r}", line, ()) for line in bytes(self.gateway.output).splitlines()]
        records = [*self.records, *lines]
        return sorted({f"{label}: {trace}" for label, octets, but in records for trace in self.planted.traces(octets, but)})


def request(method: str, target: str, fields: Mapping[str, str] | Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """The octets of a request after which the connection ends."""
    lines = [f"{method} {target} HTTP/1.1", "Host: gateway", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (fields.items() if isinstance(fields, Mapping) else fields)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())
