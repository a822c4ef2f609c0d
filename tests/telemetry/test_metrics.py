"""The metrics of contract 6: names, labels, bounds, both formats."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.samples import Exemplar

from gateway import __version__
from gateway.exchange import Exchange
from gateway.telemetry.metrics import MAX_ELEMENTS, MAX_SHAPES, Metrics

CONTRACT = {
    "gateway_requests": {"environment", "element", "method", "status", "cache"},
    "gateway_request_duration_seconds": {"environment", "element", "cache"},
    "gateway_upstream_requests": {"environment", "element", "resource", "method", "status"},
    "gateway_upstream_duration_seconds": {"environment", "element", "resource"},
    "gateway_rate_limited": {"environment", "element", "action"},
    "gateway_rate_limit_wait_seconds": {"environment", "element"},
    "gateway_rate_limit_waiting_calls": {"environment", "element"},
    "gateway_limit_gate_state": {"environment", "element"},
    "gateway_limit_signals": {"environment", "element"},
    "gateway_upstream_retries": {"environment", "element"},
    "gateway_environment_unauthorized": {"environment"},
    "gateway_budget_remaining_ratio": {"environment", "element"},
    "gateway_problems": {"type"},
    "gateway_cache_bytes": set(),
    "gateway_cache_entries": set(),
    "gateway_in_flight_requests": {"environment"},
    "gateway_breaker_state": {"environment", "element"},
    "gateway_instances": {"environment", "element", "state"},
    "gateway_build": {"version"},
}


def exchange(**more: Any) -> Exchange:
    values: dict[str, Any] = {
        "environment": "dev",
        "element": "hubspot",
        "status": 200,
        "cache": "miss",
        "resource": "/contacts/{id}",
    } | more
    made = Exchange("id", values.pop("method", "GET"), "/contacts/7", 0.0)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = metrics.expose("text/plain")[0].decode()
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in read_text(text) for sample in family.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, frozenset(labels.items())))


@pytest.fixture
def full() -> Metrics:
    """Metrics of which each has been touched."""
    metrics = Metrics(["dev"])
    metrics.count(exchange(upstream_calls=1, upstream_status=200, limited="rejected", problem="rate-limited", total_seconds=0.02))
    metrics.set_instances({("dev", "hubspot", "active"): 2})
    metrics.watch_cache(lambda: 10, lambda: 1)
    metrics.watch_budgets(lambda: {("dev", "hubspot"): 0.5})
    return metrics


@pytest.mark.parametrize("name", CONTRACT)
def test_names_and_labels_are_the_contracts(full: Metrics, name: str) -> None:
    text = full.expose("application/openmetrics-text")[0].decode()
    families = {family.name: family for family in read_openmetrics(text)}
    labels = {label for sample in families[name].samples for label in sample.labels} - {"le"}

    assert labels == CONTRACT[name]


def test_each_family_is_the_contracts(full: Metrics) -> None:
    families = {family.name for family in read_text(full.expose("")[0].decode())}

    assert families == CONTRACT.keys() - {"gateway_build"} | {"gateway_build_info"}


def test_the_format_is_what_is_asked_for(full: Metrics) -> None:
    text, kind = full.expose("text/plain")
    openmetrics, other = full.expose("application/openmetrics-text; version=1.0.0")

    assert kind.startswith("text/plain")
    assert other.startswith("application/openmetrics-text")
    assert not text.endswith(b"# EOF\n")
    assert openmetrics.endswith(b"# EOF\n")


def test_a_call_is_counted() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.count(exchange(upstream_calls=1, upstream_status=200, total_seconds=0.004, upstream_seconds=0.002))
    labels = {"environment": "dev", "element": "hubspot"}

    assert value(metrics, "gateway_requests_total", **labels, method="GET", status="200", cache="miss") == 3
    assert value(metrics, "gateway_request_duration_seconds_bucket", **labels, cache="miss", le="0.005") == 3
    assert value(metrics, "gateway_request_duration_seconds_bucket", **labels, cache="miss", le="0.0025") == 0
    assert value(metrics, "gateway_upstream_requests_total", **labels, resource="/contacts/{id}", method="GET", status="200") == 3
    assert value(metrics, "gateway_upstream_duration_seconds_sum", **labels, resource="/contacts/{id}") == pytest.approx(0.006)
    assert value(metrics, "gateway_breaker_state", **labels) == 0


def test_a_hit_forwards_nothing() -> None:
    metrics = Metrics()
    metrics.count(exchange(cache="hit"))

    assert "gateway_upstream_requests_total{" not in metrics.expose("")[0].decode()


def test_an_answer_that_was_followed_by_another_attempt_is_counted_with_what_it_took() -> None:
    metrics = Metrics()
    metrics.count(exchange(upstream_calls=2, upstream_status=200, upstream_seconds=0.5, repeated=[(503, 0.2)], limit_signals=1))
    labels = {"environment": "dev", "element": "hubspot"}
    where = labels | {"resource": "/contacts/{id}"}

    assert value(metrics, "gateway_upstream_requests_total", **where, method="GET", status="503") == 1
    assert value(metrics, "gateway_upstream_requests_total", **where, method="GET", status="200") == 1
    assert value(metrics, "gateway_upstream_duration_seconds_bucket", **where, le="0.25") == 1
    assert value(metrics, "gateway_upstream_duration_seconds_sum", **where) == pytest.approx(0.5)
    assert value(metrics, "gateway_upstream_retries_total", **labels) == 1
    assert value(metrics, "gateway_limit_signals_total", **labels) == 1


def test_what_refuses_calls_is_read_at_a_scrape_and_nothing_when_nothing_is_said_of_it_any_more() -> None:
    metrics, labels = Metrics(["dev", "prod"]), {"environment": "dev", "element": "hubspot"}
    gates, waiting, breakers, alarms = {("dev", "hubspot"): 2}, {("dev", "hubspot"): 7, ("", ""): 3}, {("dev", "hubspot"): 1}, {"prod"}
    metrics.watch_budgets(dict, lambda: gates, lambda: waiting)
    metrics.watch_upstreams(lambda: breakers, lambda environment: environment in alarms)
    metrics.count(exchange())

    def read() -> list[float | None]:
        names = "gateway_limit_gate_state", "gateway_rate_limit_waiting_calls", "gateway_breaker_state"
        return [value(metrics, name, **labels) for name in names]

    assert read() == [2, 7, 1]
    assert [value(metrics, "gateway_environment_unauthorized", environment=name) for name in ("dev", "prod")] == [0, 1]
    for states in (gates, waiting, breakers):
        states.clear()
    alarms.clear()
    assert read() == [0, 0, 0]
    assert value(metrics, "gateway_environment_unauthorized", environment="prod") == 0


def test_attempts_without_an_answer_are_counted_apart() -> None:
    metrics = Metrics()
    metrics.count(exchange(upstream_calls=2, upstream_failures=1, upstream_status=200))
    labels = {"environment": "dev", "element": "hubspot", "resource": "/contacts/{id}", "method": "GET"}

    assert value(metrics, "gateway_upstream_requests_total", **labels, status="200") == 1
    assert value(metrics, "gateway_upstream_requests_total", **labels, status="none") == 1
    assert value(metrics, "gateway_upstream_duration_seconds_count", environment="dev", element="hubspot", resource="/contacts/{id}") == 1


def test_problems_and_limits_are_counted() -> None:
    metrics = Metrics()
    metrics.count(exchange(status=429, problem="rate-limited", limited="rejected"))

    assert value(metrics, "gateway_problems_total", type="rate-limited") == 1
    assert value(metrics, "gateway_rate_limited_total", environment="dev", element="hubspot", action="rejected") == 1


def test_shapes_are_bounded_for_each_element() -> None:
    metrics = Metrics()
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = ["/" + first + second for first in letters for second in letters][: MAX_SHAPES + 50]
    for name in [*names, *names]:
        metrics.count(exchange(upstream_calls=1, upstream_status=200, resource=name))
    metrics.count(exchange(upstream_calls=1, upstream_status=200, resource="/zz", element="sfdc"))
    found = [dict(labels) for (name, labels) in samples(metrics) if name == "gateway_upstream_requests_total"]

    assert len({labels["resource"] for labels in found if labels["element"] == "hubspot"}) == MAX_SHAPES + 1
    assert {labels["resource"] for labels in found if labels["element"] == "sfdc"} == {"/zz"}
    labels = {"environment": "dev", "element": "hubspot", "method": "GET", "status": "200"}
    assert value(metrics, "gateway_upstream_requests_total", **labels, resource="other") == 100


def test_methods_are_bounded() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.count(exchange(method=f"M{number}"))

    assert value(metrics, "gateway_requests_total", environment="dev", element="hubspot", method="other", status="200", cache="miss") == 100


def test_calls_in_flight_are_those_that_have_not_ended() -> None:
    metrics = Metrics(["dev", "prod"])
    one, other = exchange(), exchange()
    metrics.live |= {one, other}
    assert value(metrics, "gateway_in_flight_requests", environment="dev") == 2
    metrics.live.clear()

    assert value(metrics, "gateway_in_flight_requests", environment="dev") == 0
    assert value(metrics, "gateway_in_flight_requests", environment="prod") == 0


def test_mappings_that_are_gone_are_not_shown() -> None:
    metrics = Metrics()
    metrics.set_instances({("dev", "hubspot", "active"): 2})
    metrics.set_instances({("dev", "sfdc", "active"): 1})

    assert value(metrics, "gateway_instances", environment="dev", element="hubspot", state="active") is None
    assert value(metrics, "gateway_instances", environment="dev", element="sfdc", state="active") == 1


def test_the_cache_is_read_when_asked() -> None:
    metrics, size = Metrics(), [1]
    metrics.watch_cache(lambda: size[0] * 10, lambda: size[0])
    size[0] = 2

    assert (value(metrics, "gateway_cache_bytes"), value(metrics, "gateway_cache_entries")) == (20, 2)


def test_which_program_this_is() -> None:
    assert value(Metrics(), "gateway_build_info", version=__version__) == 1


def test_an_element_that_is_called_has_a_series_for_its_breaker_and_its_waits() -> None:
    metrics = Metrics()
    metrics.count(exchange(status=429, problem="rate-limited"))
    metrics.count(exchange(environment="", element="", status=401))
    found = samples(metrics)

    assert value(metrics, "gateway_breaker_state", environment="dev", element="hubspot") == 0
    assert value(metrics, "gateway_rate_limit_wait_seconds_count", environment="dev", element="hubspot") == 0
    assert [labels for name, labels in found if name == "gateway_breaker_state"] == [
        frozenset({("environment", "dev"), ("element", "hubspot")})
    ]


def test_waits_are_counted_where_a_call_waited() -> None:
    metrics = Metrics()
    for seconds in (0.0, 0.3, 2.0):
        metrics.count(exchange(queue_seconds=seconds))

    assert value(metrics, "gateway_rate_limit_wait_seconds_count", environment="dev", element="hubspot") == 2
    assert value(metrics, "gateway_rate_limit_wait_seconds_sum", environment="dev", element="hubspot") == pytest.approx(2.3)


def test_the_budget_is_read_at_a_scrape_and_whole_when_nothing_is_used_any_more() -> None:
    metrics, shares = Metrics(), {("dev", "hubspot"): 0.25}
    metrics.watch_budgets(lambda: shares)
    assert value(metrics, "gateway_budget_remaining_ratio", environment="dev", element="hubspot") == 0.25
    shares[("dev", "hubspot")] = 0.0
    assert value(metrics, "gateway_budget_remaining_ratio", environment="dev", element="hubspot") == 0
    shares.clear()

    assert value(metrics, "gateway_budget_remaining_ratio", environment="dev", element="hubspot") == 1


def test_elements_are_bounded() -> None:
    metrics, many = Metrics(), range(MAX_ELEMENTS + 20)
    metrics.watch_budgets(lambda: {("dev", f"e{number}"): number / 1000 for number in many})
    for _ in range(2):
        for number in many:
            called = exchange(element=f"e{number}", upstream_calls=1, upstream_status=200, queue_seconds=0.1, limited="queued")
            metrics.count(called)
    metrics.set_instances({("dev", f"e{number}", "active"): 3 for number in many})
    metrics.settle()
    every = [sample for family in metrics.registry.collect() for sample in family.samples]  # to parse so many takes seconds
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in every}

    def other(name: str, **labels: str) -> float:
        return found[name, frozenset({"environment": "dev", "element": "other", **labels}.items())]

    assert len({sample.labels["element"] for sample in every if "element" in sample.labels}) == MAX_ELEMENTS + 1
    assert other("gateway_requests_total", method="GET", status="200", cache="miss") == 40
    assert other("gateway_upstream_duration_seconds_count", resource="/contacts/{id}") == 40
    assert other("gateway_instances", state="active") == 60
    assert other("gateway_budget_remaining_ratio") == MAX_ELEMENTS / 1000


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def traced(flags: str = "01", trace: str = TRACE, **more: Any) -> Exchange:
    made = exchange(**more)
    made.traceparent, made.time = f"00-{trace}-00f067aa0ba902b7-{flags}", 1_700_000_000.0
    return made


def exemplars(metrics: Metrics, name: str) -> dict[str, Exemplar]:
    """By upper bound of the bucket."""
    families = read_openmetrics(metrics.expose("application/openmetrics-text")[0].decode())
    found = [sample for family in families for sample in family.samples if sample.name == f"{name}_bucket"]
    return {sample.labels["le"]: sample.exemplar for sample in found if sample.exemplar}


def test_durations_point_to_a_trace_that_somebody_keeps() -> None:
    metrics = Metrics()
    metrics.count(traced(total_seconds=0.02, upstream_seconds=0.007, upstream_calls=1, upstream_status=200))
    pointed = exemplars(metrics, "gateway_request_duration_seconds")

    assert pointed == {"0.025": Exemplar({"trace_id": TRACE}, 0.02, pointed["0.025"].timestamp)}
    assert float(pointed["0.025"].timestamp or 0) == pytest.approx(1_700_000_000.02, rel=0, abs=0.001)
    assert exemplars(metrics, "gateway_upstream_duration_seconds")["0.01"].labels == {"trace_id": TRACE}
    assert TRACE not in metrics.expose("text/plain")[0].decode()


@pytest.mark.parametrize(("flags", "kept"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_only_the_sampled_flag_counts(flags: str, kept: bool) -> None:
    metrics = Metrics()
    metrics.count(traced(flags))
    metrics.count(exchange())

    assert bool(exemplars(metrics, "gateway_request_duration_seconds")) is kept


def test_of_each_bucket_the_last_call_is_pointed_to() -> None:
    metrics = Metrics()
    first, second, third = (traced(trace=digit * 32, total_seconds=seconds) for digit, seconds in (("1", 0.02), ("2", 0.021), ("3", 4.0)))
    other = traced(trace="4" * 32, total_seconds=0.02, status=404)
    other.time -= 60
    for one in (first, second, third, other):
        metrics.count(one)
    pointed = exemplars(metrics, "gateway_request_duration_seconds")
    metrics.count(exchange(total_seconds=0.02))

    assert {bound: found.labels["trace_id"] for bound, found in pointed.items()} == {"0.025": "2" * 32, "5.0": "3" * 32}
    assert exemplars(metrics, "gateway_request_duration_seconds").keys() == pointed.keys()
