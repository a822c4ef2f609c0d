"""A reader who follows pages: terminals in a folder that looks like a checkout, ports of the system's choice, ids made comparable.

A block whose last line starts something that stays up (``gateway sandbox``, ``gateway serve``, ``gateway tail``) keeps its terminal; the
next block is typed into another one. Where a page says 9000, 8080 and 8081, this reader has whatever ports were free. A key or handle
that a page abbreviates (``gwk_…``) is the last one that was shown.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.blocks import Block
from tests.docs.shell import Shell

_STAYS = ("gateway sandbox", "gateway serve", "gateway tail")
_ABBREVIATED = re.compile(r"gw([ki])_…")
_LISTENING = {
    "9000": re.compile(r"Sandbox at http://127\.0\.0\.1:(\d+)"),
    "8080": re.compile(r"data listener on http://127\.0\.0\.1:(\d+)"),
    "8081": re.compile(r"admin listener on http://127\.0\.0\.1:(\d+)"),
}
_VARIABLES = {"8080": "GATEWAY__LISTEN__DATA", "8081": "GATEWAY__LISTEN__ADMIN"}
# What nobody could compare by eye, and how the pages abbreviate it.
_LONG = (
    (r"\r", ""),
    (r"gwk_\w+", "gwk_…"),
    (r"gwi_\w+", "gwi_…"),
    (r"(?m)^((?:id|caller) +)\w{12}$", r"\1…"),
    (r"\b((?:Key|key|Pause) )[a-z0-9]{12}\b", r"\1…"),
    (r'("caller": )"\w{12}"', r'\1"…"'),
    (r"\bcustomer-[0-9a-f]{12}\b", "customer-…"),
    (r"\b[0-9a-f]{24,32}\b", "…"),
)
# What differs from run to run, and what it looks like afterwards.
_VARYING = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00| UTC)", "…"),
    (r"\b\d\d:\d\d:\d\d\.\d{3}\b", "…"),
    (r"(?m)^(Date|Server|Age|Retry-After): .*$", r"\1: …"),
    (r"\b(dur|ttl)=[\d.]+", r"\1=…"),
    (r";t=\d+", ";t=…"),
    (r"(['\"](?:ms|own_ms|upstream_ms|resets|retryAfter)['\"]: )[\d.]+", r"\1…"),
    (r" +[\d.]+ ms +\([\d.]+\)", " … ms (…)"),
    (r"(?m)^((?:in all|in the gateway|waiting for the budget|upstream|the body on its way) +)[\d.]+$", r"\1…"),
    (r"fresh for \d+ s", "fresh for … s"),
    (r"(?<=\S) {2,}", "  "),
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
    staying: dict[str, Shell] = field(default_factory=dict)  # by its command, in the order of their start
    _shell: Shell | None = None
    _aside: Shell | None = None  # where the reader was before going to stop something

    def __post_init__(self) -> None:
        binaries = self.folder / ".venv" / "bin"
        binaries.mkdir(parents=True)
        for name, words in (("gateway", "-m gateway"), ("python", "")):
            (binaries / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', "utf-8")
            (binaries / name).chmod(0o755)
        (binaries / "activate").write_text(f'PATH="{binaries}:$PATH"\n', "utf-8")

    def turn_page(self) -> None:
        """The next block goes into a new terminal."""
        if self._shell is not None:
            self._shell.end()
        self._shell = None

    def follow(self, block: Block) -> str:
        """Type the block in; what it prints, as a page would show it. Fails unless the block succeeds."""
        if block.ends:
            self._interrupt(block.ends)
        if self._shell is None:
            self._shell = Shell(self.folder)
        head, _, last = self._typed(block.text).rstrip().rpartition("\n")
        if last.startswith(_STAYS):
            return self._start(block, head, last)
        return self._look(self._run(block, f"{head}\n{last}"))

    def leave(self) -> dict[str, int]:
        """Press Ctrl-C in everything that stays up, the last started first; the exit statuses."""
        for shell in (self._shell, self._aside):
            if shell is not None:
                shell.end()
        return {command: shell.end() for command, shell in reversed(self.staying.items())}

    def _typed(self, text: str) -> str:
        text = _ABBREVIATED.sub(lambda found: self.shown[found[1]], text)
        text = re.sub(r"(?m)^gateway sandbox\b", "gateway sandbox --listen 127.0.0.1:0", text)
        for told, real in self.ports.items():
            text = text.replace(f"127.0.0.1:{told}", f"127.0.0.1:{real}")
        return text

    def _run(self, block: Block, text: str) -> str:
        assert self._shell
        addresses = [f"export {name}=127.0.0.1:{self.ports.get(port, 0)}" for port, name in _VARIABLES.items()]
        status, printed = self._shell.run("\n".join([*addresses, text]))
        assert status == 0, f"{block} ended with {status}\n{printed}\n{self._shell.errors}"
        return printed

    def _start(self, block: Block, head: str, last: str) -> str:
        if last.startswith("gateway serve"):
            self.ports.pop("8080", None)
            self.ports.pop("8081", None)
        before = self._run(block, head)
        assert self._shell
        printed = self._shell.stay(last, len((block.output or "").splitlines()) - len(before.splitlines()))
        self.staying[" ".join(last.split()[:2])] = self._shell
        self._shell, self._aside = self._aside, None
        return self._look(before + printed)

    def _interrupt(self, command: str) -> None:
        shell = self.staying.pop(command)
        assert shell.interrupt() == 0, f"{command} did not end well\n{shell.errors}"
        self._shell, self._aside = shell, self._shell

    def _look(self, printed: str) -> str:
        for told, pattern in _LISTENING.items():
            if match := pattern.search(printed):
                self.ports[told] = match[1]
        for key_or_handle in re.findall(r"gw[ki]_\w+", printed):
            self.shown[key_or_handle[2]] = key_or_handle
        for told, real in self.ports.items():
            printed = printed.replace(f"127.0.0.1:{real}", f"127.0.0.1:{told}")
        return abbreviated(printed)
