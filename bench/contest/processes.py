"""The processes of the contest: started on the core they belong to, waited for, ended by their id."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.peers import BenchError, pinned

_START_S, _STOP_S = 20.0, 5.0
_NOT_HANDED_ON = ("gateway__", "bench_", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True, slots=True)
class Running:
    """A rival's process and those it started: its address without a trailing slash, and what they cost together."""

    url: str
    process: psutil.Process

    @property
    def at(self) -> str:
        """``host:port``."""
        return self.url.removeprefix("http://")

    def cpu_seconds(self) -> float:
        """User and system time so far. Raises ``BenchError`` if it has ended."""
        return sum(times.user + times.system for times in (one.cpu_times() for one in self._all()))

    def resident(self) -> int:
        """Octets of resident memory; what several processes share counts in each."""
        return sum(int(one.memory_info().rss) for one in self._all())

    def _all(self) -> list[psutil.Process]:
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            raise BenchError(f"the process of {self.url} has ended") from None


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 on which nobody listens now."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()


@contextmanager
def running(command: Sequence[str], port: int, folder: Path, core: int, environ: Mapping[str, str] | None = None) -> Iterator[Running]:
    """``command`` on ``core`` until the block is left, in ``folder``, where its output goes to ``output.log``.

    Raises ``BenchError`` with the end of that output if ``port`` does not listen within 20 s.
    """
    log = folder / "output.log"
    with log.open("wb") as output, pinned(core):
        process = subprocess.Popen(
            list(command),
            env=_environ(environ or {}),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, log)
        yield Running(f"http://127.0.0.1:{port}", psutil.Process(process.pid))
    finally:
        _end(process)


def _environ(added: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.lower().startswith(_NOT_HANDED_ON)} | dict(added)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends = time.monotonic() + _START_S
    while time.monotonic() < ends and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise BenchError(f"{Path(str(process.args[0])).name} does not serve:\n{log.read_text('utf-8', 'replace')[-2000:]}")  # type: ignore[index]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End ``process`` and whatever it started that outlives it."""
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        _, left = psutil.wait_procs(children, timeout=_STOP_S)
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    if process.poll() is None:
        process.kill()
    process.wait()
