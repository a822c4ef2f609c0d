"""The dashboards are what their source makes, what Grafana's schema knows, and what a person can read."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.runtime import Runtime
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.docs.blocks import ROOT
from tests.grafana.asked import DASHBOARDS, GRAFANA, dashboard, panels, read_yaml
from tools.dashboards import __main__ as command

EACH = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}


def differences(document: dict[str, Any]) -> list[str]:
    """What Grafana's schema does not know of ``document``, found by reading it into the SDK's models and writing it again."""
    register_default_plugins()
    known = Runtime().panelcfg_variants
    unknown = [panel["type"] for panel in panels(document) if panel["type"] not in known]
    sources = [target["datasource"]["type"] for panel in panels(document) for target in panel["targets"]]
    unknown += [kind for kind in sources if kind not in Runtime().dataquery_variants]
    again = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
    return unknown + list(_differing("", document, again))


def _differing(where: str, one: Any, other: Any) -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        return [line for key in sorted(one.keys() | other.keys()) for line in _differing(f"{where}.{key}", one.get(key), other.get(key))]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [line for place, pair in enumerate(zip(one, other, strict=True)) for line in _differing(f"{where}[{place}]", *pair)]
    return [] if one == other else [where]


def test_there_is_one_for_each_question() -> None:
    assert {path.stem for path in DASHBOARDS} == {"overview", "element", "cache", "health"}


def test_the_files_are_what_the_source_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--check"]) == 0
    monkeypatch.setattr(command, "FOLDER", tmp_path / "dashboards")
    assert command.main([]) == 0
    assert command.main(["--check"]) == 0
    (tmp_path / "dashboards" / "cache.json").write_text("{}", "utf-8")
    assert command.main(["--check"]) == 1
    assert "+" in capsys.readouterr().err


def test_the_command_runs_by_itself() -> None:
    done = subprocess.run([sys.executable, "-m", "tools.dashboards", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@EACH
def test_grafanas_schema_knows_all_of_it(path: Path) -> None:
    assert differences(dashboard(path)) == []


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda document: document.update(colour="red"), ".colour"),
        (lambda document: panels(document)[0]["options"].update(grapMode="area"), ".panels[1].options.grapMode"),
        (lambda document: panels(document)[0]["targets"][0].update(query="up"), ".panels[1].targets[0].query"),
        (lambda document: panels(document)[0].update(type="pie"), "pie"),
        (lambda document: document["templating"]["list"][0].update(sorted=1), ".templating.list[0].sorted"),
    ],
)
def test_what_the_schema_does_not_know_is_found(spoil: Any, found: str) -> None:
    document = dashboard(GRAFANA / "dashboards" / "overview.json")
    spoil(document)
    assert found in differences(document)


def test_each_has_a_name_of_its_own_that_a_link_can_hold() -> None:
    documents = [dashboard(path) for path in DASHBOARDS]
    assert len({document["uid"] for document in documents}) == len({document["title"] for document in documents}) == len(documents)
    for document in documents:
        assert 8 <= len(document["uid"]) <= 40
        assert document["schemaVersion"] >= 36
        assert "id" not in document
        assert document["tags"] == document["links"][0]["tags"]


@EACH
def test_panels_lie_beside_each_other(path: Path) -> None:
    everything = dashboard(path)["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    taken: dict[tuple[int, int], str] = {}
    for panel in everything:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for cell in itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])):
            assert cell not in taken, f"{panel['title']} lies on {taken[cell]}"
            taken[cell] = panel["title"]
    bottom = max(y for _, y in taken) + 1
    heights = {y for _, y in taken}
    assert heights == set(range(bottom)), "there is a gap"


@EACH
def test_panels_say_what_they_show(path: Path) -> None:
    for panel in panels(dashboard(path)):
        assert panel["title"]
        assert len(panel["description"]) > 10, panel["title"]
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH")[: len(panel["targets"])]
        defaults = panel["fieldConfig"]["defaults"]
        overrides = panel["fieldConfig"]["overrides"]
        said = [defaults["unit"]] if "unit" in defaults else [each["properties"][0]["value"] for each in overrides]
        assert set(said) <= UNITS
        if panel["type"] in ("timeseries", "stat"):
            assert len(said) == 1, panel["title"]
            assert said[0] == unit_of(panel), panel["title"]
        if panel["type"] == "timeseries":
            assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


def unit_of(panel: dict[str, Any]) -> str:
    """The unit that the first query of ``panel`` is in, by what it computes."""
    expression: str = panel["targets"][0]["expr"]
    if "_bytes" in expression:
        return "bytes"
    if "histogram_quantile" in expression or "_seconds_sum" in expression or "duration_seconds" in expression:
        return "s"
    if "/ sum" in expression or "_ratio" in expression:
        return "percentunit"
    return "reqps" if "rate(" in expression else "short"


@EACH
def test_no_installation_is_meant(path: Path) -> None:
    document = dashboard(path)
    variables = {variable["name"]: variable for variable in document["templating"]["list"]}
    assert list(variables) == ["datasource", "environment", "element"]
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    holders = [*panels(document), *(target for panel in panels(document) for target in panel["targets"])]
    holders += [variables["environment"], variables["element"]]
    assert [holder["datasource"] for holder in holders] == [chosen] * len(holders)


def test_provisioning_agrees_with_prometheus_and_with_where_things_are_mounted() -> None:
    (source,) = read_yaml(GRAFANA / "provisioning/datasources/prometheus.yaml")["datasources"]
    (provider,) = read_yaml(GRAFANA / "provisioning/dashboards/gateway.yaml")["providers"]
    prometheus = read_yaml(GRAFANA / "prometheus/prometheus.yml")
    assert (source["type"], source["url"], source["isDefault"], "uid" in source) == ("prometheus", "http://prometheus:9090", True, False)
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    (job,) = prometheus["scrape_configs"]
    assert (job["job_name"], job["static_configs"]) == ("gateway", [{"targets": ["gateway:8081"]}])
