"""A reader who follows the tour: terminals in a folder that looks like a checkout, ports of the system's choice, ids made comparable.

A block that ends with ``gateway sandbox`` or ``gateway serve`` keeps its terminal; the next block is typed into a new one. Where the
page says 9000, 8080 and 8081, this reader has whatever ports were free. A key or handle that the page abbreviates (``gwk_…``) is the
last one that was shown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.blocks import ROOT, Block

_SERVERS = ("gateway sandbox", "gateway serve")
_DONE = "--- done: "
_ABBREVIATED = re.compile(r"gw([ki])_…")
_LISTENING = {
    "9000": re.compile(r"Sandbox at http://127\.0\.0\.1:(\d+)"),
    "8080": re.compile(r"data listener on http://127\.0\.0\.1:(\d+)"),
    "8081": re.compile(r"admin listener on http://127\.0\.0\.1:(\d+)"),
}
# What nobody could compare by eye, and how the pages abbreviate it.
_LONG = (
    (r"\r", ""),
    (r"gwk_\w+", "gwk_…"),
    (r"gwi_\w+", "gwi_…"),
    (r"(?m)^(id +)\w{12}$", r"\1…"),
    (r'("caller": )"\w{12}"', r'\1"…"'),
    (r"\b[0-9a-f]{24,32}\b", "…"),
)
# What differs from run to run, and what it looks like afterwards.
_VARYING = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00| UTC)", "…"),
    (r"(?m)^(Date|Server|Age|Retry-After): .*$", r"\1: …"),
    (r"\b(dur|ttl)=[\d.]+", r"\1=…"),
    (r";t=\d+", ";t=…"),
    (r"(['\"](?:ms|upstream_ms|resets|retryAfter)['\"]: )[\d.]+", r"\1…"),
)


def abbreviated(text: str) -> str:
    """``text`` as a page shows it: keys, handles and ids shortened."""
    for pattern, replacement in _LONG:
        text = re.sub(pattern, replacement, text)
    return "".join(f"{line.rstrip()}\n" for line in text.strip().splitlines())


def comparable(text: str) -> str:
    """An abbreviated text without what differs from run to run."""
    for pattern, replacement in _VARYING:
        text = re.sub(pattern, replacement, text)
    return text


@dataclass
class Reader:
    """Follows blocks in ``folder``; use ``leave`` at the end."""

    folder: Path
    ports: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)  # k: the last key, i: the last handle
    servers: list[_Terminal] = field(default_factory=list)
    _terminal: _Terminal | None = None

    def __post_init__(self) -> None:
        binaries = self.folder / ".venv" / "bin"
        binaries.mkdir(parents=True)
        for name, words in (("gateway", "-m gateway"), ("python", "")):
            (binaries / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', "utf-8")
            (binaries / name).chmod(0o755)
        (binaries / "activate").write_text(f'PATH="{binaries}:$PATH"\n', "utf-8")

    def follow(self, block: Block) -> str:
        """Type the block in; what it prints, as a page would show it. Fails unless the block succeeds."""
        if self._terminal is None:
            self._terminal = _Terminal(self.folder)
        text = self._typed(block.text)
        if text.rstrip().splitlines()[-1].startswith(_SERVERS):
            return self._start(self._terminal, text, len((block.output or "").splitlines()))
        status, printed = self._terminal.run(text)
        assert status == 0, f"{block} ended with {status}\n{printed}\n{self._terminal.errors}"
        return self._look(printed)

    def leave(self) -> list[int]:
        """Press Ctrl-C in every server, the last started first; their exit statuses."""
        if self._terminal is not None:
            self._terminal.end()
        return [terminal.end() for terminal in reversed(self.servers)]

    def _typed(self, text: str) -> str:
        text = _ABBREVIATED.sub(lambda found: self.shown[found[1]], text)
        text = re.sub(r"(?m)^gateway sandbox$", "gateway sandbox --listen 127.0.0.1:0", text)
        for told, real in self.ports.items():
            text = text.replace(f"127.0.0.1:{told}", f"127.0.0.1:{real}")
        return text

    def _start(self, terminal: _Terminal, text: str, lines: int) -> str:
        head, _, last = text.rstrip().rpartition("\n")
        self._terminal = None
        self.servers.append(terminal)
        return self._look(terminal.become(f"{head}\nexec {last}\n", lines))

    def _look(self, printed: str) -> str:
        for told, pattern in _LISTENING.items():
            if match := pattern.search(printed):
                self.ports[told] = match[1]
        for key_or_handle in re.findall(r"gw[ki]_\w+", printed):
            self.shown[key_or_handle[2]] = key_or_handle
        for told, real in self.ports.items():
            printed = printed.replace(f"127.0.0.1:{real}", f"127.0.0.1:{told}")
        return abbreviated(printed)


class _Terminal:
    """A shell; ``errors`` is what was written to standard error."""

    def __init__(self, folder: Path) -> None:
        self._output = bytearray()
        self._errors = bytearray()
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=_environ(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        pairs = ((self._process.stdout, self._output), (self._process.stderr, self._errors))
        self._threads = [threading.Thread(target=self._collect, args=pair, daemon=True) for pair in pairs]
        for thread in self._threads:
            thread.start()

    @property
    def errors(self) -> str:
        return self._errors.decode("utf-8", "replace")

    def run(self, text: str) -> tuple[int, str]:
        """(exit status, what was printed) of commands that end."""
        start = len(self._output)
        self._type(f"set -o pipefail\n{{\n{text}\n}} </dev/null\nprintf '\\n{_DONE}%s\\n' $?\n")
        self._wait(lambda: re.search(rf"\n{_DONE}\d+\n", self._since(start)) is not None)
        printed, _, status = self._since(start).rpartition(f"\n{_DONE}")
        return int(status), printed

    def become(self, text: str, lines: int) -> str:
        """Run commands of which the last does not end; its first ``lines`` lines."""
        start = len(self._output)
        self._type(text)
        self._wait(lambda: self._since(start).count("\n") >= lines)
        return "".join(self._since(start).splitlines(keepends=True)[:lines])

    def end(self) -> int:
        """The exit status after a SIGTERM."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.terminate()
        try:
            status = self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait(10)
        for thread in self._threads:
            thread.join(5)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream
            stream.close()
        return status

    def _type(self, text: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def _since(self, start: int) -> str:
        return self._output[start:].decode("utf-8", "replace")

    def _wait(self, condition: Callable[[], bool], within: float = 60.0) -> None:
        deadline = time.monotonic() + within
        with self._news:
            while not condition():
                assert self._process.poll() is None, f"the shell ended\n{self._since(0)}\n{self.errors}"
                assert time.monotonic() < deadline, f"not within {within} s\n{self._since(0)}\n{self.errors}"
                self._news.wait(0.1)

    def _collect(self, stream: object, kept: bytearray) -> None:
        while data := os.read(stream.fileno(), 65536):  # type: ignore[attr-defined]
            with self._news:
                kept += data
                self._news.notify_all()


def _environ(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if not name.startswith(("GATEWAY__", "CE_"))}
    ports = {"GATEWAY__LISTEN__DATA": "127.0.0.1:0", "GATEWAY__LISTEN__ADMIN": "127.0.0.1:0"}
    return {**kept, **ports, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "NO_PROXY": "*"}
