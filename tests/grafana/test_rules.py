"""The rules are what promtool takes, every alert is seen to fire and not to fire, and each has its section in the runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import ROOT, anchors, prose
from tests.grafana.asked import PROMETHEUS, RULES, RUNBOOK, read_yaml, rules
from tests.grafana.prometheus import needs_prometheus, promtool

CASES = sorted((PROMETHEUS / "tests").glob("*.yml"))
ALERTS = {rule["alert"]: rule for rule in rules("alert")}
RUNBOOK_SECTIONS = re.findall(r"^## (\S+)$", prose(RUNBOOK), re.MULTILINE)
WANTED = {
    "GatewayErrorRatioFast",
    "GatewayErrorRatioSlow",
    "GatewayBudgetNearlySpent",
    "GatewayGateClosed",
    "GatewayBreakerOpen",
    "GatewayEnvironmentUnauthorized",
    "GatewayInstanceNeedsAuthorization",
    "GatewayRetriesHigh",
    "GatewayDown",
    "GatewayNotScraped",
}


def expectations() -> list[dict[str, Any]]:
    """Every ``alert_rule_test`` of the unit tests."""
    return [case for path in CASES for test in read_yaml(path)["tests"] for case in test["alert_rule_test"]]


@needs_prometheus
def test_promtool_takes_the_configuration() -> None:
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rule files found" in done.stdout


@needs_prometheus
def test_promtool_takes_the_rules() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_unit_tests_of_the_rules_pass(path: Path) -> None:
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
def test_a_wrong_rule_is_found(tmp_path: Path) -> None:
    """The unit tests notice what they are there for: a threshold that is another one."""
    for folder in ("rules", "tests"):
        (tmp_path / folder).mkdir()
        for path in (PROMETHEUS / folder).glob("*.yml"):
            (tmp_path / folder / path.name).write_text(path.read_text("utf-8").replace("< 0.1\n", "< 0.01\n"), "utf-8")
    done = promtool("test", "rules", str(tmp_path / "tests" / "elements.yml"))
    assert done.returncode == 1
    assert "GatewayBudgetNearlySpent" in done.stderr


def test_there_is_an_alert_for_each_thing_that_can_go_wrong() -> None:
    assert ALERTS.keys() == WANTED


@pytest.mark.parametrize("name", sorted(WANTED))
def test_each_alert_is_seen_to_fire_and_not_to(name: str) -> None:
    fires = {bool(case.get("exp_alerts")) for case in expectations() if case["alertname"] == name}
    assert fires == {True, False}


@pytest.mark.parametrize("name", sorted(WANTED))
def test_each_alert_says_what_is_wrong_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    page, _, fragment = rule["annotations"]["runbook_url"].partition("#")
    assert ROOT / page == RUNBOOK
    assert fragment == name.lower()
    assert fragment in anchors(RUNBOOK)
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert "for" in rule


def test_the_runbook_has_these_sections_and_no_others() -> None:
    assert sorted(RUNBOOK_SECTIONS) == sorted(WANTED)


@pytest.mark.parametrize("name", RUNBOOK_SECTIONS)
def test_each_section_says_what_it_means_how_to_look_and_what_to_do(name: str) -> None:
    section = prose(RUNBOOK).split(f"## {name}\n")[1].partition("\n## ")[0]
    assert re.findall(r"\*\*(.+?)\.\*\*", section) == ["What it means", "How to look", "What to do"]
