"""The metrics of contract 6, in a registry of our own.

Label values come from closed or bounded sets (threats 42): configured environments, elements that are mapped (the first 500), methods
and statuses that exist, and at most 200 path shapes an element. A customer, a key, a path or a query is never one.
"""

from __future__ import annotations

from collections import Counter as Numbers
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from gateway import __version__
from gateway.exchange import Exchange
from gateway.telemetry.tally import BUCKETS_S, Tally, is_sampled

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, and nobody asks for it

MAX_SHAPES = 200
MAX_ELEMENTS = 500
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Instances = Mapping[tuple[str, str, str], int]
Shares = Mapping[tuple[str, str], float]
States = Mapping[tuple[str, str], int]


class InFlight(Protocol):
    """A call that has begun."""

    @property
    def environment(self) -> str: ...


class Metrics:
    """Counts finished exchanges; ``expose`` answers a scrape."""

    def __init__(self, environments: Iterable[str] = ()) -> None:
        self.live: set[InFlight] = set()  # calls that have begun and not ended
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
            buckets=BUCKETS_S,
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
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._limited = Counter(
            "gateway_rate_limited_total",
            "Calls that the element's budget touched",
            ["environment", "element", "action"],
            registry=registry,
        )
        self._waits = Histogram(
            "gateway_rate_limit_wait_seconds",
            "How long calls waited for the element's budget",
            ["environment", "element"],
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._remaining = Gauge(
            "gateway_budget_remaining_ratio",
            "What is left (0 to 1) of the budget that is nearest to its end among all of that element",
            ["environment", "element"],
            registry=registry,
        )
        self._waiting = Gauge(
            "gateway_rate_limit_waiting_calls", "Calls that wait for the element's budget", ["environment", "element"], registry=registry
        )
        self._gates = Gauge(
            "gateway_limit_gate_state",
            "What the provider's own refusals did to the budget that they hit hardest: 0 nothing, 1 reopening, 2 closed",
            ["environment", "element"],
            registry=registry,
        )
        self._signals = Counter(
            "gateway_limit_signals_total",
            "Calls that the provider refused because its own limit was spent",
            ["environment", "element"],
            registry=registry,
        )
        self._retries = Counter(
            "gateway_upstream_retries_total", "Calls to api-v2 that were made once more", ["environment", "element"], registry=registry
        )
        self._unauthorized = Gauge(
            "gateway_environment_unauthorized",
            "1 while Cloud Elements refuses the user or organization secret of the environment",
            ["environment"],
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
        self._tallies: dict[tuple[str, str, str, str, str], Tally] = {}
        self._upstream_tallies: dict[tuple[str, str, str, str, str], Tally] = {}
        self._saved: Numbers[str] = Numbers()
        self._unanswered: Numbers[tuple[str, str, str, str]] = Numbers()
        self._limited_calls: Numbers[tuple[str, str, str]] = Numbers()
        self._problem_calls: Numbers[str] = Numbers()
        self._shapes: dict[str, set[str]] = {}  # by element: those that have a name of their own here
        self._shares: Callable[[], Shares] = dict
        self._gate_states: Callable[[], States] = dict
        self._waiting_calls: Callable[[], States] = dict
        self._breaker_states: Callable[[], States] = dict
        self._alarm: Callable[[str], bool] = lambda _: False
        self._least: dict[tuple[str, str], float] = {}
        self.before_look: Callable[[], None] = lambda: None
        """Brings in what is not counted yet."""

    def count(self, exchange: Exchange) -> None:
        """Count one finished call."""
        method = _method(exchange.method)
        environment, element = exchange.environment, exchange.element
        sampled = is_sampled(exchange)
        if exchange.background:
            element = self._element(element)
        else:
            element, tally = self._tally(exchange, method)
            tally.add(exchange.total_seconds)
            if sampled:
                tally.point(exchange.total_seconds, exchange.traceparent, exchange.time + exchange.total_seconds)
        if exchange.upstream_calls:
            self._count_upstream(exchange, element, method, sampled)
        if exchange.queue_seconds:
            self._waits.labels(environment, element).observe(exchange.queue_seconds)
        if exchange.limit_signals:
            self._signals.labels(environment, element).inc(exchange.limit_signals)
        if exchange.limited:
            self._limited_calls[environment, element, exchange.limited] += 1
        if exchange.problem:
            self._problem_calls[exchange.problem] += 1

    def tally(self, exchange: Exchange) -> Tally:
        """Where calls that end as ``exchange`` did are counted."""
        return self._tally(exchange, _method(exchange.method))[1]

    def upstream_tally(self, exchange: Exchange, resource: str) -> tuple[str, Tally]:
        """How ``resource``, the shape of a path, is called, and where calls to it are counted that were answered as ``exchange`` was."""
        like = copy(exchange)
        element = self._element(exchange.element)
        like.resource = resource = self._resource(element, resource)
        return resource, self._upstream_tally(like, element, _method(exchange.method), exchange.upstream_status)

    def _tally(self, exchange: Exchange, method: str) -> tuple[str, Tally]:
        key = (exchange.environment, exchange.element, method, str(exchange.status), exchange.cache)
        tally = self._tallies.get(key)
        return self._begin(key) if tally is None else (exchange.element, tally)

    def _begin(self, key: tuple[str, str, str, str, str]) -> tuple[str, Tally]:
        """(the element as it is called here, where its calls count): whatever a query may ask of it has a series from now on."""
        environment, element = key[0], self._element(key[1])
        if environment and element:
            for metric in (self._breaker, self._waits, self._gates, self._signals, self._retries, self._waiting):
                metric.labels(environment, element)
        return element, self._tallies.setdefault((environment, element, *key[2:]), Tally())

    def _count_upstream(self, exchange: Exchange, element: str, method: str, sampled: bool) -> None:
        exchange.resource = resource = self._resource(element, exchange.resource)
        seconds = exchange.upstream_seconds
        for status, took in exchange.repeated:
            seconds -= took
            self._upstream_tally(exchange, element, method, status).add(took)
        if exchange.upstream_calls > exchange.upstream_failures + len(exchange.repeated):
            tally = self._upstream_tally(exchange, element, method, exchange.upstream_status)
            tally.add(seconds)
            if sampled:
                tally.point(seconds, exchange.traceparent, exchange.time + exchange.total_seconds)
        if exchange.upstream_failures:
            self._unanswered[exchange.environment, element, resource, method] += exchange.upstream_failures
        if exchange.upstream_calls > 1:
            self._retries.labels(exchange.environment, element).inc(exchange.upstream_calls - 1)

    def _upstream_tally(self, exchange: Exchange, element: str, method: str, status: int) -> Tally:
        key = (exchange.environment, element, exchange.resource, method, str(status))
        tally = self._upstream_tallies.get(key)
        if tally is None:
            tally = self._upstream_tallies[key] = Tally()
        return tally

    def settle(self) -> None:
        """Bring everything up to date for a scrape; to be called where calls are counted, in no other thread."""
        self.before_look()
        for key, tally in self._tallies.items():
            calls = tally.pour(self._duration.labels(key[0], key[1], key[4]))
            self._requests.labels(*key).inc(calls)
            if calls and key[4] in ("hit", "stale"):
                self._saved[f"{key[0]}/{key[1]}"] += calls
        for key, tally in self._upstream_tallies.items():
            self._upstream.labels(*key).inc(tally.pour(self._upstream_duration.labels(*key[:3])))
        for where, calls in self._unanswered.items():
            self._upstream.labels(*where, "none").inc(calls)
        self._unanswered.clear()
        for labels, calls in self._limited_calls.items():
            self._limited.labels(*labels).inc(calls)
        for slug, calls in self._problem_calls.items():
            self._problems.labels(slug).inc(calls)
        self._limited_calls.clear()
        self._problem_calls.clear()
        flying = Numbers(exchange.environment for exchange in self.live)
        for environment in {*self._environments, *flying}:
            self._in_flight.labels(environment).set(flying[environment])
        self._settle_budgets()
        for gauge, states in (
            (self._gates, self._gate_states()),
            (self._waiting, self._waiting_calls()),
            (self._breaker, self._breaker_states()),
        ):
            self._show(gauge, states)
        for environment in self._environments:
            self._unauthorized.labels(environment).set(self._alarm(environment))

    def _show(self, gauge: Gauge, states: States) -> None:
        """Every series that there is, 0 where nothing is said."""
        found = Numbers({(environment, self._element(element)): value for (environment, element), value in states.items() if environment})
        for where in {(key[0], key[1]) for key in self._tallies if key[0] and key[1]} | found.keys():
            gauge.labels(*where).set(found[where])

    def _settle_budgets(self) -> None:
        # A budget of which nothing is used any more is not reported: it is whole.
        least = dict.fromkeys(self._least, 1.0)
        for (environment, element), share in self._shares().items():
            where = environment, self._element(element)
            least[where] = min(least.get(where, 1.0), share)
        for where, share in least.items():
            self._remaining.labels(*where).set(share)
        self._least = least

    def _element(self, element: str) -> str:
        if element not in self._shapes:
            if len(self._shapes) >= MAX_ELEMENTS:
                element = "other"
            self._shapes.setdefault(element, set())
        return element

    def _resource(self, element: str, resource: str) -> str:
        shapes = self._shapes[element]
        if resource not in shapes:
            if len(shapes) >= MAX_SHAPES:
                return "other"
            shapes.add(resource)
        return resource

    def watch_cache(self, octets: Callable[[], float], entries: Callable[[], float]) -> None:
        """Where the cache gauges read."""
        self._cache_bytes.set_function(octets)
        self._cache_entries.set_function(entries)

    def watch_budgets(self, shares: Callable[[], Shares], gates: Callable[[], States] = dict, waiting: Callable[[], States] = dict) -> None:
        """Where budgets are read at a scrape: the smallest share left (0 to 1), the state of gates, and how many calls wait, each by
        (environment, element)."""
        self._shares = shares
        self._gate_states = gates
        self._waiting_calls = waiting

    def watch_upstreams(self, breakers: Callable[[], States], alarm: Callable[[str], bool]) -> None:
        """Where the state of breakers is read, by (environment, element), and whether an environment's secrets are refused."""
        self._breaker_states = breakers
        self._alarm = alarm

    def set_instances(self, counts: Instances) -> None:
        """How many mappings there are by (environment, element, state)."""
        self._instances.clear()
        for (environment, element, state), number in counts.items():
            self._instances.labels(environment, self._element(element), state).inc(number)

    def saved(self) -> dict[str, int]:
        """By ``environment/element``, calls since the start that were answered from the cache alone."""
        self.settle()
        return dict(sorted(self._saved.items()))

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
