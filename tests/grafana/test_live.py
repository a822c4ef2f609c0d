"""Whatever a dashboard, a rule or the runbook asks finds something in a real Prometheus that scrapes a real gateway at work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isnan

import pytest

from tests.acceptance.world import World
from tests.grafana.asked import Asked, of_panels, of_runbook, of_variables, rules, selectors
from tests.grafana.prometheus import Prometheus, needs_prometheus, promtool, running_prometheus
from tests.grafana.scene import TRACE, gateway_at_work

pytestmark = needs_prometheus

WITHIN_S = 25.0
# hubspot's budget is large enough, so that none of its calls is refused by us or waits.
NOT_OF_HUBSPOT = ("gateway_rate_limited_total", "gateway_rate_limit_wait_seconds_bucket")


@dataclass(frozen=True)
class Watched:
    """A gateway at work and the Prometheus that watches it."""

    gateway: World
    prometheus: Prometheus


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("gateway")
    with (
        gateway_at_work(folder) as gateway,
        running_prometheus(tmp_path_factory.mktemp("prometheus"), gateway.served.listeners["admin"]) as one,
    ):
        yield Watched(gateway, one)


def eventually_none(missing: Callable[[], list[str]]) -> None:
    """Ask until nothing is missing any more: a rate needs two scrapes, a new series one."""
    deadline = time.monotonic() + WITHIN_S
    while found := missing():
        assert time.monotonic() < deadline, "\n".join(["no data for:", *found])
        time.sleep(0.2)


def without_data(prometheus: Prometheus, asked: list[Asked]) -> list[str]:
    """Those that find nothing, as they are or in one of their parts."""

    def is_empty(expression: str) -> bool:
        return all(isnan(float(sample["value"][1])) for sample in prometheus.query(expression))

    parts = {part: is_empty(part) for one in asked for part in selectors(one.expression)}
    missing = [one for one in asked if is_empty(one.expression) or any(parts[part] for part in selectors(one.expression))]
    return [f"{one.where}: {one.expression}" for one in missing]


@pytest.mark.parametrize(("environment", "element"), [(".*", ".*"), ("(dev|raw)", "hubspot")])
def test_every_panel_has_data(watched: Watched, environment: str, element: str) -> None:
    asked = list(of_panels(environment, element))
    if element != ".*":
        asked = [one for one in asked if not any(metric in one.expression for metric in NOT_OF_HUBSPOT)]
    assert len(asked) > 60
    eventually_none(lambda: without_data(watched.prometheus, asked))


def test_every_variable_has_values(watched: Watched) -> None:
    def missing() -> list[str]:
        empty = []
        for where, selector, label in of_variables():
            values = watched.prometheus.get(f"label/{label}/values", **{"match[]": selector})
            expected = {"environment": {"dev", "raw", "dead"}, "element": {"hubspot", "scarce"}}[label]
            empty += [where] if not expected <= set(values) else []
        return empty

    eventually_none(missing)


def test_every_recorded_series_is_there(watched: Watched) -> None:
    asked = [Asked(rule["record"], text) for rule in rules("record") for text in (rule["record"], rule["expr"])]
    eventually_none(lambda: without_data(watched.prometheus, asked))


def test_every_query_of_the_runbook_has_data(watched: Watched) -> None:
    asked = of_runbook()
    assert len(asked) > 12
    eventually_none(lambda: without_data(watched.prometheus, asked))


def test_every_alert_asks_for_what_there_is(watched: Watched) -> None:
    """Most alerts have nothing to say of a healthy gateway, but what they look at must be there."""
    asked = [Asked(rule["alert"], part) for rule in rules("alert") for part in selectors(rule["expr"])]
    assert {one.where for one in asked} == {rule["alert"] for rule in rules("alert")}
    eventually_none(lambda: without_data(watched.prometheus, asked))


def test_prometheus_evaluates_every_rule(watched: Watched) -> None:
    def missing() -> list[str]:
        found = [rule for group in watched.prometheus.get("rules")["groups"] for rule in group["rules"]]
        assert len(found) == len(rules("alert")) + len(rules("record"))
        return [f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}" for rule in found if rule["health"] != "ok"]

    eventually_none(missing)


def test_an_alert_is_raised_where_there_is_a_reason(watched: Watched) -> None:
    """A vendor refuses calls in ``raw``: that alert, and not those for which there is none, waits for its time to come."""
    eventually_none(lambda: [] if "GatewayGateClosed" in raised(watched.prometheus) else ["GatewayGateClosed"])
    assert not raised(watched.prometheus) & {"GatewayBreakerOpen", "GatewayInstanceNeedsAuthorization", "GatewayDown", "GatewayNotScraped"}


def raised(prometheus: Prometheus) -> set[str]:
    return {alert["labels"]["alertname"] for alert in prometheus.get("alerts")["alerts"]}


def test_what_is_left_of_a_budget(watched: Watched) -> None:
    """``scarce`` has five calls a minute, of which none is left; of hubspot's hundred thousand nearly all are."""

    def left() -> dict[tuple[str, str], float]:
        found = watched.prometheus.query("gateway_budget_remaining_ratio")
        return {(one["metric"]["environment"], one["metric"]["element"]): float(one["value"][1]) for one in found}

    eventually_none(lambda: [] if left().get(("raw", "scarce")) == 0 else ["scarce"])
    assert 0.9 < left()["dev", "hubspot"] < 1


@pytest.mark.parametrize("metric", ["gateway_request_duration_seconds_bucket", "gateway_upstream_duration_seconds_bucket"])
def test_durations_lead_to_traces(watched: Watched, metric: str) -> None:
    def traces() -> set[str]:
        found = watched.prometheus.get("query_exemplars", query=metric, start=str(time.time() - 60), end=str(time.time() + 60))
        return {exemplar["labels"]["trace_id"] for series in found for exemplar in series["exemplars"]}

    eventually_none(lambda: [] if traces() else [metric])
    assert traces() == {TRACE}


def test_promtool_has_nothing_to_say_against_the_metrics(watched: Watched) -> None:
    checked = promtool("check", "metrics", given=watched.gateway.operations("/metrics").body.decode())
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
