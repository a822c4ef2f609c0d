"""The load: 32 connections that are kept, each asking again as soon as it is answered; every status and every body is compared.

``wrk`` where it is installed, else a generator of our own that makes the same requests.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.peers import BenchError, pinned

CONNECTIONS = 32
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HIT = re.compile(rb"\r\ncache-status: *gateway; hit", re.IGNORECASE)

_SCRIPT = r"""
local function octets(path) local file = assert(io.open(path, "rb")); local all = file:read("*a"); file:close(); return all end
local folder, n, threads = "%(folder)s", 0, {}
local expected = octets(folder .. "/expected")
bad, example = 0, ""
wrk.method = "%(method)s"
wrk.body = octets(folder .. "/body")
if wrk.body == "" then wrk.body = nil end
for line in io.lines(folder .. "/fields") do
  local name, value = line:match("^(.-): (.*)$")
  wrk.headers[name] = value
end
function setup(thread) table.insert(threads, thread) end
function request() n = n %% %(spread)d + 1; return wrk.format(nil, "%(target)s" .. n) end
function response(status, headers, body)
  local cached = headers["Cache-Status"] or ""
  if status ~= 200 or body ~= expected or (%(hits)s and cached:sub(1, 12) ~= "gateway; hit") then
    bad = bad + 1
    example = string.format("status %%d, Cache-Status %%s, %%d octets", status, cached, #body)
  end
end
function done(summary)
  local wrong = threads[1]:get("bad")
  local errors = summary.errors
  wrong = wrong + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\n{"calls": %%d, "seconds": %%f, "bad": %%d, "example": "%%s"}\n',
    summary.requests, summary.duration / 1e6, wrong, threads[1]:get("example"):gsub('["\\]', "'")))
end
"""


@dataclass(frozen=True, slots=True)
class Work:
    """What is asked again and again: ``target`` with a number from 1 to ``spread`` behind it, and the body that must come back.

    ``hits``: every answer must be one of the cache.
    """

    name: str
    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    spread: int
    expected: bytes
    body: bytes = b""
    hits: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many calls were answered in how many seconds, and how many of them not as they must be, such as ``example``."""

    calls: int
    seconds: float
    bad: int
    example: str


def has_wrk() -> bool:
    """Whether ``wrk`` is installed (Debian: the package of that name)."""
    return shutil.which("wrk") is not None


def put(work: Work, url: str, seconds: float, folder: Path, core: int) -> Outcome:
    """Put ``work`` on ``url`` for ``seconds`` from ``core``. Raises ``BenchError`` where a single answer is wrong."""
    with pinned(core):
        outcome = _wrk(work, url, seconds, folder) if has_wrk() else uvloop.run(_generate(work, url, seconds))
    if outcome.bad or not outcome.calls:
        raise BenchError(f"{work.name}: {outcome.bad} of {outcome.calls} answers of {url} are not what they must be: {outcome.example}")
    return outcome


def _wrk(work: Work, url: str, seconds: float, folder: Path) -> Outcome:
    # Files, not arguments: the fields hold a key.
    (folder / "expected").write_bytes(work.expected)
    (folder / "body").write_bytes(work.body)
    (folder / "fields").write_text("".join(f"{name}: {value}\n" for name, value in work.fields))
    script = folder / "load.lua"
    values = {"folder": folder, "method": work.method, "spread": work.spread, "target": work.target, "hits": str(work.hits).lower()}
    script.write_text(_SCRIPT % values)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"wrk failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return Outcome(**json.loads(done.stdout.strip().rpartition("\n")[2]))


async def _generate(work: Work, url: str, seconds: float) -> Outcome:
    loop = asyncio.get_running_loop()
    at = urlsplit(url)
    caller = _Callers(work, at.netloc)
    pairs = [await loop.create_connection(lambda: _Caller(caller), at.hostname or "", at.port or 80) for _ in range(CONNECTIONS)]
    started = time.monotonic()
    for _, one in pairs:
        one.ask()
    await asyncio.sleep(seconds)
    outcome = Outcome(caller.calls, time.monotonic() - started, caller.bad, caller.example)
    caller.over = True
    for transport, _ in pairs:
        transport.abort()
    return outcome


class _Callers:
    """What the connections share."""

    def __init__(self, work: Work, host: str) -> None:
        self.work = work
        fields = "".join(f"{name}: {value}\r\n" for name, value in work.fields)
        length = f"Content-Length: {len(work.body)}\r\n" if work.body else ""
        self._before = f"{work.method} {work.target}".encode()
        self._behind = f" HTTP/1.1\r\nHost: {host}\r\n{fields}{length}\r\n".encode() + work.body
        self.asked = self.calls = self.bad = 0
        self.example = ""
        self.over = False

    def request(self) -> bytes:
        self.asked = self.asked % self.work.spread + 1
        return b"%b%d%b" % (self._before, self.asked, self._behind)

    def check(self, head: bytes, body: bytes) -> None:
        self.calls += 1
        if not head.startswith(b"HTTP/1.1 200 ") or body != self.work.expected or (self.work.hits and not _HIT.search(head)):
            self.bad += 1
            self.example = f"{head.split(b' ', 2)[1].decode('latin-1')}, {len(body)} octets"


class _Caller(asyncio.Protocol):
    """One connection: asks, compares, asks again. An answer without Content-Length counts as wrong."""

    def __init__(self, callers: _Callers) -> None:
        self._callers = callers
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self) -> None:
        if self._transport is not None:
            self._transport.write(self._callers.request())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[: end + 2]
        stated = _LENGTH.search(head)
        stop = end + 4 + (int(stated[1]) if stated else 0)
        if len(self._buffer) >= stop:
            self._callers.check(head, self._buffer[end + 4 : stop])
            self._buffer = self._buffer[stop:]
            self.ask()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._callers.over:
            self._callers.bad += 1
            self._callers.example = "a connection was closed"
