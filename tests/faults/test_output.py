"""Standard output and error that are closed, or that nobody reads (fault 41): calls are served, and SIGTERM ends the process with 0."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.acceptance.commands import exchange
from tests.faults.conftest import QUICK, Template, copied
from tests.support.cases import ask
from tests.support.origin import BODY, Origin
from tests.support.processes import end_process
from tests.support.raw import Address, Caller

BASE = "/elements/api-v2"
CALLS = 400  # a line of the log has some 450 octets, a pipe holds 65536


class Muted:
    """A gateway whose output goes elsewhere, or nowhere."""

    def __init__(self, process: subprocess.Popen[bytes], template: Template) -> None:
        self.process = process
        self.administrator = (f"Authorization: Bearer {template.admin_key}", "Content-Type: application/json")
        self._request = ask("GET ~/x").replace(b"@KEY@", template.key.encode())
        self.data, self.admin = self._listeners()

    def calls(self, number: int) -> int:
        """How many calls on one connection are served, of ``number`` or until the first that is not."""
        served = 0
        with Caller(self.data, patience=3.0) as caller:
            for _ in range(number):
                caller.send(self._request)
                answer = caller.answer()
                if answer is None or (answer.status, answer.body) != (200, BODY):
                    break
                served += 1
        return served

    def terminated(self) -> int:
        """The exit status after SIGTERM; fails unless the process ends in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(6.0)
        except subprocess.TimeoutExpired:
            raise AssertionError("it does not end on SIGTERM") from None

    def _listeners(self) -> tuple[Address, Address]:
        """Found from outside, as its output tells nobody: /readyz is on the admin listener alone."""
        watched = psutil.Process(self.process.pid)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            ports = [found.laddr.port for found in watched.net_connections("tcp") if found.status == psutil.CONN_LISTEN]
            if len(ports) == 2:
                first, second = (("127.0.0.1", port) for port in ports)
                return (second, first) if exchange(first, "GET", "/readyz").status == 200 else (first, second)
            time.sleep(0.02)
        raise AssertionError(f"the gateway does not listen (exit status {self.process.poll()})")


@contextmanager
def muted(
    template: Template, folder: Path, stdout: int | None, stderr: int | None, settings: str = QUICK, redirect: str = ""
) -> Iterator[Muted]:
    with Origin() as origin:
        copied(template, folder, {"dev": f"http://{origin.authority}{BASE}"}, settings)
        words = ["sh", "-c", f'exec "$@" {redirect}', "sh", sys.executable, "-m", "gateway", "serve", "-c", "gateway.toml"]
        process = subprocess.Popen(words, env=template.environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        try:
            yield Muted(process, template)
        finally:
            end_process(process)


@pytest.fixture
def written(tmp_path: Path) -> Iterator[int]:
    """Takes standard error."""
    descriptor = os.open(tmp_path / "stderr", os.O_CREAT | os.O_RDWR)
    yield descriptor
    os.close(descriptor)
    text = (tmp_path / "stderr").read_text()
    assert not re.search(r"Traceback|Fatal|Exception ignored", text), text[-2000:]


def test_a_pipe_that_nobody_reads(template: Template, tmp_path: Path, written: int) -> None:
    """The log stands still, calls do not."""
    reading, writing = os.pipe()
    with muted(template, tmp_path / "gateway", writing, written) as gateway:
        os.close(writing)
        assert gateway.calls(CALLS) == CALLS
        assert exchange(gateway.admin, "GET", "/readyz").status == 200
        assert gateway.terminated() == 0
    os.close(reading)


def test_a_pipe_that_is_read_late_and_then_left(template: Template, tmp_path: Path, written: int) -> None:
    """What fits into the memory of the log is written once somebody reads, each line whole; what nobody can read is dropped."""
    reading, writing = os.pipe()
    with muted(template, tmp_path / "gateway", writing, written) as gateway:
        os.close(writing)
        assert gateway.calls(CALLS) == CALLS
        text = b""
        os.set_blocking(reading, False)
        deadline = time.monotonic() + 5
        while (text.count(b'/x", "status"') < CALLS or not text.endswith(b"\n")) and time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                text += os.read(reading, 1 << 20)
            time.sleep(0.005)
        assert [json.loads(line)["outcome"] for line in text.splitlines() if b'/x", "status"' in line] == ["ok"] * CALLS
        os.close(reading)
        for _ in range(3):
            assert gateway.calls(20) == 20
            time.sleep(0.06)  # the log is written every 50 ms
        assert gateway.terminated() == 0


def test_no_standard_output(template: Template, tmp_path: Path, written: int) -> None:
    """Closed before the start, as ``gateway serve >&-`` does."""
    with muted(template, tmp_path / "gateway", subprocess.DEVNULL, written, redirect=">&-") as gateway:
        assert gateway.calls(20) == 20
        assert gateway.terminated() == 0


def test_a_full_disk_for_the_log(template: Template, tmp_path: Path, written: int) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with muted(template, tmp_path / "gateway", full, written) as gateway:
        os.close(full)
        assert gateway.calls(CALLS) == CALLS
        assert gateway.terminated() == 0


def test_one_pipe_for_both_that_nobody_reads(template: Template, tmp_path: Path) -> None:
    """As under a supervisor that hangs: what is logged beside the calls must not stop them either, nor the end."""
    reading, writing = os.pipe()
    with muted(template, tmp_path / "gateway", writing, writing) as gateway:
        os.close(writing)
        assert gateway.calls(CALLS) == CALLS
        time.sleep(0.2)  # the log is written every 50 ms
        made = exchange(gateway.admin, "POST", "/admin/v1/keys", *gateway.administrator, body=b'{"name":"audited"}', patience=3.0)
        assert made.status == 201
        assert gateway.calls(20) == 20
        gateway.terminated()
    os.close(reading)
