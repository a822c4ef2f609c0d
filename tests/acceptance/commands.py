"""The gateway as its users run it: commands in a folder, and ``gateway serve`` as a process; and a call to its listeners."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.answers import Answer
from tests.support.raw import Address, Caller

ROOT = Path(__file__).resolve().parents[2]
USER, ORGANIZATION = "CANARYuser5f1c0a7e93==", "CANARYorganization8d24be61f0=="
_READY = re.compile(r"(data|admin) listener on http://([\d.]+):(\d+)")


def exchange(address: Address, method: str, target: str, *fields: str, body: bytes | None = None, patience: float = 15.0) -> Answer:
    """One call on a connection of its own; nothing is sent that is not said here, but for Host and the body's length."""
    length = () if body is None else (f"Content-Length: {len(body)}",)
    head = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: gateway", *fields, *length, "", ""))
    with Caller(address, patience=patience) as caller:
        caller.send(head.encode("latin-1") + (body or b""))
        answer = caller.answer(method)
    assert answer is not None, f"no answer to {method} {target}"
    assert answer.complete
    return answer


@dataclass
class Process:
    """A running ``gateway serve``; ``output`` is all that it wrote."""

    process: subprocess.Popen[bytes]
    output: bytearray = field(default_factory=bytearray)
    listeners: dict[str, Address] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self, within: float) -> int:
        """The exit status; fails unless it ends in time."""
        return self.process.wait(within)


def environ(**more: str) -> dict[str, str]:
    """The environment of a gateway process, with the secrets that ``toml`` refers to."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY__")}
    return kept | {"PYTHONPATH": str(ROOT), "CE_USER": USER, "CE_ORGANIZATION": ORGANIZATION} | more


def run(folder: Path, *arguments: str, given: str = "", env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A gateway command in ``folder``, finished, whatever its exit status."""
    words = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.run(words, cwd=folder, env=env or environ(), input=given, capture_output=True, text=True, timeout=60, check=False)


def command(folder: Path, *arguments: str, given: str = "") -> Any:
    """The JSON that a gateway command prints; fails unless it exits with 0."""
    done = run(folder, *arguments, "-c", "gateway.toml", "--json", given=given)
    assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def initialize(folder: Path, text: str) -> str:
    """``gateway init`` in ``folder``, then ``text`` as its configuration; the admin key."""
    done = run(folder, "init", "--json")
    assert done.returncode == 0, done.stderr
    (folder / "gateway.toml").write_text(text, "utf-8")
    return str(json.loads(done.stdout)["admin_key"])


def toml(environments: Mapping[str, str], *more: str) -> str:
    """A configuration: base URLs by name (the first is the default), ports of the system's choice, and further lines.

    Lines of ``more`` that begin with ``[`` open tables; those before the first are top-level.
    """
    lines = [f'default_environment = "{next(iter(environments))}"', 'listen.data = "127.0.0.1:0"', 'listen.admin = "127.0.0.1:0"', *more]
    for name, base_url in environments.items():
        lines += [f"[environments.{name}]", f'base_url = "{base_url}"', 'user_secret = "env:CE_USER"']
        lines += ['organization_secret = "env:CE_ORGANIZATION"']
    return "\n".join(lines) + "\n"


@contextmanager
def serving(folder: Path) -> Iterator[Process]:
    """``gateway serve`` on the configuration in ``folder`` while inside."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "-c", "gateway.toml"],
        cwd=folder,
        env=environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    served = Process(process)
    assert process.stdout is not None
    descriptor = process.stdout.fileno()

    def collect() -> None:
        while data := os.read(descriptor, 65536):
            served.output += data

    reader = threading.Thread(target=collect, daemon=True)
    reader.start()
    try:
        deadline = time.monotonic() + 30
        while len(served.listeners) < 2:
            assert process.poll() is None, served.text
            assert time.monotonic() < deadline, served.text
            served.listeners = {name: (host, int(port)) for name, host, port in _READY.findall(served.text)}
            time.sleep(0.02)
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        reader.join(5)
        process.stdout.close()


def until(condition: Any, within: float = 2.0) -> float:
    """Wait until ``condition()`` holds; how long it took. Fails if it does not in time."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within, f"not within {within} s"
        time.sleep(0.02)
    return time.monotonic() - started
