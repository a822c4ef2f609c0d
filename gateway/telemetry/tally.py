"""Calls counted between two scrapes, in the plainest numbers: each call would cost as much in the registry as all of them together."""

from __future__ import annotations

from bisect import bisect_left

from prometheus_client import Histogram
from prometheus_client.samples import Exemplar

from gateway.exchange import Exchange

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_SAMPLED = frozenset("13579bdf")  # the lowest bit of the trace flags (W3C Trace Context §3.2.2.5.1)


def is_sampled(exchange: Exchange) -> bool:
    """Whether somebody keeps the trace of this call, so that it is worth pointing to."""
    return exchange.traceparent[-1:] in _SAMPLED


class Tally:
    """How many calls, by duration, for how long together (seconds); of each bucket the last call that is traced."""

    __slots__ = ("buckets", "calls", "exemplars", "seconds")

    def __init__(self) -> None:
        self.calls, self.seconds, self.buckets = 0, 0.0, [0] * (len(BUCKETS_S) + 1)
        self.exemplars: dict[int, Exemplar] = {}

    def add(self, seconds: float) -> None:
        self.calls += 1
        self.seconds += seconds
        self.buckets[bisect_left(BUCKETS_S, seconds)] += 1

    def add_exemplar(self, seconds: float, exchange: Exchange) -> None:
        """Let the bucket of ``seconds`` point to the trace of this call."""
        labels = {"trace_id": exchange.traceparent[3:35]}
        self.exemplars[bisect_left(BUCKETS_S, seconds)] = Exemplar(labels, seconds, exchange.time + exchange.total_seconds)

    def pour(self, histogram: Histogram) -> int:
        """Hand all of it on to ``histogram`` and begin anew; how many calls it was."""
        calls = self.calls
        if calls:
            histogram._sum.inc(self.seconds)
            for bucket, count in zip(histogram._buckets, self.buckets, strict=True):
                bucket.inc(count)
            for position, exemplar in self.exemplars.items():
                _point(histogram, position, exemplar)
            self.__init__()  # type: ignore[misc]
        return calls


def _point(histogram: Histogram, position: int, exemplar: Exemplar) -> None:
    # Several tallies share a histogram, and Prometheus refuses an exemplar that is older than the one it has.
    kept = histogram._buckets[position].get_exemplar()
    if kept is None or float(kept.timestamp or 0) <= float(exemplar.timestamp or 0):
        histogram._buckets[position].set_exemplar(exemplar)
