"""``python -m bench flame hit|forward|post [--seconds N]``: where the gateway's time goes, as a flame graph.

The real process with everything on, wrk in front of it and an origin behind, as in ``bench/forward.py``; py-spy looks at its stack a few
hundred times a second from outside. It is installed from PyPI into ``build/peers``. The gateway runs with ``inspectable``: otherwise it
keeps its memory to itself, and no profiler of its user may look in. That is for benchmarks; the secrets here are made up.

Exit status 1: what it needs is missing or not permitted, and nothing was written; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench import load, peers
from bench.contest.installing import Missing, wheel
from bench.load import Work
from bench.origin import DOCUMENT
from bench.peers import PREFIX, BenchError, Peer

PROFILER = "py-spy==0.4.3"
ROOT = Path(__file__).resolve().parents[1]
_BUILD = ROOT / "build"
_RATE_HZ, _SECONDS, _MORE_S, _PATIENCE_S = 250, 10, 2, 60
_KEPT, _SPREAD = 500, 50_000
_LIMITS = ["5000000/10s", "40000000/min burst 5000000", "900000000/day"]
_FIELDS = (("Gateway-Customer", "acme"), ("Gateway-Element", "hubspot"), ("Accept", "application/json"), ("User-Agent", "bench/1"))
_GET = Work("forward", "GET", f"{PREFIX}/hubs/crm/contacts/", _FIELDS, _SPREAD, DOCUMENT)
_TEN = DOCUMENT * 10
WORKS = {
    "hit": replace(_GET, name="hit", target=f"{PREFIX}/hubs/crm/contacts/fresh-", spread=_KEPT),
    "forward": _GET,
    "post": replace(
        _GET,
        name="post",
        method="POST",
        target=f"{PREFIX}/hubs/crm/contacts?n=",
        fields=(*_FIELDS, ("Content-Type", "application/json")),
        expected=_TEN,
        body=_TEN,
    ),
}


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    asked = _parser().parse_args(arguments)
    console = Console(stderr=True)
    output = asked.output or _BUILD / f"flame-{asked.work}.svg"
    try:
        profiler = wheel(PROFILER, "py-spy", asked.tools)
        if not load.has_wrk():
            raise Missing("apt-get install wrk")
        graph(WORKS[asked.work], profiler, asked.seconds, output)
    except (Missing, BenchError, OSError) as error:
        console.print(f"[bold red]No flame graph.[/] {error}", highlight=False, markup=True)
        return 1
    sys.stdout.write(f"{output}\n")
    return 0


def graph(work: Work, profiler: Path, seconds: int, output: Path) -> None:
    """Write the flame graph of ``work`` to ``output``. Raises ``Missing`` where the profiler may not look, ``BenchError``."""
    rest = peers.cores()[1]
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gateway-flame-") as name, playing(Path(name)) as (gateway, key):
        work = replace(work, fields=(("Authorization", f"Bearer {key}"), *work.fields))
        load.put(work, gateway.url, _MORE_S, Path(name), rest)  # to warm up
        watcher = _watching(profiler, gateway, seconds, output)
        try:
            load.put(replace(work, hits=work.name == "hit"), gateway.url, seconds + _MORE_S, Path(name), rest)
            _, said = watcher.communicate(timeout=_PATIENCE_S)
        finally:
            if watcher.poll() is None:
                watcher.kill()
                watcher.wait()
    if watcher.returncode or not output.exists():
        raise Missing(f"py-spy may not look into the gateway: root, or the capability SYS_PTRACE. It says:\n{said.strip()[-500:]}")


@contextmanager
def playing(folder: Path) -> Iterator[tuple[Peer, str]]:
    """(The gateway, the key of a caller), while inside: everything on, and ``inspectable``."""
    core, rest = peers.cores()
    given = peers.Credentials.new()
    config = folder / "gateway" / "gateway.toml"
    with peers.running("bench.origin", [], {"BENCH_AUTHORIZATION": given.authorization}, folder, rest) as origin:
        environ = {
            "CE_DEV_USER_SECRET": given.user,
            "CE_DEV_ORGANIZATION_SECRET": given.organization,
            "GATEWAY__INSPECTABLE": "true",
            "GATEWAY__LISTEN__DATA": "127.0.0.1:0",
            "GATEWAY__LISTEN__ADMIN": "127.0.0.1:0",
            "GATEWAY__ENVIRONMENTS__DEV__BASE_URL": origin.url + PREFIX,
            "GATEWAY__ELEMENTS__HUBSPOT__LIMITS": json.dumps(_LIMITS),
        }
        peers.command(["init", str(config.parent), "--json"], environ)
        key = json.loads(peers.command(["keys", "create", "-c", str(config), "--name", "bench", "--json"], environ))["key"]
        mapping = ["--environment", "dev", "--customer", "acme", "--element", "hubspot", "--token-file", "-"]
        peers.command(["instances", "add", "-c", str(config), *mapping, "--json"], environ, given.token)
        with peers.running("gateway", ["serve", "-c", str(config)], environ, folder, core) as gateway:
            yield gateway, key


def _watching(profiler: Path, gateway: Peer, seconds: int, output: Path) -> subprocess.Popen[str]:
    output.unlink(missing_ok=True)
    look = ["record", "--pid", str(gateway.process.pid), "--duration", str(seconds), "--rate", str(_RATE_HZ), "--nonblocking"]
    with peers.pinned(peers.cores()[1]):
        return subprocess.Popen(
            [str(profiler), *look, "--format", "flamegraph", "--output", str(output)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench flame", description="Where the gateway's time goes, as a flame graph (SVG).")
    parser.add_argument("work", choices=tuple(WORKS), help="what is asked of it")
    parser.add_argument("--seconds", type=int, default=_SECONDS, metavar="N", help=f"how long it is looked at [{_SECONDS}]")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the graph goes [build/flame-WORK.svg]")
    parser.add_argument("--tools", type=Path, default=_BUILD / "peers", metavar="FOLDER", help="for what PyPI gives [build/peers]")
    return parser
