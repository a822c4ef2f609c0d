"""A gateway under traffic, and commands that look at it as processes of their own."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.acceptance.commands import exchange
from tests.support.answers import Answer
from tests.support.origin import Origin, head, ok, script
from tests.support.processes import ROOT, Gateway, running_gateway
from tests.support.raw import Address

BASE = "/elements/api-v2"
ELEMENTS_ID = "5f0d3c1ae4b0a7c2d91f4e77"
SETTINGS = 'elements.rawelement.limits = ["100000/h"]\n[elements.rawelement.cache]\nttl = "60s"'


def error(said: str, *fields: str, status: str = "404 Not Found") -> bytes:
    """An error of Cloud Elements in which the provider said something."""
    body = f'{{"requestId": "{ELEMENTS_ID}", "message": "No contact found", "providerMessage": "{said}"}}'.encode()
    typed = ("Content-Type: application/json;charset=utf-8", f"Elements-Request-Id: {ELEMENTS_ID}")
    return head(status, *typed, *fields, f"Content-Length: {len(body)}") + body


@dataclass
class Follower:
    """A running ``gateway tail``; what it writes is read line by line."""

    process: subprocess.Popen[str]
    lines: queue.Queue[str] = field(default_factory=queue.Queue)
    notices: queue.Queue[str] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        pipes = ((self.process.stdout, self.lines), (self.process.stderr, self.notices))
        self.readers = [threading.Thread(target=_read, args=pipe, daemon=True) for pipe in pipes]
        for reader in self.readers:
            reader.start()

    def line(self, within: float = 30.0) -> str:
        """The next line on standard output."""
        return self.lines.get(timeout=within).rstrip("\n")

    def notice(self, within: float = 30.0) -> str:
        """The next line on standard error."""
        return self.notices.get(timeout=within).rstrip("\n")

    def interrupt(self) -> int:
        """Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


def _read(stream: IO[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)


@dataclass
class Watched:
    """``gateway`` in front of ``origin``; ``admin_key`` opens its admin API."""

    gateway: Gateway
    origin: Origin
    admin_key: str

    def call(self, path: str, *fields: str, customer: str = "acme", key: str | None = None, method: str = "GET") -> Answer:
        who = (f"X-Api-Key: {self.gateway.key if key is None else key}", f"Gateway-Customer: {customer}")
        return exchange(self.gateway.data, method, BASE + path, *who, *fields)

    def api(self, path: str, key: str | None = None) -> Any:
        """What the admin API answers to GET."""
        who = f"Authorization: Bearer {self.admin_key if key is None else key}"
        answer = exchange(self.gateway.admin, "GET", f"/admin/v1{path}", who, patience=40)
        assert answer.status == 200, answer.body
        return answer.json()

    def environ(self, **more: str) -> dict[str, str]:
        return environ(self.gateway.admin, self.admin_key, **more)

    def run(self, *words: str, env: Mapping[str, str] | None = None, given: str = "", cwd: Path | None = None) -> Any:
        """A finished ``gateway`` command that was told where the gateway is by its configuration."""
        line = [sys.executable, "-m", "gateway", *words, "-c", str(self.gateway.folder / "gateway.toml")]
        options: dict[str, Any] = {"env": env or self.environ(), "cwd": cwd, "input": given, "capture_output": True, "text": True}
        return subprocess.run(line, timeout=60, check=False, **options)

    def tail(self, *words: str) -> Any:
        """``gateway tail`` while inside."""
        return tailing(self.gateway.folder, self.environ(), *words)


def environ(admin: Address, admin_key: str, **more: str) -> dict[str, str]:
    """Of a command: where the gateway that it is to ask listens, and the key."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS")}
    where = {"PYTHONPATH": str(ROOT), "GATEWAY__LISTEN__ADMIN": f"{admin[0]}:{admin[1]}", "GATEWAY_ADMIN_KEY": admin_key}
    return kept | where | more


@contextmanager
def tailing(folder: Path, env: Mapping[str, str], *words: str) -> Iterator[Follower]:
    """``gateway tail`` in ``folder`` while inside."""
    line = [sys.executable, "-m", "gateway", "tail", *words, "-c", str(folder / "gateway.toml")]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, env=dict(env), **pipes) as process:
        follower = Follower(process)
        try:
            yield follower
        finally:
            if process.poll() is None:
                process.kill()
            for reader in follower.readers:
                reader.join(30)


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """A gateway with customers ``acme`` and ``bravo``, whose upstream knows ``/bad`` and ``/slow``."""
    with Origin() as origin:
        told = error("NOT_FOUND: no row with that key")
        start = told.index(b"\r\n\r\n") + 4
        origin.behaviours |= {
            "bad": script(told),
            "filtered": script(ok()),
            "apart": script(told[:start], 0.03, told[start : start + 9], 0.03, told[start + 9 :]),
            "slow": script(0.2, head("200 OK", "Content-Length: 2"), b"{}"),
        }
        base = {"dev": f"http://{origin.authority}{BASE}"}
        with running_gateway(folder, base, settings=SETTINGS, customers=("acme", "bravo")) as gateway:
            yield Watched(gateway, origin, gateway.new_key("operator", "--scope", "admin"))
