"""How is it going? By environment and element."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from tools.dashboards.building import SELECTED, board, figure, graph, percentiles, quantile, rate, rows

_REQUESTS = "gateway_requests_total"
_DURATION = "gateway_request_duration_seconds"
_ERRORS = 'status=~"5.."'
_SAVED = 'cache=~"hit|stale"'
_PAIR = "environment, element"
_LEGEND = "{{environment}} / {{element}}"
_UNKNOWN = "A lone stroke is what was refused before it was known for whom."
_LEAST = f"min by ({_PAIR}) (gateway_budget_remaining_ratio{{{SELECTED}}})"


def _share(of: str, by: str = "") -> str:
    # Where nothing of the kind has ever happened there is no series: that is none of it, not no data.
    whole = rate(_REQUESTS, by)
    return f"({rate(_REQUESTS, by, of)} or 0 * {whole}) / {whole}"


def overview() -> Dashboard:
    now = [
        figure("Calls", "Calls answered a second", "reqps", rate(_REQUESTS)),
        figure(
            "Errors",
            "Share of calls answered 5xx, by us or by Cloud Elements",
            "percentunit",
            _share(_ERRORS),
            steps=[(None, "green"), (0.01, "orange"), (0.05, "red")],
        ),
        figure("p95", "Nineteen of twenty calls take less, from the request's head to the last octet", "s", quantile(0.95, _DURATION)),
        figure("In flight", "Calls being served", "short", 'sum(gateway_in_flight_requests{environment=~"$environment"})'),
        figure("From the cache", "Share of calls that did not have to leave", "percentunit", _share(_SAVED)),
        figure(
            "Least budget left",
            "The element that is nearest to its limit",
            "percentunit",
            f"min(gateway_budget_remaining_ratio{{{SELECTED}}})",
            steps=[(None, "red"), (0.1, "orange"), (0.3, "green")],
        ),
    ]
    traffic = [
        graph(
            "Calls by environment", "Calls answered a second", "reqps", (rate(_REQUESTS, "environment"), "{{environment}}"), stacked=True
        ),
        graph(
            "Calls by element",
            f"The ten with the most calls. {_UNKNOWN}",
            "reqps",
            (f"topk(10, {rate(_REQUESTS, _PAIR)})", _LEGEND),
            stacked=True,
        ),
        graph("Answers by status", "What callers got, a second", "reqps", (rate(_REQUESTS, "status"), "{{status}}"), stacked=True),
        graph(
            "Errors by element",
            f"Share of calls answered 5xx, by us or by Cloud Elements. {_UNKNOWN}",
            "percentunit",
            (_share(_ERRORS, _PAIR), _LEGEND),
        ),
    ]
    latency = [
        graph("Latency", "From the request's head to the last octet of the answer", "s", *percentiles(_DURATION), traced=True),
        graph("p95 by element", f"Nineteen of twenty calls take less. {_UNKNOWN}", "s", (quantile(0.95, _DURATION, _PAIR), _LEGEND)),
        graph(
            "In flight",
            "Calls being served",
            "short",
            ('sum by (environment) (gateway_in_flight_requests{environment=~"$environment"})', "{{environment}}"),
        ),
        graph("Budget left", "Of the budget nearest to its end among all of an element", "percentunit", (_LEAST, _LEGEND), most=1),
    ]
    each = rows(
        "Elements",
        f"One line an element and environment, the busiest first. {_UNKNOWN}",
        [
            ("calls/s", "reqps", rate(_REQUESTS, _PAIR)),
            ("errors", "percentunit", _share(_ERRORS, _PAIR)),
            ("from the cache", "percentunit", _share(_SAVED, _PAIR)),
            ("p95", "s", quantile(0.95, _DURATION, _PAIR)),
            ("budget left", "percentunit", _LEAST),
        ],
        keys=("environment", "element"),
    )
    return board(
        "gateway-overview",
        "Gateway: overview",
        "Calls, errors, latency and budgets by environment and element",
        ("Now", now),
        ("Traffic and errors", traffic),
        ("Latency and load", latency),
        ("Each element", [each]),
    )
