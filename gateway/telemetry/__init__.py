"""What happened? Listens at the end of each call; nothing on the way depends on it."""

from __future__ import annotations

from gateway.exchange import Exchange
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent
from gateway.telemetry.repeated import Forwards, Note, Repeats

MOST_NOTES = 64
"""So few that nobody waits long while they are recorded, and so many that it pays."""


class Telemetry:
    """The room's one object: counts, logs and remembers each call.

    ``notes`` are those of calls that ended as one before did and are not recorded yet. They are by ``settle``, which is called before any
    other call is recorded, and before anybody looks.
    """

    def __init__(self, metrics: Metrics, access_log: AccessLog | None, recent: Recent) -> None:
        self.metrics = metrics
        self.access_log = access_log
        self.recent = recent
        self.notes: list[Note] = []
        metrics.before_look = recent.before_look = self.settle

    def begin(self, exchange: Exchange) -> None:
        """A call begins: it is in flight until ``record``."""
        self.metrics.live.add(exchange)

    def record(self, exchange: Exchange) -> None:
        if self.notes:
            self.settle()
        self.metrics.live.discard(exchange)
        self.metrics.count(exchange)
        self.recent.add(exchange)
        if self.access_log is not None:
            self.access_log.record(exchange)

    def note(self, note: Note) -> None:
        """A call ended as one before did."""
        self.notes.append(note)
        if len(self.notes) >= MOST_NOTES:
            self.settle()

    def repeats(self, exchange: Exchange) -> Repeats:
        """What calls have in common that are given the same answer as ``exchange``."""
        return Repeats(exchange, self.metrics.tally(exchange))

    def forwards(self, exchange: Exchange) -> Forwards:
        """What calls have in common that are forwarded and answered as ``exchange`` was."""
        return Forwards(exchange, self.metrics.tally(exchange), self.metrics.upstream_tally)

    def settle(self) -> None:
        """Record what is noted."""
        if not self.notes:
            return
        notes = self.notes[:]
        self.notes.clear()
        for note in notes:
            note[0].count(note)
        self.recent.add_all(notes)
        if self.access_log is not None:
            self.access_log.record_all([note[0].line(note) for note in notes])
