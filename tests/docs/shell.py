"""A terminal of a reader: a shell into which commands are typed, one that stays up among them until Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.docs.blocks import ROOT

_DONE = "--- done: "
_STAYS = "--- stays: "


class Shell:
    """A shell in ``folder``; ``errors`` is what was written to standard error."""

    def __init__(self, folder: Path) -> None:
        self._output = bytearray()
        self._errors = bytearray()
        self._news = threading.Condition()
        self._staying = 0
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
        return self._done(start)

    def stay(self, text: str, lines: int) -> str:
        """Run a command that does not end; its first ``lines`` lines. ``interrupt`` ends it."""
        start = len(self._output)
        # A job has a process group of its own, as one in the foreground of a real terminal has: Ctrl-C is for all of it.
        self._type(f"set -m\n{text} </dev/null &\nset +m\necho '{_STAYS}'$!\nwait $!\nprintf '\\n{_DONE}%s\\n' $?\n")
        own = re.compile(rf"{_STAYS}(\d+)\n")
        self._wait(lambda: own.search(self._since(start)) is not None and self._since(start).count("\n") > lines)
        found = own.search(self._since(start))
        assert found
        self._staying = int(found[1])
        return "".join(own.sub("", self._since(start)).splitlines(keepends=True)[:lines])

    def interrupt(self) -> int:
        """Press Ctrl-C; the exit status of the command that stayed."""
        start = len(self._output)
        os.killpg(self._staying, signal.SIGINT)
        self._staying = 0
        return self._done(start)[0]

    def end(self) -> int:
        """Leave the terminal; the exit status of what stays in it, 0 where nothing does."""
        status = 0
        if self._staying:
            try:
                status = self.interrupt()
            except AssertionError:
                os.killpg(self._staying, signal.SIGKILL)
                status = -signal.SIGKILL
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        for thread in self._threads:
            thread.join(5)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream
            stream.close()
        return status

    def _done(self, start: int) -> tuple[int, str]:
        self._wait(lambda: re.search(rf"\n{_DONE}\d+\n", self._since(start)) is not None)
        printed, _, status = self._since(start).rpartition(f"\n{_DONE}")
        return int(status), printed

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
    kept = {name: value for name, value in environ.items() if not name.startswith(("GATEWAY_", "CE_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "NO_PROXY": "*"}
