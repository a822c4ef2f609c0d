"""The metrics of contract 6, in a registry of our own.

Label values come from closed or bounded sets (threats 42): configured environments, elements that are mapped, methods and statuses
that exist, and at most 200 path shapes an element. A customer, a key, a path or a query is never one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from gateway import __version__
from gateway.exchange import Exchange

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, and nobody asks for it

MAX_SHAPES = 200
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

Instances = Mapping[tuple[str, str, str], int]


class _Tally:
    """Calls counted since the last scrape: how many, by duration, and for how long together."""

    __slots__ = ("buckets", "calls", "seconds")

    def __init__(self) -> None:
        self.calls, self.seconds, self.buckets = 0, 0.0, [0] * (len(_BUCKETS_S) + 1)

    def add(self, seconds: float) -> None:
        self.calls += 1
        self.seconds += seconds
        self.buckets[bisect_left(_BUCKETS_S, seconds)] += 1


def _pour(tally: _Tally, counter: Counter, histogram: Histogram) -> None:
    """Hand on what was counted. Each call would cost as much here as all calls between two scrapes do."""
    if tally.calls:
        counter.inc(tally.calls)
        histogram._sum.inc(tally.seconds)
        for bucket, calls in zip(histogram._buckets, tally.buckets, strict=True):
            bucket.inc(calls)
        tally.__init__()  # type: ignore[misc]


class Metrics:
    """Counts finished exchanges; ``expose`` answers a scrape."""

    def __init__(self, environments: Iterable[str] = ()) -> None:
        self.live: set[Exchange] = set()  # calls that have begun and not ended
        self._environments = tuple(environments)
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "gateway_requests_total",
            "Calls answered",
            ["environment", "element", "method", "status", "cache"],
            registry=registry,
        )
        self._duration = Histogram(
            "gateway_request_duration_seconds",
            "From the request's head to the last octet of the answer",
            ["environment", "element", "cache"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._upstream = Counter(
            "gateway_upstream_requests_total",
            "Calls forwarded to api-v2; status none where no answer came",
            ["environment", "element", "resource", "method", "status"],
            registry=registry,
        )
        self._upstream_duration = Histogram(
            "gateway_upstream_duration_seconds",
            "From sending a call upstream to the head of its answer",
            ["environment", "element", "resource"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._limited = Counter(
            "gateway_rate_limited_total",
            "Calls that the element's budget touched",
            ["environment", "element", "action"],
            registry=registry,
        )
        Histogram(
            "gateway_rate_limit_wait_seconds",
            "How long calls waited for the element's budget",
            ["environment", "element"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._problems = Counter("gateway_problems_total", "Errors made by the gateway", ["type"], registry=registry)
        self._cache_bytes = Gauge("gateway_cache_bytes", "Octets that the cache holds", registry=registry)
        self._cache_entries = Gauge("gateway_cache_entries", "Answers that the cache holds", registry=registry)
        self._in_flight = Gauge("gateway_in_flight_requests", "Calls being served", ["environment"], registry=registry)
        self._breaker = Gauge(
            "gateway_breaker_state",
            "0 closed, 1 half-open, 2 open",
            ["environment", "element"],
            registry=registry,
        )
        self._instances = Gauge("gateway_instances", "Mappings", ["environment", "element", "state"], registry=registry)
        Info("gateway_build", "Which program this is", registry=registry).info({"version": __version__})
        self._tallies: dict[tuple[str, str, str, str, str], _Tally] = {}
        self._upstream_tallies: dict[tuple[str, str, str, str, str], _Tally] = {}
        self._unanswered: Tally[tuple[str, str, str, str]] = Tally()
        self._shapes: dict[str, set[str]] = {}

    def count(self, exchange: Exchange) -> None:
        """Count one finished call."""
        method = _method(exchange.method)
        environment, element = exchange.environment, exchange.element
        if not exchange.background:
            key = (environment, element, method, str(exchange.status), exchange.cache)
            tally = self._tallies.get(key)
            if tally is None:
                tally = self._tallies[key] = _Tally()
            tally.add(exchange.total_seconds)
        if exchange.upstream_calls:
            self._count_upstream(exchange, method)
        if exchange.limited:
            self._limited.labels(environment, element, exchange.limited).inc()
        if exchange.problem:
            self._problems.labels(exchange.problem).inc()

    def _count_upstream(self, exchange: Exchange, method: str) -> None:
        exchange.resource = resource = self._bounded(exchange.element, exchange.resource)
        if exchange.upstream_calls > exchange.upstream_failures:
            key = (exchange.environment, exchange.element, resource, method, str(exchange.upstream_status))
            tally = self._upstream_tallies.get(key)
            if tally is None:
                tally = self._upstream_tallies[key] = _Tally()
            tally.add(exchange.upstream_seconds)
        if exchange.upstream_failures:
            self._unanswered[exchange.environment, exchange.element, resource, method] += exchange.upstream_failures

    def settle(self) -> None:
        """Bring everything up to date for a scrape; to be called where calls are counted, in no other thread."""
        for key, tally in self._tallies.items():
            _pour(tally, self._requests.labels(*key), self._duration.labels(key[0], key[1], key[4]))
        for key, tally in self._upstream_tallies.items():
            _pour(tally, self._upstream.labels(*key), self._upstream_duration.labels(*key[:3]))
            self._breaker.labels(*key[:2]).set(0)  # calls leave: there is nothing in this version that would hold them
        for where, calls in self._unanswered.items():
            self._upstream.labels(*where, "none").inc(calls)
            self._breaker.labels(*where[:2]).set(0)
        self._unanswered.clear()
        flying = Tally(exchange.environment for exchange in self.live)
        for environment in {*self._environments, *flying}:
            self._in_flight.labels(environment).set(flying[environment])

    def _bounded(self, element: str, resource: str) -> str:
        shapes = self._shapes.setdefault(element, set())
        if resource not in shapes:
            if len(shapes) >= MAX_SHAPES:
                return "other"
            shapes.add(resource)
        return resource

    def watch_cache(self, octets: Callable[[], float], entries: Callable[[], float]) -> None:
        """Where the cache gauges read."""
        self._cache_bytes.set_function(octets)
        self._cache_entries.set_function(entries)

    def set_instances(self, counts: Instances) -> None:
        """How many mappings there are by (environment, element, state)."""
        self._instances.clear()
        for key, number in counts.items():
            self._instances.labels(*key).set(number)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """(body, content type) of a scrape, up to date."""
        self.settle()
        return self.encode(accept)

    def encode(self, accept: str) -> tuple[bytes, str]:
        """The same as of the last ``settle``, in any thread: OpenMetrics where ``accept`` asks for it, else the Prometheus text
        format."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type


def _method(method: str) -> str:
    return method if method in _METHODS else "other"
