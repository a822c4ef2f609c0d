"""Steps of the fast paths, each for ``CALLS`` calls at once: half a call belongs to its connection, and cannot be made twice.

A whole gateway is warmed up by callers who ask at the same time. Then their connections lead nowhere, and so do those to the upstream: what
the gateway writes is gone, and what it would receive is handed to it here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from bench.origin import DOCUMENT, HEAD
from bench.peers import BenchError
from bench.steps.inprocess import connected
from bench.steps.walk import WALKS, Caller, Walk
from bench.steps.walks import Scene
from gateway.server.data_connection import DataConnection
from gateway.server.heads import cuts_of, ids_of
from gateway.server.listener import GuardedServer

CALLS = 50
_WARM = 8
_WALKS = {walk.name: walk for walk in WALKS}


class Lanes:
    """Connections at rest, each of a caller whose next request is known to the gateway; no loop turns."""

    def __init__(self, scene: Scene, walk: Walk) -> None:
        server = cast("GuardedServer", scene.data)
        self._hit, self._begin = server.shortcuts
        self._telemetry = scene.telemetry
        callers = [Caller(replace(walk, target=f"{walk.target}{number}-", spread=1), scene.key) for number in range(CALLS)]
        ends = [connected(scene.loop, caller, server()) for caller in callers]
        scene.loop.run_until_complete(_warmed(callers))
        inside = [end.peer for end in ends if end.peer is not None]
        for end in (*inside, *scene.loop.made):
            end.peer = None
        self._next = [(cast("DataConnection", end.get_protocol()), caller.octets(1)) for end, caller in zip(inside, callers, strict=True)]
        self._cuts = cuts_of(self._next[0][1].removesuffix(walk.body))
        body = walk.body or DOCUMENT
        self._answer = HEAD % (b"200 OK", b"no-store", len(body)) + body

    def rest(self) -> None:
        """What is under way is answered, what is noted settled."""
        self.give()
        self.settle()

    def known(self) -> None:
        """What is new in each head, and what is not."""
        cuts = self._cuts
        if cuts is None:
            raise BenchError("nothing is new in a head")
        for _, octets in self._next:
            cuts.rest(octets)
            ids_of(cuts, octets)

    def hit(self) -> None:
        """Each is answered from memory. Raises ``BenchError`` where one is not known."""
        for connection, octets in self._next:
            if not self._hit(connection, octets):
                raise BenchError("a hit is not known")

    def begin(self) -> None:
        """Each is sent on. Raises ``BenchError`` where one is not known."""
        for connection, octets in self._next:
            if not self._begin(connection, octets):
                raise BenchError("a call that is forwarded is not known")

    def give(self) -> None:
        """Each that is under way gets its answer. Raises ``BenchError`` where that is not known."""
        for connection, _ in self._next:
            call = connection.underway
            if call is not None and not call.answered(self._answer):
                raise BenchError("an answer is not known")

    def settle(self) -> None:
        """What is noted of them is recorded."""
        self._telemetry.settle()

    def under_way(self) -> None:
        """All are sent on, nothing is noted."""
        self.rest()
        self.begin()

    def noted(self) -> None:
        """All have been forwarded and answered."""
        self.begin()
        self.give()


@dataclass(frozen=True, slots=True)
class Shortcut:
    """``act`` is measured, ``before`` it comes what it needs; the calls are those of ``walk``."""

    name: str
    about: str
    walk: Walk
    before: Callable[[Lanes], None]
    act: Callable[[Lanes], None]


async def _warmed(callers: list[Caller]) -> None:
    for caller in callers:
        caller.strict = False
    for _ in range(_WARM):
        await asyncio.gather(*(caller.ask(1) for caller in callers))


_HIT, _IDS, _FORWARD, _POST = (_WALKS[name] for name in ("hit", "hit-ids", "forward", "post"))
SHORTCUTS = (
    Shortcut("fast-known", "a known head taken apart: its ids, and the rest", _IDS, Lanes.rest, Lanes.known),
    Shortcut("fast-hit", "a fresh hit of 1 KB, from its octets to the answer's", _HIT, Lanes.rest, Lanes.hit),
    Shortcut("fast-hit-settle", "the note of such a call settled", _HIT, Lanes.hit, Lanes.settle),
    Shortcut("fast-begin", "a GET that is forwarded, from its octets to those that go up", _FORWARD, Lanes.rest, Lanes.begin),
    Shortcut("fast-answer", "its answer of 1 KB, from its octets to those that go down", _FORWARD, Lanes.under_way, Lanes.give),
    Shortcut("fast-forward-settle", "the note of such a call settled", _FORWARD, Lanes.noted, Lanes.settle),
    Shortcut("fast-begin-10k", "a POST of 10 KB, from its octets to those that go up", _POST, Lanes.rest, Lanes.begin),
    Shortcut("fast-answer-10k", "its answer of 10 KB, from its octets to those that go down", _POST, Lanes.under_way, Lanes.give),
)
