"""Forwarding against a bare pass-through, and answering from the cache against forwarding: CPU of the proxy's process per call.

In rounds, the two in turn and each first every other time, so that a machine that slows down slows both; a ratio is taken within a round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from bench import load, peers, report
from bench.load import Work
from bench.origin import DOCUMENT
from bench.peers import PREFIX, Peer

BAR = 1.25
"""How much CPU a forwarded call may cost, times that of the bare pass-through."""

# More different targets than any memory of ours holds: neither side answers from what it worked out for the call before.
_SPREAD = 50_000
_KEPT = 500  # of these the cache holds every one

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How many rounds, and how many seconds the load lasts in each."""

    rounds: int
    seconds: float


@dataclass(slots=True)
class Series:
    """What one side cost in each round: CPU seconds a call, calls a second."""

    cost: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stage:
    """Both proxies before one origin, and what a caller must send."""

    ours: Peer
    bare: Peer
    fields: tuple[tuple[str, str], ...]
    folder: Path


@contextmanager
def playing(folder: Path) -> Iterator[Stage]:
    """The processes of this benchmark, while inside."""
    proxy, rest = peers.cores()
    given = peers.Credentials.new()
    secret = {"BENCH_AUTHORIZATION": given.authorization}
    with ExitStack() as stack:
        origin = stack.enter_context(peers.running("bench.origin", [], secret, folder, rest))
        bare = stack.enter_context(peers.running("bench.passthrough", [], {**secret, "BENCH_ORIGIN": origin.url}, folder, proxy))
        ours, key = stack.enter_context(peers.gateway(origin, given, folder, proxy))
        fields = (
            ("Authorization", f"Bearer {key}"),
            ("Gateway-Customer", "acme"),
            ("Gateway-Element", "hubspot"),
            ("Accept", "application/json"),
            ("User-Agent", "bench/1"),
        )
        yield Stage(ours, bare, fields, folder)


def forward(stage: Stage, pace: Pace, step: Step) -> report.Section:
    """GET of 1 KB and POST of 10 KB both ways through the gateway with everything on and through the bare pass-through."""
    rows, missed = [], []
    body = DOCUMENT * 10
    for work in (
        _work(stage, "GET 1 KB", "/hubs/crm/contacts/"),
        replace(_work(stage, "POST 10 KB", "/hubs/crm/contacts?n="), method="POST", body=body, expected=body, fields=_typed(stage)),
    ):
        ours, bare = _in_turn((work, stage.ours), (work, stage.bare), stage.folder, pace, step)
        ratios = [mine / theirs for mine, theirs in zip(ours.cost, bare.cost, strict=True)]
        met = median(ratios) <= BAR
        rates = [f"{median(side.rate):,.0f}" for side in (ours, bare)]
        shown = report.spread(ratios), f"at most {BAR}", report.verdict(met)
        rows.append((work.name, report.spread(ours.cost, 0, 1e6), report.spread(bare.cost, 0, 1e6), *rates, *shown))
        missed += [] if met else [f"forward, {work.name}"]
    columns = ("work", "gateway, µs CPU a call", "bare, µs CPU a call", "gateway, calls/s", "bare, calls/s", "CPU ratio", "bar", "result")
    remark = (
        "The gateway with everything on (key, mapping, three limits, cache with answers it may not keep, masking, metrics, access log), "
        "the peer is `bench/passthrough.py`. Every body and every credential was compared."
    )
    return report.Section("forward: the gateway against a bare aiohttp pass-through", columns, tuple(rows), tuple(missed), remark)


def hit(stage: Stage, pace: Pace, step: Step) -> report.Section:
    """A fresh hit against a forwarded call, both through the gateway. For information: no bar."""
    forwarded = _work(stage, "forwarded", "/hubs/crm/contacts/")
    fresh = replace(forwarded, name="hit", target=f"{PREFIX}/hubs/crm/contacts/fresh-", spread=_KEPT)
    load.put(fresh, stage.ours.url, pace.seconds, stage.folder, peers.cores()[1])
    hits, calls = _in_turn((replace(fresh, hits=True), stage.ours), (forwarded, stage.ours), stage.folder, pace, step)
    ratios = [mine / theirs for mine, theirs in zip(hits.cost, calls.cost, strict=True)]
    row = (report.spread(hits.cost, 0, 1e6), report.spread(calls.cost, 0, 1e6), report.spread(ratios))
    return report.Section("hit: a fresh hit against a forwarded call", ("hit, µs CPU", "forwarded, µs CPU", "CPU ratio"), (row,))


def _work(stage: Stage, name: str, target: str) -> Work:
    return Work(name, "GET", PREFIX + target, stage.fields, _SPREAD, DOCUMENT)


def _typed(stage: Stage) -> tuple[tuple[str, str], ...]:
    return (*stage.fields, ("Content-Type", "application/json"))


def _in_turn(first: tuple[Work, Peer], second: tuple[Work, Peer], folder: Path, pace: Pace, step: Step) -> tuple[Series, Series]:
    sides = ((*first, Series()), (*second, Series()))
    core = peers.cores()[1]
    for work, peer, _ in sides:
        step(f"{work.name}: warming up")
        load.put(work, peer.url, pace.seconds, folder, core)
    for number in range(pace.rounds):
        step(f"{first[0].name}: round {number + 1} of {pace.rounds}")
        for work, peer, series in sides if number % 2 == 0 else reversed(sides):
            before = peer.cpu_seconds()
            outcome = load.put(work, peer.url, pace.seconds, folder, core)
            series.cost.append((peer.cpu_seconds() - before) / outcome.calls)
            series.rate.append(outcome.calls / outcome.seconds)
    return sides[0][2], sides[1][2]
