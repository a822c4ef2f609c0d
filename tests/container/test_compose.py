"""compose.yaml against what it refers to: files of the repository, ports, networks, secrets, and the versions that it pins."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from gateway import __version__
from tests.support.processes import ROOT

PATH = ROOT / "compose.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(PATH.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
DURATION = re.compile(r"(\d+[hms])+")
KNOWN = set(
    "image build environment secrets volumes tmpfs ports networks read_only cap_drop security_opt restart stop_grace_period command"
    " healthcheck depends_on".split()
)
"""The attributes of the Compose Specification's services that the file makes use of; a misspelt one is none of them."""

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))


def has_compose() -> bool:
    return (
        bool(shutil.which("docker")) and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not has_compose(), reason="no Docker Compose: apt-get install docker-compose-v2 (or docker-compose-plugin)")
def test_compose_takes_it() -> None:
    done = subprocess.run(["docker", "compose", "--file", PATH, "config", "--quiet"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_file_is_of_the_forms_of_the_specification() -> None:
    assert set(DOCUMENT) == {"name", "services", "networks", "volumes", "secrets"}
    for service in SERVICES.values():
        assert set(service) <= KNOWN
        assert all(isinstance(value, str) for value in service.get("environment", {}).values()), "YAML would make a number or a truth of it"
        assert set(service["networks"]) <= set(DOCUMENT["networks"])
        assert set(service.get("secrets", ())) <= set(DOCUMENT["secrets"])
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        health = service.get("healthcheck", {"test": ["CMD"]})
        assert health["test"][0] == "CMD"
        assert [value for name, value in health.items() if name not in {"test", "retries"} and not DURATION.fullmatch(value)] == []


@each_service
def test_images_are_pinned(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"(docker\.io/)?[a-z/-]+:v?\d+\.\d+\.\d+", service["image"])


def test_the_gateways_image_is_of_this_version() -> None:
    gateway = SERVICES["gateway"]
    assert (gateway["image"], gateway["build"]["args"]) == (f"cloud-elements-gateway:{__version__}", {"VERSION": __version__})
    assert (ROOT / gateway["build"]["context"] / "Dockerfile").is_file()


@each_service
def test_each_is_confined(service: dict[str, Any]) -> None:
    assert (service["read_only"], service["cap_drop"], service["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert [port for port in service.get("ports", ()) if not port.startswith("127.0.0.1:")] == []


@each_service
def test_what_is_mounted_is_there(service: dict[str, Any]) -> None:
    for volume in service["volumes"]:
        source, place, *mode = volume.split(":")
        assert place.startswith("/")
        if source.startswith("."):
            assert (ROOT / source).is_dir()
            assert mode == ["ro"]
        else:
            assert source in DOCUMENT["volumes"]


def test_only_calls_and_grafana_are_published() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"gateway": ["127.0.0.1:8080:8080"], "grafana": ["127.0.0.1:3000:3000"]}
    for name in published:
        assert [one for one in SERVICES[name]["networks"] if not DOCUMENT["networks"][one].get("internal")], "nothing could be published"
    assert [
        name for name, service in SERVICES.items() if DOCUMENT["networks"]["metrics"]["internal"] and service["networks"] == ["metrics"]
    ] == ["prometheus"]


def test_the_gateway_has_time_to_drain() -> None:
    exposed = re.search(r"^EXPOSE (.+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert exposed is not None
    assert exposed[1].split() == ["8080", "8081"]
    assert int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s")) > 30


def test_prometheus_scrapes_the_gateway_and_grafana_asks_prometheus() -> None:
    scrape = yaml.safe_load(mounted("prometheus", "/etc/prometheus", "prometheus.yml").read_text("utf-8"))
    targets = [target for job in scrape["scrape_configs"] for static in job["static_configs"] for target in static["targets"]]
    assert "gateway:8081" in targets
    sources = mounted("grafana", "/etc/grafana/provisioning", "datasources").glob("*.y*ml")
    assert [source["url"] for path in sources for source in yaml.safe_load(path.read_text("utf-8"))["datasources"]] == [
        "http://prometheus:9090"
    ]
    for one, other in (("prometheus", "gateway"), ("grafana", "prometheus")):
        assert set(SERVICES[one]["networks"]) & set(SERVICES[other]["networks"])


def test_grafana_finds_the_dashboards() -> None:
    providers = mounted("grafana", "/etc/grafana/provisioning", "dashboards").glob("*.y*ml")
    paths = [one["options"]["path"] for path in providers for one in yaml.safe_load(path.read_text("utf-8"))["providers"]]
    assert paths == ["/var/lib/grafana/dashboards"]
    assert list(mounted("grafana", paths[0], ".").glob("*.json"))


def test_secrets_are_files_outside_of_git_and_of_the_image() -> None:
    assert {str(Path(secret["file"]).parent) for secret in DOCUMENT["secrets"].values()} == {"secrets"}
    allowed = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    assert "!secrets" not in allowed
    assert (ROOT / ".dockerignore").read_text("utf-8").splitlines()[1] == "*"
    assert (ROOT / "secrets/.gitignore").read_text("utf-8").splitlines()[1:] == ["*", "!.gitignore"]


def mounted(service: str, place: str, name: str) -> Path:
    """A file of the repository, by where the service sees its folder."""
    (source,) = (source for source, inside, *_ in (volume.split(":") for volume in SERVICES[service]["volumes"]) if inside == place)
    return Path(ROOT, source, name)
