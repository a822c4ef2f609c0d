"""``python -m bench steps [--only NAME …] [--quick]``: the steps of a call's walk, and whole walks, as a table.

Exit status 1: a step does not run any more; 2: wrong usage, or pytest-benchmark is not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from bench.report import Section, section_lines
from bench.steps.shortcuts import SHORTCUTS, Shortcut
from bench.steps.step import Step
from bench.steps.table import STEPS
from bench.steps.walk import WALKS, Walk

ROOT = Path(__file__).resolve().parents[2]
_FILE = "bench/steps/test_steps.py"
ALL: tuple[Step | Shortcut | Walk, ...] = (*STEPS, *SHORTCUTS, *WALKS)
"""In the order of the table."""
_ABOUT = {one.name: one.about for one in ALL}
_LONG, _QUICK = ("--benchmark-max-time=1", "--benchmark-min-rounds=20"), ("--benchmark-max-time=0.05", "--benchmark-min-rounds=3")
# CPU of this process and not the clock on the wall, so that other work on the machine counts for less; a round takes a millisecond at
# least, since that timer costs as much as a small step.
_HOW = ("--benchmark-enable", "--benchmark-timer=time.process_time", "--benchmark-min-time=0.001", "--benchmark-quiet")
_REMARK = (
    "CPU of one process. **The absolute figures mean nothing**: they are of one machine, one minute and one Python, and other work "
    "disturbs them. Worth reading is the column of ratios, to the plainest step of this table, against the same column of another run. "
    "A walk is all of a call, with its caller, its origin and the loop's turns between them: more than the sum of its steps."
)


class Figure(NamedTuple):
    """What one call of a step cost, in seconds: median of the rounds, lower and upper quartile."""

    name: str
    median: float
    low: float
    high: float


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if unknown := [part for part in asked.only or () if not any(part in name for name in _ABOUT)]:
        parser.error(f"there is no step {', '.join(unknown)}, only {', '.join(_ABOUT)}")
    if find_spec("pytest_benchmark") is None:
        parser.error("pytest-benchmark is not installed: pip install pytest-benchmark")
    names = [name for name in _ABOUT if not asked.only or any(part in name for part in asked.only)]
    with tempfile.TemporaryDirectory(prefix="gateway-steps-") as folder:
        found = Path(folder) / "found.json"
        command = _command(names, found, _QUICK if asked.quick else _LONG)
        done = subprocess.run(command, cwd=ROOT, env=_environ(), capture_output=True, text=True, check=False)
        if done.returncode or not found.exists():
            sys.stderr.write(done.stdout + done.stderr)
            return 1
        figures = read(json.loads(found.read_text("utf-8")))
    sys.stdout.write("\n".join(section_lines(section(figures))))
    return 0


def read(found: dict[str, list[dict[str, object]]]) -> list[Figure]:
    """The figures in pytest-benchmark's JSON."""
    figures = []
    for one in found["benchmarks"]:
        stats, info = one["stats"], one["extra_info"]
        if not isinstance(stats, dict) or not isinstance(info, dict):
            raise TypeError("pytest-benchmark's JSON has another form than 5.3 writes")
        figures.append(Figure(str(one["param"]), *(stats[name] / info["calls"] for name in ("median", "q1", "q3"))))
    return figures


def section(figures: Sequence[Figure]) -> Section:
    """The table: each step beside the plainest of them."""
    plainest = min(figure.median for figure in figures)
    rows = tuple(
        (one.name, _ABOUT[one.name], shown(one.median), f"{shown(one.low)} to {shown(one.high)}", f"{one.median / plainest:,.1f}")
        for one in figures
    )
    return Section("Steps of a call's walk", ("step", "what it is", "median", "quartiles", "ratio"), rows, remark=_REMARK)


def shown(seconds: float) -> str:
    """Nanoseconds below a microsecond, microseconds from there."""
    return f"{seconds * 1e9:.0f} ns" if seconds < 1e-6 else f"{seconds * 1e6:.1f} µs"


def _command(names: Sequence[str], found: Path, pace: tuple[str, ...]) -> list[str]:
    kinds = {Step: "test_step", Shortcut: "test_shortcut", Walk: "test_walk"}
    tests = {one.name: kinds[type(one)] for one in ALL}
    wanted = [f"{_FILE}::{tests[name]}[{name}]" for name in names]
    return [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", *_HOW, *pace, f"--benchmark-json={found}", *wanted]


def _environ() -> dict[str, str]:
    """Ours without what a pytest around us says to its own processes: in one of xdist's nothing is measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench steps", description="What the steps of a call's walk cost, in ratios.")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="steps and walks with one of these in their name [default: all]")
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that they work")
    return parser
