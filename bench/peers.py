"""The processes of a benchmark: started on the core they belong to, ended by their id. The gateway is set up by its own commands."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

PREFIX = "/elements/api-v2"
_READY = re.compile(r"^data listener on (http://\S+)$", re.MULTILINE)
_START_S, _STOP_S = 20.0, 10.0

# All three kinds, far above any load: they are asked at each call and never refuse one.
_LIMITS = ["5000000/10s", "40000000/min burst 5000000", "900000000/day"]


class BenchError(Exception):
    """A benchmark could not be run; the text says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running process: its address without a trailing slash, and what it has cost so far."""

    url: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """User and system time of all its threads."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def resident(self) -> int:
        """Octets of resident memory."""
        return int(self.process.memory_info().rss)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What Cloud Elements would have given us, made up for one run."""

    user: str
    organization: str
    token: str

    @classmethod
    def new(cls) -> Credentials:
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))

    @property
    def authorization(self) -> str:
        return f"User {self.user}, Organization {self.organization}, Element {self.token}"


def cores() -> tuple[int, int]:
    """(core of the proxy, core of load and origin); the same one where there is no second."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[1 % len(usable)]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started inside runs on ``core``, with all its threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(
    module: str,
    arguments: list[str],
    environ: Mapping[str, str],
    folder: Path,
    core: int,
    ready: re.Pattern[str] = _READY,
    python: Sequence[str] = (sys.executable,),
) -> Iterator[Peer]:
    """``python -m module arguments`` on ``core`` until the block is left. Its output goes to files in ``folder``; ``ready`` finds the
    address in it.

    Raises ``BenchError`` if it does not say within 20 s where it listens.
    """
    out, err = folder / f"{module}.out", folder / f"{module}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr, pinned(core):
        process = subprocess.Popen(
            [*python, "-m", module, *arguments],
            env=_environ(environ),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        yield Peer(_address(process, module, out, err, ready), psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environ(added: Mapping[str, str]) -> dict[str, str]:
    """Ours without what would configure the gateway otherwise than this benchmark says, or have it compile itself at each start."""
    left_out = ("GATEWAY__", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)} | dict(added)


def _address(process: subprocess.Popen[bytes], module: str, out: Path, err: Path, ready: re.Pattern[str]) -> str:
    ends = time.monotonic() + _START_S
    while time.monotonic() < ends and process.poll() is None:
        if found := ready.search(out.read_text("utf-8", "replace")):
            return found[1]
        time.sleep(0.02)
    raise BenchError(f"{module} does not serve:\n{err.read_text('utf-8', 'replace')[-2000:]}")


@contextmanager
def gateway(origin: Peer, credentials: Credentials, folder: Path, core: int) -> Iterator[tuple[Peer, str]]:
    """(A gateway with everything on in front of ``origin``, the key of a caller): mapping, three limits, cache, access log."""
    config = folder / "gateway" / "gateway.toml"
    environ = {
        "CE_DEV_USER_SECRET": credentials.user,
        "CE_DEV_ORGANIZATION_SECRET": credentials.organization,
        "GATEWAY__LISTEN__DATA": "127.0.0.1:0",
        "GATEWAY__LISTEN__ADMIN": "127.0.0.1:0",
        "GATEWAY__ENVIRONMENTS__DEV__BASE_URL": origin.url + PREFIX,
        "GATEWAY__ELEMENTS__HUBSPOT__LIMITS": json.dumps(_LIMITS),
    }
    command(["init", str(config.parent), "--json"], environ)
    key = json.loads(command(["keys", "create", "-c", str(config), "--name", "bench", "--json"], environ))["key"]
    mapping = ["--environment", "dev", "--customer", "acme", "--element", "hubspot", "--token-file", "-"]
    command(["instances", "add", "-c", str(config), *mapping, "--json"], environ, credentials.token)
    with running("gateway", ["serve", "-c", str(config)], environ, folder, core) as peer:
        yield peer, key


def command(arguments: list[str], environ: Mapping[str, str], given: str = "", python: Sequence[str] = (sys.executable,)) -> str:
    """What ``gateway arguments`` prints, given ``given``. Raises ``BenchError`` if it fails."""
    done = subprocess.run(
        [*python, "-m", "gateway", *arguments],
        env=_environ(environ),
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"gateway {arguments[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout
