"""What happened? Listens at the end of each call; nothing on the way depends on it."""

from __future__ import annotations

from gateway.exchange import Exchange
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent


class Telemetry:
    """The room's one object: counts, logs and remembers each call."""

    def __init__(self, metrics: Metrics, access_log: AccessLog | None, recent: Recent) -> None:
        self.metrics = metrics
        self.access_log = access_log
        self.recent = recent

    def begin(self, exchange: Exchange) -> None:
        """A call begins: it is in flight until ``record``."""
        self.metrics.live.add(exchange)

    def record(self, exchange: Exchange) -> None:
        self.metrics.live.discard(exchange)
        self.metrics.count(exchange)
        self.recent.add(exchange)
        if self.access_log is not None:
            self.access_log.record(exchange)
