"""Twice as many calls as can be served: what those that are let in wait for, and what turning the others away costs.

Two kinds. The upstream is narrow (``bench/narrow.py``: 16 calls at a time, 10 ms each, an endless line behind them), and the element's
bulkhead is what keeps the line short; and the upstream is fast, so that the gateway's own core is what there is too little of. Capacity
is measured (a closed loop of 32 connections), then p99 at a quarter of it, then twice of it comes, whatever is answered.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit

from bench import peers, report
from bench.openloop import Answered, Arrivals, put, quantile_of
from bench.overload_stage import BULKHEAD, PLACES, SERVICE_S, Stage

BAR_P99, BAR_REFUSAL = 2.0, 0.1
_CLOSED, _OPEN = 32, 512  # connections, of both callers together
_P99 = 0.99
_NEARLY_ALL = 0.98
_SETTLING_S = 1.0

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each load lasts, and how many rounds the CPU of a refusal is compared with that of a call."""

    seconds: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Kind:
    """What is overloaded: an environment, and the element whose settings are looked at. ``element_at_ease`` tells what there would be
    without them."""

    name: str
    environment: str
    element: str


@dataclass(frozen=True, slots=True)
class Side:
    """Calls of a kind whose CPU is compared: to whom, which (by caller), and how all of them are answered."""

    peer: peers.Peer
    callers: list[list[bytes]]
    status: int


KINDS = (
    Kind(f"upstream: {PLACES} at a time, {SERVICE_S * 1000:.0f} ms; no bulkhead in the way (256)", "narrow", "wide"),
    Kind(f"the same, bulkhead = {BULKHEAD}", "narrow", "fixed"),
    Kind("the same, adaptive = true", "narrow", "adaptive"),
    Kind("the gateway's own core; fast upstream", "fast", "wide"),
)


def overload(stage: Stage, pace: Pace, step: Step) -> report.Section:
    """Goodput and p99 of what is admitted at twice the capacity, for each of ``KINDS``."""
    rows, missed = [], []
    peaks: dict[str, float] = {}
    for kind in KINDS:
        row, ratio = _measured(stage, kind, pace, peaks, step)
        judged = kind.environment == "fast" or kind.element != "wide"
        met = ratio <= BAR_P99
        rows.append((*row, f"at most {BAR_P99:g}" if judged else "none", report.verdict(met) if judged else "for comparison"))
        missed += [f"overload, {kind.name}"] if judged and not met else []
    columns = (
        "what is overloaded",
        "peak, calls/s",
        "sent, calls/s",
        "goodput / peak",
        "interactive, batch admitted",
        "p50, p99 at a quarter, ms",
        "p50, p99 admitted, ms",
        "p99 refused, ms",
        "p99 sent late, ms",
        "other",
        "p99 ratio",
        "bar",
        "result",
    )
    remark = (
        f"Open loop on {_OPEN} connections, Poisson arrivals in slots of 1 ms, two callers in turn (`interactive`, `batch`); a call counts "
        "from when it was due, also where it was sent late. Peak is a closed loop of 32 connections."
    )
    return report.Section("overload: twice as many calls as can be served", columns, tuple(rows), tuple(missed), remark)


def refusal(stage: Stage, pace: Pace, step: Step) -> report.Section:
    """CPU of the gateway's process for a call that is refused (503 ``overloaded``) against one that is forwarded."""
    forwarded = Side(stage.gateway, stage.requests("fast", "wide"), 200)
    full = Side(stage.gateway, stage.requests("fast", "held"), 503)
    unread = Side(stage.late, stage.requests("fast", "wide")[1:], 503)
    rows, missed = [], []
    with _held(stage):
        for name, refused in (("the bulkhead is full", full), ("the gateway's own work is late", unread)):
            no, yes = _in_turn(refused, forwarded, name, pace, step)
            ratios = [one / other for one, other in zip(no, yes, strict=True)]
            met = median(ratios) <= BAR_REFUSAL
            shown = (report.spread(no, 0, 1e6), report.spread(yes, 0, 1e6), report.spread(ratios, 3))
            rows.append((name, *shown, f"at most {BAR_REFUSAL}", report.verdict(met)))
            missed += [] if met else [f"refusal, {name}"]
    columns = ("refused because", "refused, µs CPU", "forwarded, µs CPU", "CPU ratio", "bar", "result")
    return report.Section("refusal: a call that is refused against one that is forwarded", columns, tuple(rows), tuple(missed))


