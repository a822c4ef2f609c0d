"""A real browser without a screen: what a page is after its scripts ran, and what the browser asked of whom."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

_QUIET = """--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run --no-default-browser-check
--disable-background-networking --disable-component-update --disable-sync --disable-extensions --disable-default-apps
--disable-features=MediaRouter,OptimizationHints,Translate --metrics-recording-only --no-pings""".split()
_LOOPBACK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""The browser would ask its maker for this and that by itself."""


@dataclass(frozen=True)
class Visit:
    """``dom`` is the page as HTML, ``console`` what its scripts and the browser said of it, ``hosts`` whom the page had it ask."""

    dom: str
    console: tuple[str, ...]
    hosts: frozenset[str]


def visit(folder: Path, url: str, *, budget_ms: int = 20_000) -> Visit:
    """Open ``url`` in Chromium with a profile of its own in ``folder``. Skips where there is no Chromium."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no browser: apt-get install chromium")
    log = folder / "net.json"
    arguments = [program, *_QUIET, _LOOPBACK, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", "--enable-logging=stderr"]
    command = [*arguments, f"--virtual-time-budget={budget_ms}", "--dump-dom", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    console = tuple(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return Visit(done.stdout, console, frozenset(_hosts(_events(log))))


def _events(log: Path) -> list[dict[str, Any]]:
    text = log.read_text("utf-8").rstrip().removesuffix(",")
    return list(json.loads(text if text.endswith("}") else text + "]}")["events"])


def _hosts(events: list[dict[str, Any]]) -> set[str]:
    """Whom the page, and not the browser of its own accord, wanted to ask for something, whether or not there was a way there."""
    found = (event["params"] for event in events if "initiator" in event.get("params", {}))
    return {urlsplit(one["url"]).netloc for one in found if one["initiator"] != "not an origin" or one["request_type"] == "main frame"}
