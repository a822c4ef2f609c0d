"""``gateway serve`` with TLS or started as systemd does, and calls to it over TLS."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.acceptance.commands import command, environ, initialize
from tests.support.cases import BASE
from tests.support.processes import SEEN, collect, end_process
from tests.support.raw import Address

_READY = re.compile(r"(data|admin) listener on (https?)://([\d.]+):(\d+)")
SERVE = (sys.executable, "-m", "gateway", "serve", "-c", "gateway.toml")


@dataclass(frozen=True)
class Template:
    """A folder with a database; customer ``acme`` has an instance in ``dev``. ``keys`` are by name: id and text."""

    folder: Path
    keys: dict[str, tuple[str, str]]
    handle: str

    @classmethod
    def make(cls, folder: Path, **keys: Sequence[str]) -> Template:
        """``keys``: options of ``gateway keys create`` by name."""
        folder.mkdir()
        initialize(folder, configuration("http://127.0.0.1:9"))
        made = {name: command(folder, "keys", "create", "--name", name, *options) for name, options in keys.items()}
        where = ("--environment", "dev", "--customer", "acme", "--element", "plain")
        handle = command(folder, "instances", "add", *where, "--token-file", "-", given="CANARYtoken4712==")["handle"]
        return cls(folder, {name: (key["id"], key["key"]) for name, key in made.items()}, handle)

    def copy(self, folder: Path, upstream: str, *more: str) -> Path:
        """A folder like this one whose gateway calls ``upstream``; ``more`` are further lines of its configuration."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        (folder / "gateway.toml").write_text(configuration(upstream, *more), "utf-8")
        return folder


def configuration(upstream: str, *more: str) -> str:
    """Lines of ``more`` that begin with ``[`` open tables."""
    lines = ['log_level = "debug"', 'listen.data = "127.0.0.1:0"', 'listen.admin = "127.0.0.1:0"', 'listen.drain_timeout = "10s"', *more]
    lines += ["[environments.dev]", f'base_url = "{upstream}{BASE}"', 'user_secret = "env:CE_USER"']
    return "\n".join([*lines, 'organization_secret = "env:CE_ORGANIZATION"', ""])


@dataclass
class Served:
    """A running gateway; ``schemes`` and ``listeners`` are by name, as it printed them."""

    process: subprocess.Popen[bytes]
    output: bytearray = field(default_factory=bytearray)
    listeners: dict[str, Address] = field(default_factory=dict)
    schemes: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")

    def events(self, level: str | None = None) -> list[dict[str, Any]]:
        """What it logged, at ``level``."""
        lines = [json.loads(line) for line in self.text.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if "event" in line and level in (None, line["level"])]

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def stop(self, within: float = 15.0) -> int:
        """End it as systemd does; the exit status."""
        self.process.terminate()
        return self.process.wait(within)


@contextmanager
def serving(
    folder: Path, *, words: Sequence[str] = SERVE, env: Mapping[str, str] | None = None, inherit: Sequence[int] = ()
) -> Iterator[Served]:
    """``gateway serve`` on the configuration in ``folder`` while inside, if it was not ended before."""
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(words, cwd=folder, env=environ(**SEEN, **(env or {})), pass_fds=inherit, **pipes)
    served = Served(process)
    assert process.stdout is not None
    reader = threading.Thread(target=collect, args=(process.stdout, served.output), daemon=True)
    reader.start()
    try:
        until(lambda: _ready(served), 30.0)
        yield served
    finally:
        if process.poll() is None:
            end_process(process)
        reader.join(5)
        process.stdout.close()
        assert "Traceback" not in served.text, served.text[-3000:]
        assert "never retrieved" not in served.text, served.text[-3000:]


def _ready(served: Served) -> bool:
    assert served.process.poll() is None, served.text
    for name, scheme, host, port in _READY.findall(served.text):
        served.schemes[name], served.listeners[name] = scheme, (host, int(port))
    return len(served.listeners) == 2


def until(condition: Callable[[], bool], within: float = 10.0) -> None:
    """Wait until ``condition()`` holds; fails if it does not in time."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.02)


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes


def ask(address: Address, tls: ssl.SSLContext | None, method: str, target: str, *fields: str, body: bytes | None = None) -> Reply:
    """One call on a connection of its own; with ``tls``, the handshake before it."""
    connection: http.client.HTTPConnection = http.client.HTTPConnection(*address, timeout=20)
    if tls is not None:
        connection = http.client.HTTPSConnection(*address, timeout=20, context=tls)
    try:
        return ask_on(connection, method, target, *fields, body=body)
    finally:
        connection.close()


def ask_on(connection: http.client.HTTPConnection, method: str, target: str, *fields: str, body: bytes | None = None) -> Reply:
    """One call on a connection that is kept."""
    connection.request(method, target, body, dict(line.split(": ", 1) for line in fields))
    answer = connection.getresponse()
    return Reply(answer.status, answer.read())


def serial_of(address: Address, tls: ssl.SSLContext) -> int:
    """The serial number of the certificate that a new handshake is shown."""
    with socket.create_connection(address, 10) as plain, tls.wrap_socket(plain, server_hostname=address[0]) as sock:
        shown = sock.getpeercert(binary_form=True)
    assert shown
    return x509.load_der_x509_certificate(shown).serial_number


def descriptors(pid: int) -> int:
    """How many files and sockets the process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
