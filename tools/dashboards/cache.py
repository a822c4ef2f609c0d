"""What the cache is good for."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from tools.dashboards.building import SELECTED, board, figure, graph, quantile, rate

_REQUESTS = "gateway_requests_total"
_SAVED = 'cache=~"hit|stale"'
_ASKED = 'cache!="bypass"'
_PAIR = "environment, element"
_LEGEND = "{{environment}} / {{element}}"


def _hit_ratio(by: str = "") -> str:
    asked = rate(_REQUESTS, by, _ASKED)
    return f"({rate(_REQUESTS, by, _SAVED)} or 0 * {asked}) / {asked}"


def cache() -> Dashboard:
    now = [
        figure(
            "Hit ratio", "Of the calls that may be answered from the cache, those that were (hit or stale)", "percentunit", _hit_ratio()
        ),
        figure("Calls saved", "Calls a second that did not have to leave", "reqps", rate(_REQUESTS, more=_SAVED)),
        figure(
            "Saved in all",
            "Calls that did not have to leave, in the time range above",
            "short",
            f"sum(increase({_REQUESTS}{{{SELECTED}, {_SAVED}}}[$__range]))",
        ),
        figure(
            "Revalidated",
            "Calls a second that left but came back with 304: they cost budget, and save the body",
            "reqps",
            rate(_REQUESTS, more='cache="revalidated"'),
        ),
        figure("Size", "Octets that the cache holds, of all elements together", "bytes", "sum(gateway_cache_bytes)"),
        figure("Entries", "Answers that the cache holds, of all elements together", "short", "sum(gateway_cache_entries)"),
    ]
    use = [
        graph("Results", "Calls answered a second, by what the cache had", "reqps", (rate(_REQUESTS, "cache"), "{{cache}}"), stacked=True),
        graph(
            "Hit ratio",
            "Of the calls that may be answered from the cache, those that were; bypass is not counted",
            "percentunit",
            (_hit_ratio(_PAIR), _LEGEND),
            most=1,
        ),
        graph(
            "Calls saved",
            "Calls a second that did not have to leave, by element",
            "reqps",
            (rate(_REQUESTS, _PAIR, _SAVED), _LEGEND),
            stacked=True,
        ),
        graph(
            "p95 by result",
            "What a hit is faster than a miss",
            "s",
            (quantile(0.95, "gateway_request_duration_seconds", "cache"), "{{cache}}"),
            traced=True,
        ),
    ]
    size = [
        graph(
            "Size", "Octets that the cache holds, by gateway process", "bytes", ("sum by (instance) (gateway_cache_bytes)", "{{instance}}")
        ),
        graph(
            "Entries",
            "Answers that the cache holds, by gateway process",
            "short",
            ("sum by (instance) (gateway_cache_entries)", "{{instance}}"),
        ),
    ]
    return board(
        "gateway-cache",
        "Gateway: cache",
        "Hit ratio, calls saved, and how much is kept",
        ("Now", now),
        ("Use", use),
        ("Memory", size),
    )
