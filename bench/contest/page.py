"""What is written to ``docs/``: the page with all tables, and the plot beside it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.contest.installing import versioned
from bench.contest.plot import Group, svg
from bench.contest.rivals import OURS, RIVALS, Rival
from bench.contest.rounds import DOWN, GET, HIT, POST, TRACED, UP, Pace, Results, Sample
from bench.contest.rush import CONNECTIONS
from bench.report import Section, section_lines

PLOT = "speed.svg"
_ABILITIES = ("key", "mapping", "limit", "cache", "counters")
_SAID = {
    "key": "caller's key",
    "mapping": "customer to token",
    "limit": "limit by element",
    "cache": "cache by tenant",
    "counters": "counters",
}
_INTRODUCTION = """\
Other proxies beside ours, set up for the same job, on the same work, in the same run: `make bench ARGS=peers`. The configuration of each
is in [bench/peers_conf](../bench/peers_conf), and what it cannot do is missing there, which makes it faster: none of them has
permissions, an access log, recent exchanges or an eye on secrets that come back, and ours has all of it on. Large bodies are opaque
octets; text is searched for our secrets on its way down, which costs a download as much again.

**Gateway** is what the container image has and `make compiled` makes: its hot modules are compiled. **Gateway, not compiled** is the same
code as plain Python.

Proxy on one core with one worker, load (`wrk`, {connections} connections that are kept) and origin on the other. Before anything is
measured, each proves that it refuses wrong keys and unknown customers, sends up exactly the right credential and none of its caller's
fields, keeps tenants apart in its cache, refuses at a low limit, counts, and changes no body. While it is measured every body is
compared, and the origin says how many calls reached it, each with the right credential.

**A core's worth** is what was done in a second of the proxy's own CPU time. The load's core is full before the fastest proxies are: then
calls a second say how fast the load is ("core used" below 100 %), and a core's worth says how fast the proxy is. Bars are on that. Each
figure is the median (least to most) of {rounds} rounds of {seconds:g} s in turn; absolute ones hold for one machine and hour only.
{cores} cores, Python {python}."""


def page(sections: Sequence[Section], entrants: Mapping[str, str], skipped: Mapping[str, str], pace: Pace, failure: str) -> str:
    """The whole page. ``entrants``: title by name, ``skipped``: why by title."""
    said = _INTRODUCTION.format(
        connections=CONNECTIONS, rounds=pace.rounds, seconds=pace.seconds, cores=os.cpu_count(), python=platform.python_version()
    )
    lines = ["# Speed", "", said, "", f"![What each does with a core]({PLOT})", ""]
    for section in sections:
        lines += section_lines(section)
    lines += section_lines(_who([rival for rival in (OURS, *RIVALS) if rival.name in entrants]))
    for title, reason in skipped.items():
        lines += [f"**Not taking part: {title}.** {reason}", ""]
    missed = [name for section in sections for name in section.missed]
    lines.append(f"**Missed: {'; '.join(missed)}.**" if missed else "Every bar that was measured is met.")
    if failure:
        lines += ["", f"**Not finished: {failure}**"]
    return "\n".join(lines) + "\n"


def _who(rivals: Sequence[Rival]) -> Section:
    rows = tuple((rival.title, versioned(rival.origin), *("yes" if one in rival.does else "no" for one in _ABILITIES)) for rival in rivals)
    return Section("Who takes part", ("", "from", *_SAID.values()), rows)


def plot(results: Results, titles: Mapping[str, str]) -> str:
    """The plot of all works but the p99."""
    groups = [_group(results, titles, work, "calls/s a core", 1.0) for work in (HIT.name, TRACED.name, GET.name, POST.name)]
    groups += [_group(results, titles, work, "MB/s a core", 1e-6) for work in (DOWN, UP)]
    return svg([group for group in groups if group.values], "What each proxy does with one core")


def _group(results: Results, titles: Mapping[str, str], work: str, unit: str, factor: float) -> Group:
    values = [(titles[name], _worth(samples) * factor) for name, samples in results.samples.get(work, {}).items()]
    ordered = sorted(values, key=lambda pair: (pair[0] != OURS.title, -pair[1]))
    return Group(f"{work}, {unit}", [(title, value, f"{value:,.0f}") for title, value in ordered])


def _worth(samples: Sequence[Sample]) -> float:
    return median(sample.per_cpu for sample in samples)


def write(folder: Path, text: str, picture: str) -> None:
    """``speed.md`` and its plot in ``folder``."""
    (folder / "speed.md").write_text(text, "utf-8")
    (folder / PLOT).write_text(picture, "utf-8")
