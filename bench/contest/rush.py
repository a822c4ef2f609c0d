"""Load from ``wrk``: connections that are kept and ask again as soon as they are answered, or after a pause; every answer is compared.

The request's octets are written here, so that all rivals get the same ones; ``wrk`` puts numbers where they have to differ.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.contest.job import PREFIX, Standing
from bench.peers import BenchError, pinned

CONNECTIONS = 32
_NUMBER, _TRACE, _ID = "@NUMBER@", "@TRACE@", "@ID@"
_SPREAD = 50_000  # more different targets than any memory of ours holds
_THINK_MS = 20.0

_SCRIPT = r"""
local folder, think = "%(folder)s", %(think)f
local function octets(name)
  local file = assert(io.open(folder .. "/" .. name, "rb"))
  local all = file:read("*a")
  file:close()
  return all
end
local function split(text, mark)
  local first, last = text:find(mark, 1, true)
  if not first then return text, nil end
  return text:sub(1, first - 1), text:sub(last + 1)
end
local expected, threads = octets("expected"), {}
bad, example = 0, ""
function setup(thread) table.insert(threads, thread) end
function init()
  math.randomseed(%(seed)d)
  local whole, n = octets("request"), math.random(2^20) * 2^28
  local before, behind = split(whole, "@NUMBER@")
  if behind then
    request = function() n = n + 1; return before .. n %% %(spread)d .. behind end
  elseif whole:find("@TRACE@", 1, true) then
    local one, rest = split(whole, "@TRACE@")
    local two, three = split(rest, "@ID@")
    request = function()
      n = n + 1
      local hex = string.format("%%016x", n)
      return one .. "00-a5" .. hex .. "0123456789abcd-" .. hex .. "-01" .. two .. hex .. three
    end
  else
    request = function() return whole end
  end
end
function request() end
if think > 0 then
  function delay() return math.floor(0.5 - think * math.log(1 - math.random())) end
end
function response(status, headers, body)
  if status ~= 200 or body ~= expected then
    bad = bad + 1
    example = string.format("status %%d, %%d octets", status, #body)
  end
end
function done(summary, latency)
  local errors = summary.errors
  local wrong = threads[1]:get("bad") + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\n{"calls": %%d, "seconds": %%f, "bad": %%d, "p99_ms": %%f, "example": "%%s"}\n',
    summary.requests, summary.duration / 1e6, wrong, latency:percentile(99) / 1e3, threads[1]:get("example")))
end
"""


@dataclass(frozen=True, slots=True)
class Work:
    """``method`` on ``path`` below the API's prefix, again and again; ``expected`` must come back.

    ``numbered``: a different target each time; ``traced``: a ``traceparent`` and an ``X-Request-Id`` of its own each time.
    """

    name: str
    path: str
    expected: bytes
    method: str = "GET"
    body: bytes = b""
    numbered: bool = False
    traced: bool = False

    def request(self, standing: Standing, customer: str) -> bytes:
        """Its octets, with marks where ``wrk`` puts numbers."""
        more: dict[str, str] = {"traceparent": _TRACE, "X-Request-Id": _ID} if self.traced else {}
        if self.body:
            more |= {"Content-Type": "application/json", "Content-Length": str(len(self.body))}
        target = PREFIX + self.path + (_NUMBER if self.numbered else "")
        return standing.head(f"{self.method} {target}", customer, more) + self.body


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many calls were answered in how many seconds, how many of them not as they must be, such as ``example``."""

    calls: int
    seconds: float
    bad: int
    p99_ms: float
    example: str


def put(work: Work, standing: Standing, customer: str, seconds: float, folder: Path, core: int, *, rate: float | None = None) -> Outcome:
    """Put ``work`` on ``standing`` from ``core``: as many calls as it takes, or about ``rate`` a second.

    With a rate, each of many connections waits after its answer for a random time (20 ms on average, exponential), so that calls come
    as those of many callers do, whatever the rival does. Raises ``BenchError`` where an answer is wrong.
    """
    connections = CONNECTIONS if rate is None else max(CONNECTIONS, round(rate * _THINK_MS / 1000))
    (folder / "expected").write_bytes(work.expected)
    request = folder / "request"  # a file, not an argument: it holds a key
    request.touch(mode=0o600)
    request.write_bytes(work.request(standing, customer))
    script = folder / "rush.lua"
    think = 0.0 if rate is None else connections / rate * 1000
    script.write_text(_SCRIPT % {"folder": folder, "think": think, "spread": _SPREAD, "seed": 7})
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "20s",
        "-s",
        str(script),
        standing.running.url,
    ]
    with pinned(core):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"wrk failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    outcome = Outcome(**json.loads(done.stdout.strip().rpartition("\n")[2]))
    if outcome.bad or not outcome.calls:
        raise BenchError(f"{work.name}: {outcome.bad} of {outcome.calls} answers are not what they must be: {outcome.example}")
    return outcome
