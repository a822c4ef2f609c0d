"""One element in depth: its budget, where its time goes, what its calls are."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from tools.dashboards.building import SELECTED, board, figure, graph, percentiles, quantile, rate, states

_REQUESTS = "gateway_requests_total"
_DURATION = "gateway_request_duration_seconds"
_UPSTREAM = "gateway_upstream_requests_total"
_UPSTREAM_DURATION = "gateway_upstream_duration_seconds"
_WAIT = "gateway_rate_limit_wait_seconds"
BREAKER = (("closed", "green"), ("half-open", "orange"), ("open", "red"))
GATE = (("open", "green"), ("reopening", "orange"), ("closed", "red"))


def _each_call(seconds: str) -> str:
    return f"({seconds}) / {rate(f'{_DURATION}_count')}"


def _split() -> list[tuple[str, str]]:
    """Where the time of an average call goes: the three add up to all of it."""
    queue, upstream, whole = (rate(f"{name}_sum") for name in (_WAIT, _UPSTREAM_DURATION, _DURATION))
    # An element of which nothing has left yet has no upstream series.
    upstream = f"({upstream} or 0 * {whole})"
    parts = {"queue": queue, "upstream": upstream, "own": f"{whole} - {upstream} - {queue}"}
    return [(_each_call(seconds), name) for name, seconds in parts.items()]


def element() -> Dashboard:
    now = [
        figure(
            "Budget left",
            "Of the budget nearest to its end: one of a customer, or that of all, as the element's scope says",
            "percentunit",
            f"min(gateway_budget_remaining_ratio{{{SELECTED}}})",
            steps=[(None, "red"), (0.1, "orange"), (0.3, "green")],
        ),
        figure("Calls", "Calls answered a second", "reqps", rate(_REQUESTS)),
        figure("Calls that left", "Calls forwarded to Cloud Elements a second: what the budget is spent on", "reqps", rate(_UPSTREAM)),
        figure("Refused", "Calls a second that the budget had no room for", "reqps", f"{rate('gateway_rate_limited_total')} or vector(0)"),
        figure("p95", "Nineteen of twenty calls take less", "s", quantile(0.95, _DURATION)),
        figure("Upstream p95", "Until the head of Cloud Elements' answer", "s", quantile(0.95, _UPSTREAM_DURATION)),
    ]
    budget = [
        graph(
            "Budget left",
            "Of the budget nearest to its end, by environment",
            "percentunit",
            (f"min by (environment) (gateway_budget_remaining_ratio{{{SELECTED}}})", "{{environment}}"),
            most=1,
        ),
        graph(
            "Refused and queued",
            "Calls a second that the budget touched, and what became of them",
            "reqps",
            (rate("gateway_rate_limited_total", "action"), "{{action}}"),
        ),
        graph(
            "Waits",
            "How long calls that waited for the budget did so",
            "s",
            *percentiles(_WAIT),
        ),
        graph(
            "Waiting",
            "Calls that wait for the budget at present",
            "short",
            (f"sum by (environment) (gateway_rate_limit_waiting_calls{{{SELECTED}}})", "{{environment}}"),
            stacked=True,
        ),
        states(
            "Gate",
            "Whether the provider asked to be left alone: closed means that nothing of the budget is sent, reopening that little is",
            (f"max by (environment) (gateway_limit_gate_state{{{SELECTED}}})", "{{environment}}"),
            GATE,
        ),
        graph(
            "Refused by the vendor",
            "Calls a second that came back because the provider's own limit was spent: it is smaller than the configured one, or others "
            "spend it too",
            "reqps",
            (rate("gateway_limit_signals_total", "environment"), "{{environment}}"),
        ),
    ]
    time = [
        graph(
            "Where the time goes",
            "An average call: waiting for the budget, waiting for Cloud Elements, and all else, which is our own work, writing the answer "
            "to the caller, and attempts that got no answer",
            "s",
            *_split(),
            stacked=True,
        ),
        graph("Latency", "From the request's head to the last octet of the answer", "s", *percentiles(_DURATION), traced=True),
        graph("Upstream latency", "From sending a call until the head of its answer", "s", *percentiles(_UPSTREAM_DURATION), traced=True),
        graph(
            "Slowest resources",
            "The ten with the largest p95 upstream",
            "s",
            (f"topk(10, {quantile(0.95, _UPSTREAM_DURATION, 'resource')})", "{{resource}}"),
        ),
    ]
    calls = [
        graph(
            "Upstream answers",
            "Calls that left a second, by status; none: no answer came",
            "reqps",
            (rate(_UPSTREAM, "status"), "{{status}}"),
            stacked=True,
        ),
        graph(
            "Top resources",
            "The ten that spend the most of the budget",
            "reqps",
            (f"topk(10, {rate(_UPSTREAM, 'method, resource')})", "{{method}} {{resource}}"),
            stacked=True,
        ),
        graph("Answers to callers", "Calls answered a second, by status", "reqps", (rate(_REQUESTS, "status"), "{{status}}"), stacked=True),
        states(
            "Breaker",
            "Whether calls may leave: open means that none does",
            (f"max by (environment) (gateway_breaker_state{{{SELECTED}}})", "{{environment}}"),
            BREAKER,
        ),
        graph(
            "Retries",
            "Calls a second that were made once more: after a failure, a lost connection, a spent limit or a refused secret",
            "reqps",
            (rate("gateway_upstream_retries_total", "environment"), "{{environment}}"),
            width=24,
        ),
    ]
    return board(
        "gateway-element",
        "Gateway: one element",
        "One element in depth: budget, latency, what its calls are",
        ("Now", now),
        ("Budget", budget),
        ("Time", time),
        ("Calls", calls),
        one_element=True,
    )
