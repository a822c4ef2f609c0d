"""The bars, and the tables that say whether they are met. A ratio is taken within a round; its median over the rounds is what counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench import report
from bench.contest.rivals import OURS, RIVALS
from bench.contest.rounds import DOWN, GET, HIT, POST, TRACED, UP, Results, Sample, p99_of

_TITLES = {rival.name: rival.title for rival in (OURS, *RIVALS)}
_CALLS = (HIT.name, TRACED.name, GET.name, POST.name)
_BULK = (DOWN, UP)
_P99 = (p99_of(HIT), p99_of(GET))


@dataclass(frozen=True, slots=True)
class Bar:
    """``work`` must be done by ours at least ``least`` times as fast as by ``rival``; of a p99, at most that many times as late."""

    work: str
    rival: str
    least: float

    @property
    def late(self) -> bool:
        return self.work in _P99

    @property
    def said(self) -> str:
        return f"{'at most' if self.late else 'at least'} {self.least}"

    def met(self, ratios: Sequence[float]) -> bool:
        return median(ratios) <= self.least if self.late else median(ratios) >= self.least


BARS = (
    Bar(HIT.name, "nginx", 2.0),
    Bar(TRACED.name, "nginx", 1.3),
    Bar(GET.name, "envoy", 1.0),
    Bar(GET.name, "bare", 2.5),
    Bar(POST.name, "envoy", 1.0),
    Bar(DOWN, "envoy", 1.0),
    Bar(UP, "envoy", 1.0),
    Bar(p99_of(HIT), "nginx", 1.0),
    Bar(p99_of(GET), "envoy", 1.0),
    Bar(HIT.name, "varnish", 1.0),
    *(Bar(GET.name, rival, 1.0) for rival in ("traefik", "caddy", "fastify", "litellm")),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A bar and what came of it; ``ratios`` are empty where the rival was not there."""

    bar: Bar
    ratios: tuple[float, ...]

    @property
    def missed(self) -> bool:
        return bool(self.ratios) and not self.bar.met(self.ratios)

    @property
    def name(self) -> str:
        return f"{self.bar.work} against {_TITLES[self.bar.rival]}"

    @property
    def verdict(self) -> str:
        return report.verdict(not self.missed) if self.ratios else "not measured"


def judged(results: Results) -> list[Judged]:
    """Every bar of ``BARS``."""
    return [Judged(bar, ratios(results, bar.work, bar.rival)) for bar in BARS]


def ratios(results: Results, work: str, rival: str) -> tuple[float, ...]:
    """Ours to ``rival``, round by round: of what was done in a second of CPU, or of the p99."""
    pairs = zip(results.of(work, OURS.name), results.of(work, rival), strict=False)
    if work in _P99:
        return tuple(mine.p99_ms / theirs.p99_ms for mine, theirs in pairs if theirs.p99_ms)
    return tuple(mine.per_cpu / theirs.per_cpu for mine, theirs in pairs)


def sections(results: Results) -> list[report.Section]:
    """The bars, then a table for each kind of work."""
    tables = [
        *(_section(results, work, ("calls/s a core", "µs CPU a call", "calls/s seen"), _call_cells) for work in _CALLS),
        *(_section(results, work, ("MB/s a core", "ms CPU for 100 MB", "MB/s seen"), _bulk_cells) for work in _BULK),
        *(_section(results, work, ("p99, ms", "calls/s"), _p99_cells) for work in _P99),
    ]
    return [_bars(judged(results)), *(table for table in tables if table.rows)]


def _bars(all_judged: Sequence[Judged]) -> report.Section:
    rows = tuple(
        (one.bar.work, _TITLES[one.bar.rival], one.bar.said, report.spread(one.ratios) if one.ratios else "", one.verdict)
        for one in all_judged
    )
    missed = tuple(one.name for one in all_judged if one.missed)
    return report.Section("Bars", ("work", "against", "bar", "ours to theirs", "result"), rows, missed)


def _section(results: Results, work: str, columns: tuple[str, ...], cells: Callable[[Sequence[Sample]], tuple[str, ...]]) -> report.Section:
    rows = []
    for name, samples in results.samples.get(work, {}).items():
        compared = ratios(results, work, name) if name != OURS.name else ()
        busy = f"{median(sample.busy for sample in samples):.0%}"
        rows.append((_TITLES[name], *cells(samples), busy, report.spread(compared) if compared else ""))
    return report.Section(work, ("", *columns, "core used", "ours to theirs"), tuple(rows))


def _call_cells(samples: Sequence[Sample]) -> tuple[str, ...]:
    costs = [1 / sample.per_cpu for sample in samples]
    return _thousands(samples, per_cpu=True), report.spread(costs, 1, 1e6), _thousands(samples, per_cpu=False)


def _bulk_cells(samples: Sequence[Sample]) -> tuple[str, ...]:
    rates = report.spread([sample.per_cpu for sample in samples], 0, 1e-6)
    costs = report.spread([1e8 / sample.per_cpu for sample in samples], 0, 1e3)
    return rates, costs, report.spread([sample.seen for sample in samples], 0, 1e-6)


def _p99_cells(samples: Sequence[Sample]) -> tuple[str, ...]:
    return report.spread([sample.p99_ms for sample in samples]), f"{median(sample.seen for sample in samples):,.0f}"


def _thousands(samples: Sequence[Sample], *, per_cpu: bool) -> str:
    values = [sample.per_cpu if per_cpu else sample.seen for sample in samples]
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"
