"""What a run found: tables in Markdown, and whether every bar was met."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Section:
    """One table. ``missed`` names the bars that were not met."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    missed: tuple[str, ...] = ()
    remark: str = ""


def spread(values: Sequence[float], digits: int = 2, factor: float = 1.0) -> str:
    """``1.12 (1.08 to 1.15)``: the median, the least and the most, each times ``factor``."""
    shown = [f"{value * factor:.{digits}f}" for value in (median(values), min(values), max(values))]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def verdict(met: bool) -> str:
    """A bar, in a word."""
    return "pass" if met else "**FAIL**"


def markdown(sections: Sequence[Section], load: str, failure: str = "") -> str:
    """The whole report. ``failure`` says why there is not more of it."""
    lines = ["# Benchmarks", "", f"Python {platform.python_version()}, {os.cpu_count()} cores, load from {load}. Ratios are results;"]
    lines += ["absolute figures hold for this machine and hour only. Median (least to most) of the rounds.", ""]
    for section in sections:
        lines += section_lines(section)
    missed = [name for section in sections for name in section.missed]
    lines.append(f"**Missed: {'; '.join(missed)}.**" if missed else "Every bar that was measured is met.")
    if failure:
        lines += ["", f"**Not finished: {failure}**"]
    return "\n".join(lines) + "\n"


def section_lines(section: Section) -> list[str]:
    """Heading, table and remark, with an empty line behind each."""
    lines = [f"## {section.title}", ""]
    lines += [_line(section.columns), _line(["---"] * len(section.columns)), *map(_line, section.rows), ""]
    return [*lines, section.remark, ""] if section.remark else lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
