"""What one call may cost, in instructions and calls: ``python -m tools.budget [--check] [--show WALK]``.

Runs the walks of ``bench/steps/counted.py`` in a process of their own and writes what they cost into ``tests/budget/budget.toml``, in the
table of this version of Python. With ``--check`` nothing is written: what costs more or much less than the table says is told of, and the
exit status is 1. ``--show`` prints every function of one walk, to be compared with the same of another commit.

These are counts, not times: the same on every machine and in every run, so the smallest growth shows, and only somebody who changes the
code can make them change.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests" / "budget" / "budget.toml"
COMMAND = "python -m tools.budget"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
MORE, LESS = 0.02, 0.10
"""By more than such a share above its budget, or below it, a walk is told of."""
_SHOWN = 10
_HEAD = f"""# What one call may cost, by version of Python: instructions of byte code in gateway/, and calls of functions there and below.
# Written by `{COMMAND}`, never by hand; docs/profiling.md says what the rows are. A change that makes a number grow says why.
"""

Costs = Mapping[str, Mapping[str, int]]
"""Of each walk what it costs in ``instructions`` and ``calls``."""
Found = Mapping[str, Mapping[str, Mapping[str, int]]]
"""The same by function."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 if something is not within its budget."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Record what one call costs, in instructions and calls.")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is not within its budget")
    parser.add_argument("--show", metavar="WALK", help="write nothing; print what each function costs in it")
    asked = parser.parse_args(arguments)
    if asked.show:
        sys.stdout.writelines(f"{line}\n" for line in _all_of(counted(asked.show)))
        return 0
    found = counted()
    if not asked.check:
        write(TABLE, VERSION, found)
        return 0
    budget = read(TABLE).get(VERSION)
    told = [f"no budget is recorded for Python {VERSION}: {COMMAND}"] if budget is None else list(complaints(found, budget))
    sys.stderr.writelines(f"{one}\n" for one in told)
    return 1 if told else 0


def counted(*walks: str, environ: Mapping[str, str] = {}) -> Found:
    """What ``walks`` (none: all) cost. Raises ``subprocess.CalledProcessError``."""
    command = [sys.executable, "-m", "bench.steps.counted", *(("--walk", *walks) if walks else ())]
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME", "TMPDIR", "PYTHONPATH")}
    done = subprocess.run(command, cwd=ROOT, env={**kept, **environ}, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    found: Found = json.loads(done.stdout)
    return found


def complaints(found: Found, budget: Costs) -> Iterator[str]:
    """What of ``found`` is not within ``budget``, in words, and where it is spent."""
    for walk in sorted({*found, *budget}):
        if walk not in found or walk not in budget:
            yield f"{walk}: {'in the table, but there is no such walk' if walk in budget else 'no budget is recorded'}: {COMMAND}"
            continue
        for what, allowed in budget[walk].items():
            by_function = found[walk][what]
            cost = sum(by_function.values())
            against = f"{walk}: {cost:,} {what}, {abs(cost / allowed - 1):.1%} {{}} than its budget of {allowed:,}"
            if cost > allowed * (1 + MORE):
                yield f"{against.format('more')}. Most are in\n{most(by_function)}"
            elif cost < allowed * (1 - LESS):
                yield f"{against.format('less')}: lower the budget: {COMMAND}"


def most(by_function: Mapping[str, int]) -> str:
    """The functions that cost most, with their shares, a line each."""
    cost = sum(by_function.values())
    first = sorted(by_function.items(), key=lambda item: -item[1])[:_SHOWN]
    return "\n".join(f"  {count / cost:6.1%} {count:7,}  {name}" for name, count in first)


def read(path: Path) -> Mapping[str, Costs]:
    """The table at ``path``, by version."""
    found: Mapping[str, Costs] = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def write(path: Path, version: str, found: Found) -> None:
    """Replace the table of ``version`` at ``path``; those of other versions stay."""
    costs = {walk: {what: sum(by_function.values()) for what, by_function in row.items()} for walk, row in found.items()}
    tables = {**read(path), version: costs}
    lines = [_HEAD]
    for name in sorted(tables, key=lambda name: [int(part) for part in name.split(".")]):
        rows = [f'"{walk}" = {{ {", ".join(f"{what} = {cost}" for what, cost in row.items())} }}' for walk, row in tables[name].items()]
        lines += [f'["{name}"]', *rows, ""]
    path.write_text("\n".join(lines), "utf-8")


def _all_of(found: Found) -> Iterator[str]:
    for walk, row in found.items():
        for what, by_function in row.items():
            yield f"{walk}: {sum(by_function.values()):,} {what}"
            yield from (f"  {count:7,}  {name}" for name, count in by_function.items())


if __name__ == "__main__":
    sys.exit(main())
