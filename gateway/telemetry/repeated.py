"""Calls that ended as one before them did, but for what is new in each: they are noted down in a few words, and counted, logged and
remembered together, some of them at a time.

What comes of it is the same as if each had been recorded by itself: the same numbers, lines and records, in the order in which they
ended. ``Telemetry`` sees to it that nobody can look at these in between. A note is a plain tuple, since one is made for every call; its
first member knows how to read it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, Protocol

from gateway.exchange import Exchange
from gateway.telemetry.access_log import id_of, line_end, line_middle, line_start, milliseconds
from gateway.telemetry.ids import new_traceparent
from gateway.telemetry.tally import SAMPLED, Tally

Note = tuple[Any, ...]


class Notes(Protocol):
    """What the calls have in common of which some notes are."""

    def count(self, note: Note) -> None:
        """Count the call where its likes are counted."""

    def line(self, note: Note) -> str:
        """Its line in the access log."""

    def whole(self, note: Note) -> Exchange:
        """Its record."""


class Repeats:
    """Calls that were given the same answer as ``exchange``. A note is ``(self, request id, traceparent (None: its caller sent none), when
    it started (monotonic), the same by the wall clock, seconds until its answer began, seconds until its end)``."""

    __slots__ = ("_end", "_exchange", "_middle", "_tally")

    def __init__(self, exchange: Exchange, tally: Tally) -> None:
        self._exchange = exchange
        self._tally = tally
        self._middle = line_middle(exchange)
        self._end = line_end(exchange)

    def count(self, note: Note) -> None:
        _, _, traceparent, _, time, _, total = note
        self._tally.add(total)
        if traceparent is not None and traceparent[-1] in SAMPLED:
            self._tally.point(total, traceparent.decode(), time + total)

    def line(self, note: Note) -> str:
        _, request_id, _, _, time, _, total = note
        return f"{line_start(time)}{id_of(request_id.decode())}{self._middle}{milliseconds(total)}{self._end}"

    def whole(self, note: Note) -> Exchange:
        _, request_id, traceparent, started, time, own, total = note
        record = copy(self._exchange)
        record.request_id = request_id.decode()
        record.traceparent = traceparent.decode() if traceparent is not None else new_traceparent()
        record.started, record.time = started, time
        record.answering, record.total_seconds = started + own, total
        return record


class Forwards:
    """Calls that were forwarded, and answered as ``exchange`` was but for sizes and ids. A note is ``(self, request id, traceparent, when
    it started, the same by the wall clock, path, its shape, what is left of the budget, the upstream's request id, octets up and down,
    seconds until its answer began, upstream, and until its end, how many stored answers it took)``."""

    __slots__ = ("_before", "_behind", "_exchange", "_status", "_tally", "_upstream", "_upstreams")

    def __init__(self, exchange: Exchange, tally: Tally, upstream: Callable[[Exchange, str], tuple[str, Tally]]) -> None:
        """``upstream`` tells how a path's shape is called where such calls are counted, and where that is."""
        self._exchange = exchange
        self._tally = tally
        self._upstream = upstream
        self._upstreams: dict[str, tuple[str, Tally]] = {}
        before, _, behind = line_middle(exchange).partition(f'"path": {id_of(exchange.path)}')
        self._before, self._behind = before + '"path": "', '"' + behind
        self._status = exchange.upstream_status

    def _of(self, shape: str) -> tuple[str, Tally]:
        found = self._upstreams.get(shape)
        if found is None:
            found = self._upstream(self._exchange, shape)
            if found[0] == shape:  # the rest have one name together, and there is no end of them
                self._upstreams[shape] = found
        return found

    def count(self, note: Note) -> None:
        traceparent, time, seconds, total = note[2], note[4], note[12], note[13]
        upstream = self._of(note[6])[1]
        self._tally.add(total)
        upstream.add(seconds)
        if traceparent[-1] in SAMPLED:
            self._tally.point(total, traceparent.decode(), time + total)
            upstream.point(seconds, traceparent.decode(), time + total)

    def line(self, note: Note) -> str:
        _, request_id, _, _, time, path, _, _, theirs, up, down, _, seconds, total, _ = note
        return (
            f"{line_start(time)}{id_of(request_id.decode())}{self._before}{path.decode()}{self._behind}{milliseconds(total)}"
            f', "upstream_ms": {milliseconds(seconds)}, "bytes_up": {up}, "bytes_down": {down}, "upstream_status": {self._status}, '
            f'"elements_request_id": {id_of(theirs.decode())}}}\n'
        )

    def whole(self, note: Note) -> Exchange:
        _, request_id, traceparent, started, time, path, shape, limit, theirs, up, down, own, seconds, total, gone = note
        record = copy(self._exchange)
        record.request_id, record.traceparent = request_id.decode(), traceparent.decode()
        record.started, record.time, record.path = started, time, path.decode()
        record.resource = self._of(shape)[0]
        record.elements_request_id = theirs.decode()
        record.bytes_up, record.bytes_down = up, down
        record.upstream_seconds, record.answering, record.total_seconds = seconds, started + own, total
        said = {"limits": limit.decode()} if limit else {}
        record.decisions = [
            (room, decision, f"{gone} entries" if decision == "invalidated" else said.get(room, why))
            for room, decision, why in self._exchange.decisions
        ]
        return record
