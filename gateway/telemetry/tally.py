"""Calls counted between two scrapes, in the plainest numbers: each call would cost as much in the registry as all of them together."""

from __future__ import annotations

from bisect import bisect_left

from prometheus_client import Histogram
from prometheus_client.samples import Exemplar

from gateway.exchange import Exchange

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_ODD = "13579bdf"  # the lowest bit of the trace flags (W3C Trace Context §3.2.2.5.1)
_SAMPLED = frozenset(_ODD)
SAMPLED = frozenset(_ODD.encode())
"""The octets in which the ``traceparent`` of a call ends whose trace somebody keeps."""


def is_sampled(exchange: Exchange) -> bool:
    """Whether somebody keeps the trace of this call, so that it is worth pointing to."""
    return exchange.traceparent[-1:] in _SAMPLED


def bucket_of(seconds: float) -> int:
    """The number of the bucket in which ``seconds`` count."""
    return bisect_left(BUCKETS_S, seconds)


class Tally:
    """How many calls, by duration, for how long together (seconds); of each bucket the last call that is traced."""

    __slots__ = ("buckets", "calls", "seconds", "traced")

    def __init__(self) -> None:
        self.calls, self.seconds, self.buckets = 0, 0.0, [0] * (len(BUCKETS_S) + 1)
        self.traced: dict[int, tuple[str, float, float]] = {}

    def add(self, seconds: float) -> None:
        self.calls += 1
        self.seconds += seconds
        self.buckets[0 if seconds <= 0.001 else bucket_of(seconds)] += 1

    def point(self, seconds: float, traceparent: str, ended: float) -> None:
        """Let the bucket of ``seconds`` point to the trace of a call that ``ended`` then (wall time)."""
        self.traced[bucket_of(seconds)] = traceparent, seconds, ended

    def pour(self, histogram: Histogram) -> int:
        """Hand all of it on to ``histogram`` and begin anew; how many calls it was."""
        calls = self.calls
        if calls:
            histogram._sum.inc(self.seconds)
            for bucket, count in zip(histogram._buckets, self.buckets, strict=True):
                bucket.inc(count)
            for position, (traceparent, seconds, ended) in self.traced.items():
                _point(histogram, position, Exemplar({"trace_id": traceparent[3:35]}, seconds, ended))
            self.__init__()  # type: ignore[misc]
        return calls


def _point(histogram: Histogram, position: int, exemplar: Exemplar) -> None:
    # Several tallies share a histogram, and Prometheus refuses an exemplar that is older than the one it has.
    kept = histogram._buckets[position].get_exemplar()
    if kept is None or float(kept.timestamp or 0) <= float(exemplar.timestamp or 0):
        histogram._buckets[position].set_exemplar(exemplar)
