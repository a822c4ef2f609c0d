"""Resident memory: idle, with idle connections, with many mappings."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench import report
from bench.contest.job import CUSTOMERS, PREFIX, Job, Standing
from bench.contest.rivals import OURS, Rival, Tools
from bench.peers import BenchError

CONNECTIONS = 5_000
MAPPINGS = 100_000
MANY_MAPPINGS = ("gateway", "nginx", "envoy")
"""Whose configuration here has a table that takes so many."""

_MIB = 1024**2
_AGAINST = "envoy"
_SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class Footprint:
    """MiB: idle, and how much 10,000 idle connections and 100,000 mappings add (None: not measured)."""

    idle: float
    connections: float | None = None
    mappings: float | None = None


def measured(rival: Rival, tools: Tools, job: Job, folder: Path, core: int, idle: float) -> Footprint:
    """What ``rival`` adds to ``idle`` MiB, in processes started anew, so that the load has left nothing behind."""
    with rival.start(tools, job, folder, core) as standing:
        added = connections(standing, CONNECTIONS)
    return Footprint(idle, added, mappings(rival, tools, job, folder, core) if rival.name in MANY_MAPPINGS else None)


def connections(standing: Standing, count: int) -> float:
    """MiB that 10,000 connections add on which one call was made; measured with ``count`` of them."""
    before = standing.running.resident()
    with _idle(standing, count):
        time.sleep(_SETTLE_S)
        return (standing.running.resident() - before) / _MIB * 10_000 / count


@contextmanager
def _idle(standing: Standing, count: int) -> Iterator[None]:
    at = urlsplit(standing.running.url)
    head = standing.head(f"GET {PREFIX}/hubs/crm/contacts/fresh-1", CUSTOMERS[0])
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((at.hostname or "", at.port or 80), timeout=20))
            connection.sendall(head)
            _one_answer(connection)
        yield


def _one_answer(connection: socket.socket) -> None:
    came = b""
    while not came.endswith(b"  "):  # the document is filled up with blanks
        more = connection.recv(65536)
        if not more:
            raise BenchError(f"an idle connection was closed: {came[:100]!r}")
        came += more


def mappings(rival: Rival, tools: Tools, job: Job, folder: Path, core: int) -> float:
    """MiB that 100,000 mappings add, after a call."""
    resident = []
    for number, one in enumerate((job, job.crowded(MAPPINGS))):
        inner = folder / f"mappings-{number}"
        inner.mkdir()
        with rival.start(tools, one, inner, core) as standing:
            with _idle(standing, 1):
                time.sleep(_SETTLE_S)
            resident.append(standing.running.resident())
    return (resident[1] - resident[0]) / _MIB


def section(found: Mapping[str, Footprint], titles: Mapping[str, str]) -> report.Section:
    """The table; the bar is Envoy's figure, where there is one."""
    theirs, ours = found.get(_AGAINST), found.get(OURS.name)
    missed = _missed(ours, theirs) if ours and theirs else []
    rows = tuple((titles[name], f"{one.idle:.0f}", _cell(one.connections), _cell(one.mappings)) for name, one in found.items())
    verdict = report.verdict(not missed) if ours and theirs else "not measured"
    remark = (
        "What several processes of one proxy share counts in each. "
        f"Connections: after one call on each, measured with {CONNECTIONS:,}. Mappings: where the configuration has a table for them. "
        f"Bar: not above Envoy's where it has the same: {verdict}."
    )
    columns = ("", "idle, MiB", "10,000 idle connections, MiB more", "100,000 mappings, MiB more")
    return report.Section("Resident memory", columns, rows, tuple(missed), remark)


def _missed(ours: Footprint, theirs: Footprint) -> list[str]:
    pairs: Sequence[tuple[str, float | None, float | None]] = (
        ("idle", ours.idle, theirs.idle),
        ("of idle connections", ours.connections, theirs.connections),
        ("of mappings", ours.mappings, theirs.mappings),
    )
    return [f"memory {name} against Envoy" for name, mine, other in pairs if mine is not None and other is not None and mine > other]


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
