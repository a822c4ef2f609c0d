"""``python -m bench [--quick] [--output FILE] [forward | hit | memory | scene | overload] …``: from the project's root.

Commands of their own: ``python -m bench peers`` (``bench/contest/``), ``steps`` (``bench/steps/``), ``flame`` and ``pythons``. With no
words at all, everything is measured: all parts, and the peers, for ``docs/``.

Exit status 1: a bar was missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import flame, forward, load, overload, overload_stage, peers, pythons, sharing
from bench.contest import command as contest
from bench.forward import Pace
from bench.memory import Amount, memory
from bench.peers import BenchError
from bench.report import Section, markdown
from bench.steps import command as steps

_PARTS = ("forward", "hit", "memory", "scene", "overload")
_COMMANDS = {"peers": contest.main, "steps": steps.main, "flame": flame.main, "pythons": pythons.main}
_PACE, _QUICK_PACE = Pace(rounds=15, seconds=2), Pace(rounds=5, seconds=1)
_STORM, _QUICK_STORM = overload.Pace(seconds=8, rounds=7), overload.Pace(seconds=3, rounds=3)
_AMOUNT, _QUICK_AMOUNT = Amount(1024**3, slow_s=8), Amount(192 * 1024**2, slow_s=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, 1 where a bar was missed or something could not be measured, 2 for wrong usage."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in _COMMANDS:
        return _COMMANDS[given[0]](given[1:])
    if not given:
        return max(measure([]), contest.main(["--docs"]))
    return measure(given)


def measure(given: Sequence[str]) -> int:
    """The parts that are asked for; the exit status."""
    parser = _parser()
    asked = parser.parse_args(given)
    if unknown := set(asked.parts) - set(_PARTS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}, only {', '.join(_PARTS)}")
    console = Console(stderr=True)
    if not load.has_wrk():
        console.print("[bold red]wrk is not installed[/]: the load comes from a generator of our own. [bold]apt-get install wrk[/]")
    if len(set(peers.cores())) == 1:
        console.print("[bold red]There is one core only[/]: proxy, load and origin share it, and the figures are worth less.")
    sections: list[Section] = []
    failure = ""
    try:
        for section in _run(asked.parts or _PARTS, asked.quick, console):
            sections.append(section)  # noqa: PERF402 - one by one: what was measured is shown even if the next part fails
    except (BenchError, OSError, HTTPException) as error:  # the last two: a connection broke
        failure = f"{type(error).__name__}: {error}"
    text = markdown(sections, "wrk" if load.has_wrk() else "bench/load.py", failure)
    sys.stdout.write(text)
    if asked.output:
        asked.output.write_text(text, "utf-8")
    return 1 if failure or any(section.missed for section in sections) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Ratios in one run: the gateway and a bare pass-through in turn.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(_PARTS)} [default: all]")
    parser.add_argument("--quick", action="store_true", help="shorter rounds and smaller bodies, to see that it works")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the Markdown there, too")
    return parser


def _run(parts: Sequence[str], quick: bool, console: Console) -> Iterator[Section]:
    pace, amount = (_QUICK_PACE, _QUICK_AMOUNT) if quick else (_PACE, _AMOUNT)
    with _folder() as folder, _progress(console) as step:
        if {"forward", "hit"} & set(parts):
            with forward.playing(folder) as stage:
                if "forward" in parts:
                    yield forward.forward(stage, pace, step)
                if "hit" in parts:
                    yield forward.hit(stage, pace, step)
        if "memory" in parts:
            yield memory(amount, _below(folder, "memory"), step)
        if "scene" in parts:
            yield sharing.scene(_below(folder, "scene"), step)
        if "overload" in parts:
            with overload_stage.playing(_below(folder, "overload")) as storm:
                yield overload.overload(storm, _QUICK_STORM if quick else _STORM, step)
                yield overload.refusal(storm, _QUICK_STORM if quick else _STORM, step)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
        yield Path(name)


def _below(folder: Path, name: str) -> Path:
    inner = folder / name
    inner.mkdir()
    return inner


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str], None]]:
    """A line that says what is going on; where nobody watches, a line a step."""
    if not console.is_terminal:
        yield lambda text: console.print(text, highlight=False)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda text: progress.update(task, description=text)


if __name__ == "__main__":
    sys.exit(main())
