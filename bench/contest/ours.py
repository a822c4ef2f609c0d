"""Our gateway in the contest, with everything on, set up by its own commands."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench import peers
from bench.contest.job import ELEMENT, NEVER, PREFIX, Job, Standing
from bench.contest.processes import Running
from bench.peers import BenchError

_ADMIN = re.compile(r"^admin listener on (http://\S+)$", re.MULTILINE)
_COUNTED = re.compile(r"^gateway_requests_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@contextmanager
def start(tools: Mapping[str, Path], job: Job, folder: Path, core: int) -> Iterator[Standing]:
    """The gateway of this checkout, or of the interpreter ``tools`` has for ``python``; its callers' key is one that it made itself, not
    ``job.key``."""
    # -P: not the checkout's, in whose folder this may run.
    python = (str(tools["python"]), "-P") if "python" in tools else (sys.executable,)
    config = folder / "gateway" / "gateway.toml"
    environ = {
        "CE_DEV_USER_SECRET": job.user,
        "CE_DEV_ORGANIZATION_SECRET": job.organization,
        "GATEWAY__LISTEN__DATA": "127.0.0.1:0",
        "GATEWAY__LISTEN__ADMIN": "127.0.0.1:0",
        "GATEWAY__ENVIRONMENTS__DEV__BASE_URL": f"http://{job.origin}{PREFIX}",
        f"GATEWAY__ELEMENTS__{ELEMENT.upper()}__LIMITS": json.dumps(_limits(job.calls_per_second)),
    }
    peers.command(["init", str(config.parent), "--json"], environ, python=python)
    key = json.loads(peers.command(["keys", "create", "-c", str(config), "--name", "bench", "--json"], environ, python=python))["key"]
    rows = [{"environment": "dev", "customer": customer, "element": ELEMENT, "token": token} for customer, token in job.tokens.items()]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    peers.command(["instances", "import", "-", "-c", str(config), "--json"], environ, lines, python)
    with peers.running("gateway", ["serve", "-c", str(config)], environ, folder, core, python=python) as peer:
        yield Standing(Running(peer.url, peer.process), key, lambda: _counted(folder))


def _limits(calls_per_second: int) -> list[str]:
    """One, as the others have; evenly, as they limit, where the limit is not what is looked at."""
    return [f"{calls_per_second}/1s" if calls_per_second < NEVER else f"{NEVER}/s burst {NEVER}"]


def _counted(folder: Path) -> float:
    """The calls in its metrics."""
    found = _ADMIN.search((folder / "gateway.out").read_text("utf-8", "replace"))
    if not found:
        raise BenchError("the gateway does not say where its admin listener is")
    with urllib.request.urlopen(f"{found[1]}/metrics", timeout=10) as answer:  # noqa: S310 - an address of this run
        return sum(float(value) for value in _COUNTED.findall(answer.read().decode()))
