"""``python -m bench pythons [--python PATH …] [--debian trixie,sid] [--rounds N]``: the same walks on several Pythons, side by side.

Whole walks of ``bench/steps/walks.py``, in a new process of each interpreter in each round, one after the other, each first in its turn.
Given no path, every ``python3.11`` to ``python3.14`` on PATH takes part. Their packages, and the roots of Debian's releases, go
to ``build/pythons`` and stay for the next run.

Exit status 1: fewer than two could be compared, or one failed on the way; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from bench import peers, report
from bench.contest.installing import Missing
from bench.report import Section
from bench.steps import debian
from bench.steps.interpreters import ROOT, VERSIONS, Interpreter, of_path, on_path
from bench.steps.walk import WALKS

_ROUNDS, _CALLS = 7, 10_000
_REMARK = (
    "CPU of the process for a call, over that of the first line in the same round: below 1 is faster. Median (least to most) of the rounds."
    " How an interpreter was built counts as much as its version: compare lines of one origin."
)
Round = dict[str, float]


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.rounds < 1 or asked.calls < 1:
        parser.error("--rounds and --calls must be at least 1")
    console = Console(stderr=True)
    given = asked.python if asked.python is not None or asked.debian else list(on_path())
    pythons = list(_ready(given or (), asked.debian.split(",") if asked.debian else (), asked.folder, console))
    if len(pythons) < 2:
        console.print("[bold red]Fewer than two Pythons to compare.[/] Name them with --python, or --debian trixie,sid")
        return 1
    try:
        rounds = list(_measured(pythons, asked.rounds, asked.calls, console))
    except Missing as missing:
        console.print(f"[bold red]Not finished.[/] {missing}", highlight=False)
        return 1
    sys.stdout.write("\n".join(report.section_lines(section(pythons, rounds))))
    return 0


def section(pythons: Sequence[Interpreter], rounds: Sequence[Sequence[Round]]) -> Section:
    """The table; ``rounds`` holds for each round what each of ``pythons`` needed, in seconds."""
    names = [walk.name for walk in WALKS]
    rows = []
    for number, python in enumerate(pythons):
        ratios = [report.spread([one[number][name] / one[0][name] for one in rounds]) for name in names]
        rows.append((python.version, python.source, python.build, *ratios))
    notes = [f"{python.version}: {python.note}." for python in pythons if python.note]
    return Section("Pythons side by side", ("Python", "from", "built by", *names), tuple(rows), remark="\n\n".join([_REMARK, *notes]))


def _ready(paths: Sequence[str], suites: Sequence[str], folder: Path, console: Console) -> Iterator[Interpreter]:
    """Those that can take part; loudly, the others."""
    makers = [(path, of_path) for path in paths] + [(suite, debian.of_suite) for suite in suites]
    for name, make in makers:
        console.print(f"{name}: setting up", highlight=False)
        try:
            python = make(name, folder)
            python.run("-m", "bench.steps.walks", "100")
        except Missing as missing:
            console.print(f"[bold red]{name} is left out.[/] {missing}", highlight=False)
            continue
        console.print(f"{name}: Python {python.version}, {python.build}. {python.note}", highlight=False)
        yield python


def _measured(pythons: Sequence[Interpreter], rounds: int, calls: int, console: Console) -> Iterator[list[Round]]:
    for number in range(rounds):
        console.print(f"round {number + 1} of {rounds}", highlight=False)
        found: dict[int, Round] = {}
        for turn in range(len(pythons)):
            at = (number + turn) % len(pythons)
            with peers.pinned(peers.cores()[0]):
                found[at] = json.loads(pythons[at].run("-m", "bench.steps.walks", str(calls)))
        yield [found[at] for at in range(len(pythons))]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench pythons", description="The same walks on several Pythons, side by side.")
    parser.add_argument("--python", nargs="+", metavar="PATH", help=f"interpreters [python{VERSIONS[0]} to {VERSIONS[-1]} on PATH]")
    parser.add_argument(
        "--debian", metavar="SUITES", help="the Pythons of these releases of Debian, with commas between (root, debootstrap)"
    )
    parser.add_argument("--rounds", type=int, default=_ROUNDS, metavar="N", help=f"how many [{_ROUNDS}]")
    parser.add_argument("--calls", type=int, default=_CALLS, metavar="N", help=f"of each walk in a round [{_CALLS}]")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "pythons", metavar="FOLDER", help="for packages [build/pythons]")
    return parser
