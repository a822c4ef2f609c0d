"""The real gateway as a subprocess, set up through its own command line, ended by its process id.

``with running_gateway(folder, {"dev": origin_url}) as gateway:`` gives a ``Gateway`` that serves on ports of the system's choice.
``Canaries`` are the secrets planted in it; none of them may show up in anything that it says.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.support.raw import Address

ROOT = Path(__file__).resolve().parents[2]
SEEN = {"GATEWAY__INSPECTABLE": "true"} if os.geteuid() else {}
"""Tests look at what a gateway has open; it hides that from its own user (``gateway/hardening.py``), but for root."""
if "TESTS_FAST_PATH" in os.environ:
    SEEN["GATEWAY__LISTEN__FAST_PATH"] = os.environ["TESTS_FAST_PATH"]  # whole suites are run without it, too: see the Makefile
_READY = re.compile(r"(data|admin|callbacks) listener on http://([\d.]+):(\d+)")


@dataclass(frozen=True)
class Canaries:
    """Secrets that cannot be mistaken for anything else."""

    user: str = "CANARY-user-5f1c0a7e93"
    organization: str = "CANARY-organization-8d24be61f0"
    token: str = "CANARY-token-c93a7715de"

    def of(self, customer: str) -> str:
        """The instance token of ``customer``."""
        return f"{self.token}-{customer}"

    @property
    def all(self) -> tuple[str, ...]:
        return (self.user, self.organization, self.token)


@dataclass
class Gateway:
    """A running gateway. ``key`` may call every environment and customer; ``handles`` are by customer, in ``dev``."""

    folder: Path
    process: subprocess.Popen[bytes]
    environ: dict[str, str]
    canaries: Canaries
    key: str
    handles: dict[str, str]
    output: bytearray = field(default_factory=bytearray)
    listeners: dict[str, Address] = field(default_factory=dict)

    @property
    def data(self) -> Address:
        return self.listeners["data"]

    @property
    def admin(self) -> Address:
        return self.listeners["admin"]

    @property
    def text(self) -> str:
        """Everything that it has written to standard output and standard error so far."""
        return self.output.decode("utf-8", "replace")

    def command(self, *arguments: str, given: str = "") -> Any:
        """The JSON answer of a gateway command on this configuration; ``given`` is its standard input."""
        return command(self.folder, self.environ, *arguments, given=given)

    def new_key(self, name: str, *options: str) -> str:
        """A further caller key."""
        return str(self.command("keys", "create", "--name", name, *options)["key"])


@contextmanager
def running_gateway(
    folder: Path,
    environments: Mapping[str, str],
    *,
    settings: str = "",
    customers: tuple[str, ...] = ("acme",),
    element: str = "rawelement",
) -> Iterator[Gateway]:
    """Start a gateway in ``folder`` (made by ``gateway init``) and end it afterwards.

    ``environments``: name to base URL; the first is the default. ``settings``: further TOML (``[listen]`` and ``[upstream]`` values
    as ``listen.header_timeout = "1s"`` lines). Each of ``customers`` gets an instance of ``element`` in each environment.
    """
    canaries = Canaries()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY__")}
    environ |= SEEN
    environ |= {"RAW_USER_SECRET": canaries.user, "RAW_ORGANIZATION_SECRET": canaries.organization, "PYTHONPATH": str(ROOT)}
    run([sys.executable, "-m", "gateway", "init", str(folder), "--json"], environ)
    (folder / "gateway.toml").write_text(configuration(environments, settings), "utf-8")
    key = command(folder, environ, "keys", "create", "--name", "raw")["key"]
    handles = {}
    for environment in reversed(list(environments)):
        for customer in customers:
            where = ("--environment", environment, "--customer", customer, "--element", element)
            added = command(folder, environ, "instances", "add", *where, "--token-file", "-", given=canaries.of(customer))
            handles[customer] = added["handle"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "-c", str(folder / "gateway.toml")],
        env=environ,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    gateway = Gateway(folder, process, environ, canaries, key, handles)
    assert process.stdout
    reader = threading.Thread(target=collect, args=(process.stdout, gateway.output), daemon=True)
    reader.start()
    try:
        gateway.listeners = wait_ready(gateway)
        yield gateway
    finally:
        end_process(process)
        reader.join(5)
        process.stdout.close()


def configuration(environments: Mapping[str, str], settings: str) -> str:
    """The text of ``gateway.toml``."""
    lines = [
        f'default_environment = "{next(iter(environments))}"',
        'log_level = "debug"',
        'listen.data = "127.0.0.1:0"',
        'listen.admin = "127.0.0.1:0"',
        settings,
    ]
    for name, base_url in environments.items():
        lines += [
            f"[environments.{name}]",
            f'base_url = "{base_url}"',
            'user_secret = "env:RAW_USER_SECRET"',
            'organization_secret = "env:RAW_ORGANIZATION_SECRET"',
        ]
    return "\n".join(lines) + "\n"


def command(folder: Path, environ: Mapping[str, str], *arguments: str, given: str = "") -> Any:
    """What ``gateway … -c gateway.toml --json`` prints, parsed; fails with its output unless it exits with 0."""
    return json.loads(run([sys.executable, "-m", "gateway", *arguments, "-c", str(folder / "gateway.toml"), "--json"], environ, given))


def run(arguments: list[str], environ: Mapping[str, str], given: str = "") -> str:
    """Standard output of a command that must exit with 0 within a minute."""
    done = subprocess.run(arguments, env=dict(environ), input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{arguments[1:]} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def collect(stream: IO[bytes], output: bytearray) -> None:
    while data := os.read(stream.fileno(), 65536):
        output += data


def wait_ready(gateway: Gateway, within: float = 30.0) -> dict[str, Address]:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and gateway.process.poll() is None:
        found = {name: (host, int(port)) for name, host, port in _READY.findall(gateway.text)}
        if {"data", "admin"} <= found.keys():
            return found
        time.sleep(0.02)
    raise AssertionError(f"the gateway is not ready (exit status {gateway.process.poll()}):\n{gateway.text}")


def end_process(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
