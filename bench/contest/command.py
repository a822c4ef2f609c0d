"""``python -m bench peers [--only nginx,envoy] [--verify | --quick] [--docs]``: the contest.

Exit status 1: a bar was missed, or a rival that takes part does not do the job; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path

from rich.console import Console

from bench import load, peers
from bench.contest import checks, footprint, page, rounds, verdicts
from bench.contest.footprint import Footprint
from bench.contest.installing import Missing
from bench.contest.job import Job
from bench.contest.rivals import OURS, RIVALS, Rival, Tools
from bench.contest.rounds import GET, HIT, POST, TRACED, Field, Pace, Results
from bench.peers import BenchError, Peer

_ROOT = Path(__file__).resolve().parents[2]
_DOCS, _TOOLS = _ROOT / "docs", _ROOT / "build" / "peers"
_PACE, _QUICK_PACE = Pace(rounds=7, seconds=3), Pace(rounds=2, seconds=1, octets=20_000_000)
_NAMES = tuple(rival.name for rival in RIVALS)
_EXPECTED = (BenchError, OSError, HTTPException)


@dataclass(slots=True)
class Contest:
    """What was found so far."""

    results: Results = field(default_factory=Results)
    memory: dict[str, Footprint] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    names = asked.only.split(",") if asked.only else list(_NAMES)
    if unknown := set(names) - set(_NAMES):
        parser.error(f"there is no peer {', '.join(sorted(unknown))}, only {', '.join(_NAMES)}")
    console = Console(stderr=True)
    pace = _QUICK_PACE if asked.quick else _PACE
    if asked.rounds is not None:
        if asked.rounds < 1:
            parser.error("--rounds must be at least 1")
        pace = replace(pace, rounds=asked.rounds)
    found, failure = Contest(), ""
    try:
        _run([rival for rival in RIVALS if rival.name in names], asked.tools, None if asked.verify else pace, found, console)
    except _EXPECTED as error:
        failure = f"{type(error).__name__}: {error}"
        console.print(f"[bold red]{failure}[/]", highlight=False)
    if asked.verify:
        return 1 if failure or found.broken else 0
    sections = [*verdicts.sections(found.results), footprint.section(found.memory, found.titles)]
    text = page.page(sections, found.titles, found.skipped, pace, failure)
    sys.stdout.write(text)
    if asked.docs:
        page.write(asked.docs, text, page.plot(found.results, found.titles))
    return 1 if failure or found.broken or any(section.missed for section in sections) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench peers",
        description="Other proxies beside ours, set up for the same job, on the same work. What is missing is installed: from Debian on "
        "this machine (root or sudo), from PyPI and npm into a folder of the project.",
    )
    parser.add_argument("--only", metavar="NAMES", help=f"of {', '.join(_NAMES)}, with commas between [default: all]")
    parser.add_argument("--verify", action="store_true", help="only prove that each does the job; takes seconds")
    parser.add_argument("--quick", action="store_true", help="two rounds of a second and smaller bodies, to see that it works")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"how many [{_PACE.rounds}]")
    parser.add_argument("--docs", nargs="?", type=Path, const=_DOCS, metavar="FOLDER", help="write speed.md and the plot there [docs/]")
    parser.add_argument("--tools", type=Path, default=_TOOLS, metavar="FOLDER", help="for what PyPI and npm give [build/peers]")
    return parser


def _run(rivals: Sequence[Rival], tools: Path, pace: Pace | None, found: Contest, console: Console) -> None:
    """Prove all, then measure those that do the job."""
    core, rest = peers.cores()
    job = Job.new()
    with tempfile.TemporaryDirectory(prefix="gateway-peers-") as name:
        folder = Path(name)
        with checks.origin(job, folder, rest) as origin:
            job = job.at(origin.url.removeprefix("http://"))
            ready = list(_ready((OURS, *rivals), tools, job, origin, folder, found, console))
            if pace is not None:
                if not load.has_wrk():
                    raise BenchError("wrk is not installed: apt-get install wrk")
                _measure(ready, job, origin, folder, (core, rest), pace, found, lambda text: console.print(text, highlight=False))


def _ready(
    rivals: Sequence[Rival], tools: Path, job: Job, origin: Peer, folder: Path, found: Contest, console: Console
) -> Iterator[tuple[Rival, Tools]]:
    """Those that are there and do the job; loudly, the others."""
    tools.mkdir(parents=True, exist_ok=True)
    for rival in rivals:
        own = folder / rival.name
        own.mkdir()
        try:
            installed = rival.install(tools)
            proved = checks.check(rival, installed, job, origin, own, peers.cores()[0])
        except Missing as missing:
            found.skipped[rival.title] = f"It needs: {missing}"
            console.print(f"[bold red]{rival.title} is skipped.[/] It needs: {missing}", highlight=False)
            continue
        except _EXPECTED as error:
            found.skipped[rival.title] = str(error).partition("\n")[0]
            found.broken.append(rival.name)
            console.print(f"[bold red]{rival.title} is left out.[/] {error}", highlight=False)
            continue
        console.print(f"{rival.title}: {'; '.join(proved)}", highlight=False)
        found.titles[rival.name] = rival.title
        yield rival, installed


def _measure(
    ready: Sequence[tuple[Rival, Tools]],
    job: Job,
    origin: Peer,
    folder: Path,
    on: tuple[int, int],
    pace: Pace,
    found: Contest,
    step: Callable[[str], None],
) -> None:
    with ExitStack() as stack:
        standing = {}
        for rival, tools in ready:
            own = folder / rival.name / "run"
            own.mkdir()
            standing[rival.name] = stack.enter_context(rival.start(tools, job, own, on[0]))
        rivals = {rival.name: rival for rival, _ in ready}
        entrants = Field(standing, rivals, origin, folder, on[1])
        for name, one in standing.items():
            found.memory[name] = Footprint(one.running.resident() / 1024**2)
        _works(entrants, pace, found.results, step)
    for name, why in entrants.left.items():
        step(f"{name} fell out: {why}")
        found.skipped[rivals[name].title] = f"It fell out: {why}"
        found.broken.append(name)
    _memory([(rival, tools) for rival, tools in ready if rival.name not in entrants.left], job, folder, on[0], found, step)


def _works(entrants: Field, pace: Pace, results: Results, step: Callable[[str], None]) -> None:
    caching, streaming = entrants.able("cache"), entrants.able("bodies")
    rounds.calls(entrants, HIT, caching, pace, results, step)
    rounds.calls(entrants, TRACED, caching, pace, results, step)
    rounds.calls(entrants, GET, entrants.able(), pace, results, step)
    rounds.calls(entrants, POST, streaming, pace, results, step)
    rounds.bodies(entrants, streaming, pace, results, step)
    for work, rival in ((HIT, "nginx"), (GET, "envoy")):
        if rival in entrants.able():
            half = rounds.capacity(results, work, OURS.name) / 2
            rounds.paced(entrants, work, (OURS.name, rival), half, pace, results, step)


def _memory(ready: Sequence[tuple[Rival, Tools]], job: Job, folder: Path, core: int, found: Contest, step: Callable[[str], None]) -> None:
    """In processes of their own, started anew, so that the load has left nothing behind."""
    for rival, tools in ready:
        if "bodies" not in rival.does:
            continue  # minutes for so many calls
        step(f"memory: {rival.name}")
        own = folder / rival.name / "memory"
        own.mkdir()
        try:
            found.memory[rival.name] = footprint.measured(rival, tools, job, own, core, found.memory[rival.name].idle)
        except _EXPECTED as error:
            step(f"memory: {rival.name} failed: {error}")
            found.broken.append(rival.name)
