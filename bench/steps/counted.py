"""``python -m bench.steps.counted [--walk NAME …]``: how many instructions and calls one call costs, for each of several walks, as JSON.

Nothing here is timed. A walk is warmed up, and then asked under each of the two counters until ``_OFTEN`` calls have cost exactly the same:
that is the figure. Others also pay for what comes now and then (ids drawn for the next 256 calls, the next second, a timer). What the
gateway does beside its calls, in tasks of its own, is left out. What is noted for later is settled in a row of its own, for ``NOTES`` calls
together.

The form: ``{walk: {"instructions": {function: count}, "calls": {function: count}}}``.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.steps.clock import PAUSE_S, Clock
from bench.steps.counting import Calls, Counts, Instructions, Tasks, named
from bench.steps.walk import WALKS, Walk

if TYPE_CHECKING:
    from bench.steps.walks import Scene
    from gateway.telemetry.repeated import Note

NOTES = 64
_OFTEN, _AT_MOST = 25, 250
_SPREAD = 4
_COUNTED: Mapping[str, Callable[[Counts, Tasks], AbstractContextManager[None]]] = {"instructions": Instructions, "calls": Calls}
_OBSERVED = """
[tracing]
enabled = true
sample_ratio = 0
[cors]
allowed_origins = ["https://app.example.com"]
"""
Act = Callable[[], Awaitable[None]]
Found = dict[str, dict[str, dict[str, int]]]


def _own(walk: Walk, name: str = "", **changed: Any) -> Walk:
    """``walk`` for resources of its own, as the gateway remembers paths that others asked for; for few, where they are asked for again, so
    that all are within one second."""
    name = name or walk.name
    spread = _SPREAD if walk.shows.endswith(b"hit") else walk.spread
    return replace(walk, name=name, target=f"{walk.target}{name}-", spread=spread, **changed)


_BY_NAME = {walk.name: walk for walk in WALKS}
COUNTED: Mapping[str, tuple[Walk, str]] = {
    walk.name: (walk, more)
    for walk, more in (
        *((_own(walk), "") for walk in WALKS),
        (_own(_BY_NAME["hit-ids"], "hit-ids-observed"), _OBSERVED),
        (_own(_BY_NAME["forward"], "forward-ids-observed", ids=True), _OBSERVED),
        (_own(_BY_NAME["forward"], "forward-observed", short=False), _OBSERVED),
    )
}
"""Walks, each with more of a configuration. Where tracing and CORS are on (``observed``), a call that brings a trace which nobody keeps
takes a fast path, and one without a trace does not."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts by a ``clock``, without what ``others`` do."""

    clock: Clock
    others: Tasks

    async def usual(self, name: str, act: Act, pause: float = PAUSE_S) -> dict[str, dict[str, int]]:
        """What ``act`` costs most of the time, by what is counted and function, with so many seconds in between.

        Raises ``RuntimeError`` where there is no such number.
        """
        usual = {}
        for what, counting in _COUNTED.items():
            seen: collections.Counter[int] = collections.Counter()
            counts: Counts = collections.Counter()
            while seen[counts.total()] < _OFTEN:
                if seen.total() == _AT_MOST:
                    raise RuntimeError(f"{name}: no number of {what} is usual: {sorted(seen.items())}")
                self.clock.go_on(pause)
                counts = collections.Counter()
                with counting(counts, self.others):
                    await act()
                seen[counts.total()] += 1
            usual[what] = named(counts)
        return usual


async def counted(scene: Scene, walk: Walk, clock: Clock) -> Found:
    """Its row; where calls are noted down, that of settling them; where they are hits from memory, that of one in a new second."""
    ours = asyncio.current_task()
    counter = Counter(clock, frozenset(task for task in asyncio.all_tasks() if task is not ours))
    ask = await scene.warm(walk)
    rows = {walk.name: await counter.usual(walk.name, lambda: ask(1))}
    if walk.short:
        name = f"{walk.name}, {NOTES} settled"
        rows[name] = await counter.usual(name, await _settling(scene, lambda: ask(1)))
    if walk.name == "hit":
        name, one = f"{walk.name}, next second", await scene.warm(replace(walk, spread=1))
        rows[name] = await counter.usual(name, lambda: one(1), 1.0)
    return rows


async def _settling(scene: Scene, act: Act) -> Act:
    """What settles as many notes of one call as a row is of."""
    telemetry = scene.telemetry
    notes: list[Note] = []
    while len(notes) != 1:  # a timer of the gateway's settles, too
        telemetry.settle()
        await act()
        notes = telemetry.notes[:]

    async def settle() -> None:
        telemetry.notes[:] = notes * NOTES
        telemetry.settle()

    await settle()
    return settle


def main() -> None:
    """Print the rows, of each walk before a gateway of its own."""
    parser = argparse.ArgumentParser(prog="python -m bench.steps.counted", description="Instructions and calls that walks cost, as JSON.")
    every = list(COUNTED)
    parser.add_argument("--walk", nargs="+", choices=every, default=every, metavar="NAME", help=f"which of them: {', '.join(every)}")
    names: list[str] = parser.parse_args().walk
    if [name for name in sys.modules if name.startswith("gateway.server")]:
        raise RuntimeError("the gateway was imported before the clock was in its place")
    clock = Clock()
    clock.install()
    from bench.steps.walks import playing  # noqa: PLC0415 - brings the gateway, which must find the clock in its place

    rows: Found = {}
    for name in names:
        walk, more = COUNTED[name]
        with playing(fast_path=walk.fast_path, more=more) as scene:
            rows |= scene.loop.run_until_complete(counted(scene, walk, clock))
    sys.stdout.write(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
