"""Is anything wrong, with the gateway or behind it?"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from tools.dashboards.building import RATE, SELECTED, board, figure, graph, rate, rows, states
from tools.dashboards.element import BREAKER, GATE

_UP = 'up{job="gateway"}'
_PAIR = "environment, element"
_LEGEND = "{{environment}} / {{element}}"
_NONE_IS_GOOD = [(None, "green"), (1.0, "red")]
_HELD_BACK = "rate-limited|circuit-open|overloaded|paused|instance-needs-authorization"


def health() -> Dashboard:
    now = [
        figure("Up", "Gateway processes that can be scraped", "short", f"sum({_UP})", width=3, steps=[(None, "red"), (1, "green")]),
        figure("Down", "Gateway processes that cannot be scraped", "short", f"count({_UP}) - sum({_UP})", width=3, steps=_NONE_IS_GOOD),
        figure(
            "Problems",
            "Errors a second that the gateway itself made",
            "reqps",
            f"sum(rate(gateway_problems_total[{RATE}])) or vector(0)",
            width=3,
        ),
        figure(
            "Breakers open",
            "Elements to which nothing is sent at present",
            "short",
            f"sum(max by ({_PAIR}) (gateway_breaker_state{{{SELECTED}}}) == bool 2)",
            width=3,
            steps=_NONE_IS_GOOD,
        ),
        figure(
            "Gates closed",
            "Elements with a budget whose provider asked to be left alone",
            "short",
            f"sum(max by ({_PAIR}) (gateway_limit_gate_state{{{SELECTED}}}) == bool 2)",
            width=3,
            steps=_NONE_IS_GOOD,
        ),
        figure(
            "Need authorization",
            "Instances that cannot be used until somebody authorizes them again",
            "short",
            f'sum(max by ({_PAIR}) (gateway_instances{{{SELECTED}, state="needs_authorization"}})) or vector(0)',
            width=3,
            steps=_NONE_IS_GOOD,
        ),
        figure(
            "Unauthorized",
            "Environments whose user or organization secret Cloud Elements refuses",
            "short",
            'sum(max by (environment) (gateway_environment_unauthorized{environment=~"$environment"}))',
            width=3,
            steps=_NONE_IS_GOOD,
        ),
        figure("Alerts", "Alerts that fire or are about to", "short", 'count(ALERTS{alertname=~"Gateway.+"}) or vector(0)', width=3),
    ]
    errors = [
        graph(
            "Problems by type",
            "Errors a second that the gateway itself made; docs/errors.md says what each type means",
            "reqps",
            (f"sum by (type) (rate(gateway_problems_total[{RATE}]))", "{{type}}"),
            stacked=True,
        ),
        graph(
            "Upstream errors",
            "Answers 5xx from Cloud Elements a second, and calls that got none",
            "reqps",
            (rate("gateway_upstream_requests_total", f"{_PAIR}, status", 'status=~"5..|none"'), _LEGEND + " {{status}}"),
            stacked=True,
        ),
    ]
    behind = [
        graph(
            "Held back",
            "Calls a second that the gateway did not send: no budget, breaker open, no place, a pause, a mapping that needs authorization",
            "reqps",
            (f'sum by (type) (rate(gateway_problems_total{{type=~"{_HELD_BACK}"}}[{RATE}]))', "{{type}}"),
            stacked=True,
        ),
        graph(
            "Waiting",
            "Calls that wait for a budget at present",
            "short",
            (f"sum by ({_PAIR}) (gateway_rate_limit_waiting_calls{{{SELECTED}}})", _LEGEND),
            stacked=True,
        ),
        states("Breaker", "Open means that nothing is sent", (f"max by ({_PAIR}) (gateway_breaker_state{{{SELECTED}}})", _LEGEND), BREAKER),
        states(
            "Gates",
            "Closed means that a provider asked to be left alone, and nothing of that budget is sent",
            (f"max by ({_PAIR}) (gateway_limit_gate_state{{{SELECTED}}})", _LEGEND),
            GATE,
        ),
        graph("Retries", "Calls a second that were made once more", "reqps", (rate("gateway_upstream_retries_total", _PAIR), _LEGEND)),
        graph(
            "Instances by state",
            "Mappings from a customer to an instance",
            "short",
            (f"sum by (state) (max by ({_PAIR}, state) (gateway_instances{{{SELECTED}}}))", "{{state}}"),
            stacked=True,
        ),
    ]
    process = [
        graph("Scrapes", "1: the process could be scraped", "short", (_UP, "{{instance}}"), width=8, most=1),
        graph("Scrape duration", "How long a scrape takes", "s", ('scrape_duration_seconds{job="gateway"}', "{{instance}}"), width=8),
        graph("Series", "Samples a scrape; it is bounded", "short", ('scrape_samples_scraped{job="gateway"}', "{{instance}}"), width=8),
        rows(
            "Builds",
            "Which version runs where",
            [("processes", "short", "count by (version, instance) (gateway_build_info)")],
            keys=("version", "instance"),
            width=12,
        ),
        rows(
            "Alerts",
            "Alerts that fire or are about to; docs/alerts.md says what to do",
            [("alerts", "short", 'count by (alertname, alertstate, environment, element) (ALERTS{alertname=~"Gateway.+"})')],
            keys=("alertname", "alertstate", "environment", "element"),
            width=12,
        ),
    ]
    return board(
        "gateway-health",
        "Gateway: health",
        "Problems, breakers, instances, and the gateway processes themselves",
        ("Now", now),
        ("Errors", errors),
        ("Behind the gateway", behind),
        ("Processes", process),
    )
