"""The same octets to both sides, and everything that comes of them, compared."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fastpath.sides import Pair, Side
from tests.fastpath.telling import arrived, cached, drawn, exchanges, limits, logged, metrics, same, since, told
from tests.support.answers import MalformedError
from tests.support.raw import Caller, Part


@dataclass(frozen=True)
class Play:
    """Octets that a caller sends on its connection number ``on``: ``parts`` (a float is a pause), which are requests of ``methods``."""

    parts: tuple[Part, ...]
    methods: tuple[str, ...] = ("GET",)
    on: int = 0
    leaves: bool = False
    """The caller hangs up when it has sent them."""


@dataclass
class Heard:
    """What one side did with a sequence."""

    lines: list[str] = field(default_factory=list)
    answers: int = 0


class Stage:
    """A pair, and what it said before a sequence began."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def compare(self, plays: Sequence[Play], *, slack: int = 1) -> None:
        """Play ``plays`` to both and fail where they differ by more than ``slack`` seconds."""
        before = [metrics(side) for side in self.pair]
        counts = [ended(side) for side in self.pair]
        for side in self.pair:
            side.origin.forget()
        # In turn, call by call: what counts seconds must not drift apart.
        callers: list[dict[int, Caller]] = [{}, {}]
        heard = [Heard(), Heard()]
        try:
            for play in plays:
                for number, side in enumerate(self.pair):
                    _play(side, play, callers[number], heard[number])
        finally:
            for each in callers:
                for caller in each.values():
                    caller.close()
        same("answers", [one.lines for one in heard], slack)
        self.settled()
        same("arrivals", (self._arrivals(side) for side in self.pair), slack)
        new = [ended(side) - count for side, count in zip(self.pair, counts, strict=True)]
        assert new[0] == new[1], f"calls recorded: {new}"
        records = [exchanges(side, new[0]) for side in self.pair]
        lines = [_lines(side, count) for side, count in zip(self.pair, counts, strict=True)]
        same("records", records, slack)
        same("log lines", lines, slack)
        same("metrics", (since(mark, metrics(side)) for side, mark in zip(self.pair, before, strict=True)))
        same("limits", (limits(side) for side in self.pair))
        same("cache reports", (cached(side) for side in self.pair))

    def settled(self) -> None:
        """Wait until nothing is under way, and fail if the books do not balance then."""
        for side in self.pair:
            deadline = time.monotonic() + 5
            while open_things(side) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert not open_things(side), f"{'fast' if side.fast else 'slow'}: {open_things(side)}"

    def _arrivals(self, side: Side) -> list[str]:
        return [line for request in side.origin.requests for line in arrived(request)]


def open_things(side: Side) -> list[str]:
    """What a side holds though nobody calls it: calls in flight, places, permits, upstream connections in use, waiting tasks."""

    def look() -> list[str]:
        sender: Any = side.listener._pipeline.upstream
        found = [f"in flight: {len(side.gateway.telemetry.metrics.live)}"] if side.gateway.telemetry.metrics.live else []
        found += [f"guard {key}: {guard.bulkhead}" for key, guard in sender._guards._guards.items() if guard.bulkhead.in_flight]
        found += [f"caller {key}: {own}" for key, own in sender._guards._callers.items()]
        found += [f"budget: {row}" for row in sender._limits.report() if row.get("under_way")]
        for pool in sender._lean._pools.values():
            in_use = pool._all - set(pool._idle)
            if in_use or pool.open != len(pool._idle):
                found.append(f"upstream connections: {pool.open} open, {len(pool._idle)} idle, {len(in_use)} in use")
            if len(set(pool._idle)) < len(pool._idle):
                found.append("an upstream connection is idle twice")
        flights: Any = side.gateway.cache._flights
        found += [f"flight: {key[0].path}" for key in flights._flying]
        return found

    return side.at(look)


def ended(side: Side) -> int:
    """How many calls have been recorded."""
    return side.at(lambda: side.gateway.telemetry.recent.added)


def _lines(side: Side, count: int) -> list[dict[str, Any]]:
    """The lines of the calls after the first ``count``."""
    deadline = time.monotonic() + 3
    while len(lines := side.written.getvalue().splitlines()) < ended(side) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(lines) == ended(side), "a call without a line"
    return logged(lines[count:])


def _play(side: Side, play: Play, callers: dict[int, Caller], heard: Heard) -> None:
    caller = callers.get(play.on)
    if caller is None or caller.ending != "open":
        caller = callers[play.on] = Caller(side.address, patience=6.0)
    caller.send(*(part if isinstance(part, float) else side.filled(part) for part in play.parts))
    if play.leaves:
        callers.pop(play.on).close()
        heard.lines.append("left")
        return
    for method in play.methods:
        start = caller._read
        try:
            answer = caller.answer(method)
        except MalformedError as error:
            heard.lines.append(f"malformed: {error}")
            answer = None
        heard.lines += told(answer, bytes(caller.received[start : caller._read]))
        if answer is None or answer.closing or not answer.complete:
            try:
                caller.ended(3.0)
            except MalformedError as error:  # HEAD, of which the gateway could not read that it is one
                heard.lines.append(drawn(str(error)))
            heard.lines.append(caller.ending if caller.ending == "open" else "ended")
            callers.pop(play.on).close()
            return
        heard.answers += 1
