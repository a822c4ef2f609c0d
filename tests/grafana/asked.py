"""Everything that is ever asked of Prometheus: by dashboards, rules and the runbook, ready to be sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are a package more

from tests.docs.blocks import ROOT, spans

GRAFANA = ROOT / "grafana"
PROMETHEUS = GRAFANA / "prometheus"
RUNBOOK = ROOT / "docs" / "alerts.md"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
_VARIABLES = {"$__rate_interval": "6s", "$__range": "30s"}
_SELECTOR = re.compile(r"\b(?:gateway_[\w:]+|environment_element:[\w:]+|scrape_\w+|ALERTS|up)\b(?:\{[^}]*\})?")


@dataclass(frozen=True)
class Asked:
    """One expression and where it stands."""

    where: str
    expression: str


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def dashboard(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8")))


def panels(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels that show something: all but the rows."""
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def of_panels(environment: str, element: str) -> Iterator[Asked]:
    """Every panel's queries, with these chosen (regular expressions) in the dashboard's variables."""
    for path in DASHBOARDS:
        for panel in panels(dashboard(path)):
            for target in panel["targets"]:
                chosen = _VARIABLES | {"$environment": environment, "$element": element}
                yield Asked(f"{path.stem}: {panel['title']} {target['refId']}", _substituted(target["expr"], chosen))


def of_variables() -> Iterator[tuple[str, str, str]]:
    """(where, series selector, label) of every variable that looks up values, with everything chosen in those before it."""
    for path in DASHBOARDS:
        for variable in dashboard(path)["templating"]["list"]:
            if variable["type"] == "query":
                match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
                assert match, variable
                yield f"{path.stem}: ${variable['name']}", _substituted(match[1], {"$environment": ".*"}), match[2]


def rules(kind: str) -> list[dict[str, Any]]:
    """Every rule that is an ``alert`` or a ``record``."""
    groups = [group for path in RULES for group in read_yaml(path)["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def of_runbook() -> list[Asked]:
    """The queries in the text of the runbook."""
    found = [span for span in spans(RUNBOOK) if re.search(r"(gateway_\w+|\bup\b)[{\[)]|\(up\)", span)]
    return [Asked(f"{RUNBOOK.name}: {span[:40]}", span) for span in found]


def selectors(expression: str) -> list[str]:
    """Each vector selector in ``expression``, as a query of its own: what an ``or`` or a comparison hides."""
    # No instance of the scene gets into this state; the label it is said by is there.
    return [found.replace('state="needs_authorization"', 'state=~".+"') for found in _SELECTOR.findall(expression)]


def _substituted(expression: str, chosen: dict[str, str]) -> str:
    for name, value in chosen.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression
