"""The rounds of the contest: all rivals in turn on the same work, another one first in each round; what each did and what it cost.

Results are per second of the proxy's own CPU time, what one core could do if nothing else held it up: the load's core is full before
the fastest proxies are, and then calls a second say how fast the load is. Where the proxy's core was full, both say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from bench import peers
from bench.contest import bulk, rush
from bench.contest.checks import Witness
from bench.contest.job import CUSTOMERS, Standing, document
from bench.contest.rivals import OURS, Rival
from bench.contest.rush import Work
from bench.peers import BenchError, Peer

CUSTOMER = CUSTOMERS[0]
_DOCUMENT = document(CUSTOMER)
_POSTED = _DOCUMENT * 10
_FRESH, _PASSED = "/hubs/crm/contacts/fresh-1", "/hubs/crm/contacts/"

HIT = Work("fresh hit, repeating", _FRESH, _DOCUMENT)
TRACED = Work("fresh hit, own trace ids", _FRESH, _DOCUMENT, traced=True)
GET = Work("forward GET 1 KB", _PASSED, _DOCUMENT, numbered=True)
POST = Work("forward POST 10 KB", "/hubs/crm/contacts", _POSTED, "POST", _POSTED)
_WARM_UP_S = 3  # the first calls of some take seconds

DOWN, UP = "100 MB download", "100 MB upload"

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How many rounds, how many seconds of load in each, and how large the large bodies are, in octets, and for how many seconds they
    move in each."""

    rounds: int
    seconds: float
    octets: int = 100_000_000
    bodies_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One round: ``amount`` (calls, or octets) in ``seconds``, for ``cpu`` seconds of the proxy."""

    amount: float
    seconds: float
    cpu: float
    p99_ms: float = 0.0

    @property
    def seen(self) -> float:
        """Amount a second, as it was seen."""
        return self.amount / self.seconds

    @property
    def per_cpu(self) -> float:
        """Amount a second of the proxy's CPU; a clock that counts hundredths cannot say less than one of them."""
        return self.amount / max(self.cpu, 0.01)

    @property
    def busy(self) -> float:
        """The part of its core that the proxy used."""
        return self.cpu / self.seconds


@dataclass(slots=True)
class Results:
    """The samples of every work, by rival."""

    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)

    def add(self, work: str, rival: str, sample: Sample) -> None:
        self.samples.setdefault(work, {}).setdefault(rival, []).append(sample)

    def of(self, work: str, rival: str) -> list[Sample]:
        """None, where the rival did not do that."""
        return self.samples.get(work, {}).get(rival, [])


@dataclass(frozen=True, slots=True)
class Field:
    """Who takes part, with the origin behind all of them, the folder for files and the core of the load.

    ``left``: who fell out while it was measured, and why.
    """

    standing: Mapping[str, Standing]
    rivals: Mapping[str, Rival]
    origin: Peer
    folder: Path
    core: int
    left: dict[str, str] = field(default_factory=dict)

    def able(self, *abilities: str) -> list[str]:
        """The names of those who can do all that."""
        return [name for name, rival in self.rivals.items() if rival.does >= set(abilities) and name not in self.left]

    def tried(self, name: str, what: Callable[[], Sample], keep: Callable[[Sample], None]) -> None:
        """Keep what ``name`` did. A rival that fails is out from then on; ours may not fail."""
        if name in self.left:
            return
        try:
            keep(what())
        except (BenchError, OSError) as error:
            if name == OURS.name:
                raise
            self.left[name] = str(error)


def calls(entrants: Field, work: Work, names: Sequence[str], pace: Pace, results: Results, step: Step) -> None:
    """``work`` by all of ``names`` as fast as each can."""
    for name in names:
        step(f"{work.name}: {name} warms up")
        entrants.tried(name, partial(_call, entrants, work, name, _WARM_UP_S, warm=False), lambda _: None)
    _taken(entrants, work.name, names, pace, results, step, lambda name: _call(entrants, work, name, pace.seconds))


def paced(entrants: Field, work: Work, names: Sequence[str], rate: float, pace: Pace, results: Results, step: Step) -> None:
    """``work`` at about ``rate`` calls a second; the samples' p99 is what counts."""
    label = p99_of(work)
    step(f"{label}: at {rate:,.0f} calls/s")
    _taken(entrants, label, names, pace, results, step, lambda name: _call(entrants, work, name, pace.seconds, rate=rate))


def p99_of(work: Work) -> str:
    """The label of ``paced`` results."""
    return f"p99, {work.name}"


def bodies(entrants: Field, names: Sequence[str], pace: Pace, results: Results, step: Step) -> None:
    """Large bodies, down and up."""
    for label, way in ((DOWN, bulk.down), (UP, bulk.up)):
        _taken(entrants, label, names, pace, results, step, partial(_move, entrants, way, pace))


def capacity(results: Results, work: Work, name: str) -> float:
    """Calls a second that ``name`` was seen to answer; the median of its rounds."""
    return median(sample.seen for sample in results.of(work.name, name))


def _taken(
    entrants: Field, label: str, names: Sequence[str], pace: Pace, results: Results, step: Step, one: Callable[[str], Sample]
) -> None:
    """All ``names`` in turn, another one first each time."""
    for number in range(pace.rounds):
        step(f"{label}: round {number + 1} of {pace.rounds}")
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            entrants.tried(name, partial(one, name), partial(results.add, label, name))


def _call(entrants: Field, work: Work, name: str, seconds: float, *, warm: bool = True, rate: float | None = None) -> Sample:
    standing = entrants.standing[name]
    witness = Witness(standing, entrants.origin)
    witness.seen()
    before = standing.running.cpu_seconds()
    outcome = rush.put(work, standing, CUSTOMER, seconds, entrants.folder, entrants.core, rate=rate)
    cpu = standing.running.cpu_seconds() - before
    seen = witness.seen()
    if seen["strange"]:
        raise BenchError(f"{name}, {work.name}: {seen['strange']} calls reached the origin without their credential")
    if warm and work.path == _FRESH and seen["calls"] > outcome.calls / 1000:
        raise BenchError(f"{name}, {work.name}: {seen['calls']} of {outcome.calls} calls were no hits")
    if work.path != _FRESH and seen["calls"] < outcome.calls:
        raise BenchError(f"{name}, {work.name}: {seen['calls']} of {outcome.calls} calls reached the origin")
    return Sample(outcome.calls, outcome.seconds, cpu, outcome.p99_ms)


def _move(entrants: Field, way: Callable[[Standing, str, int], float], pace: Pace, name: str) -> Sample:
    """Bodies one after the other until the round is over."""
    standing = entrants.standing[name]
    before = standing.running.cpu_seconds()
    octets, seconds = 0, 0.0
    with peers.pinned(entrants.core):
        while seconds < pace.bodies_s:
            seconds += way(standing, CUSTOMER, pace.octets)
            octets += pace.octets
    return Sample(octets, seconds, standing.running.cpu_seconds() - before)