def _in_turn(refused: Side, forwarded: Side, name: str, pace: Pace, step: Step) -> tuple[list[float], list[float]]:
    costs: tuple[list[float], list[float]] = ([], [])
    for side in (refused, forwarded):
        put(Arrivals(None, 1, _CLOSED // len(side.callers), side.callers), side.peer.url, peers.cores()[1])
    for number in range(pace.rounds):
        step(f"CPU of a refusal, {name}: round {number + 1} of {pace.rounds}")
        for side, cost in ((refused, costs[0]), (forwarded, costs[1]))[:: 1 if number % 2 else -1]:
            cost.append(_cost(side, pace.seconds / 2))
    return costs


def _measured(stage: Stage, kind: Kind, pace: Pace, peaks: dict[str, float], step: Step) -> tuple[tuple[str, ...], float]:
    core, url = peers.cores()[1], stage.gateway.url
    if kind.environment not in peaks:
        step(f"{kind.environment}: capacity")
        wide = stage.requests(kind.environment, "wide")
        loads = [put(Arrivals(None, pace.seconds / 3, _CLOSED // 2, wide, uncounted_s=0.5), url, core) for _ in range(3)]
        peaks[kind.environment] = max(one.in_time[200] / one.seconds for one in loads)
    peak, requests = peaks[kind.environment], stage.requests(kind.environment, kind.element)
    step(f"{kind.name}: a quarter of {peak:,.0f} calls/s")
    calm = put(Arrivals(peak / 4, pace.seconds, _OPEN // 2, requests, uncounted_s=_SETTLING_S), url, core)
    step(f"{kind.name}: twice of {peak:,.0f} calls/s")
    storm = put(Arrivals(2 * peak, pace.seconds, _OPEN // 2, requests, seed=2, uncounted_s=_SETTLING_S), url, core)
    ratio = storm.p(200, _P99) / (calm.p(200, _P99) or 1.0)
    row = (
        kind.name,
        f"{peak:,.0f}",
        f"{storm.calls / storm.seconds:,.0f}",
        f"{storm.in_time[200] / storm.seconds / peak:.2f}",
        _shares(storm),
        _ms(calm, 200),
        _ms(storm, 200),
        f"{storm.p(503, _P99) * 1000:.1f}",
        f"{_late(storm) * 1000:.1f}",
        _others(storm),
        f"{ratio:.2f}",
    )
    return row, ratio


def _cost(side: Side, seconds: float) -> float:
    """CPU seconds a call. Raises ``BenchError`` where more than a few calls (the first on a connection) got another answer."""
    before = side.peer.cpu_seconds()
    answered = put(Arrivals(None, seconds, _CLOSED // len(side.callers), side.callers), side.peer.url, peers.cores()[1])
    if answered.count(side.status) < _NEARLY_ALL * answered.calls:
        found = {status: len(took) for status, took in answered.took.items()}
        raise peers.BenchError(f"expected {side.status}, found {found}")
    return (side.peer.cpu_seconds() - before) / answered.calls


@contextmanager
def _held(stage: Stage) -> Iterator[None]:
    """The only place of the element ``held`` is taken while inside."""
    at = urlsplit(stage.gateway.url)
    with socket.create_connection((at.hostname or "", at.port or 80)) as caller:
        caller.sendall(stage.holding("fast", "held"))
        time.sleep(0.5)  # until it is on its way
        yield


def _ms(answered: Answered, status: int) -> str:
    return f"{answered.p(status, 0.5) * 1000:.1f}, {answered.p(status, _P99) * 1000:.1f}"


def _late(answered: Answered) -> float:
    return quantile_of(answered.late, _P99)


def _shares(answered: Answered) -> str:
    """The share of each caller's calls that was admitted."""
    shares = []
    for batch in (0, 1):
        calls = sum(count for (caller, _), count in answered.whose.items() if caller == batch)
        shares.append(f"{100 * answered.whose[batch, 200] / (calls or 1):.0f} %")
    return ", ".join(shares)


def _others(answered: Answered) -> str:
    others = {str(status): len(took) for status, took in answered.took.items() if status not in (200, 503)}
    if answered.unanswered:
        others["unanswered"] = answered.unanswered
    return ", ".join(f"{count} {name}" for name, count in sorted(others.items())) or "0"
