"""What the image holds and what it must not hold. Each check takes the image and fails with what it found."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from gateway import __version__
from tests.container.engine import Image
from tests.support.processes import ROOT

SIZE = re.compile(r"image has about (\d+) MB")
"""How pages speak of the size: octets of all layers, unpacked, in millions."""
TOOLS = "pip pip3 gcc g++ cc c++ cpp make ld as strip git curl wget pytest mypy ruff"
PACKAGES = "opt/gateway/lib/python3.11/site-packages"


def check_settings(image: Image) -> None:
    """User, volume, ports, command and health check are those that docs/container.md speaks of."""
    config = image.config
    assert (config["User"], list(config["Volumes"]), config["WorkingDir"]) == ("10001:10001", ["/data"], "/data")
    assert (config["Entrypoint"], config["Cmd"]) == (["gateway"], ["serve", "-c", "/data/gateway.toml"])
    assert (config["StopSignal"], set(config["ExposedPorts"])) == ("SIGTERM", {"8080/tcp", "8081/tcp"})
    assert config["Healthcheck"]["Test"][:2] == ["CMD", "python3"]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert (labels["title"], labels["version"], labels["licenses"]) == ("Gateway", __version__, "Apache-2.0")
    assert labels["base.name"].startswith("debootstrap bookworm")


def check_size(image: Image) -> None:
    """What the pages say of it, give or take a tenth."""
    stated = [int(figure) for page in ("docs/container.md", "README.md") for figure in SIZE.findall((ROOT / page).read_text("utf-8"))]
    assert stated
    assert [figure for figure in stated if abs(image.size / 1e6 - figure) > figure / 10] == []


def check_packages(image: Image) -> None:
    """Exactly the locked ones, and the gateway."""
    pins = re.findall(r"^([a-z0-9-]+)==([^ ;]+)", (ROOT / "requirements-runtime.lock").read_text("utf-8"), re.MULTILINE)
    found = {(_normal(one.name), one.version) for one in distributions(path=[str(image.root / PACKAGES)])}
    assert found == {*pins, ("cloud-elements-gateway", __version__)}


def check_tools(image: Image) -> None:
    folders = [image.root / folder for folder in ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "opt/gateway/bin")]
    assert [str(folder / name) for folder in folders for name in TOOLS.split() if os.path.lexists(folder / name)] == []
    assert not (image.root / "build").exists()
    assert not (image.root / "source").exists()


def check_leftovers(image: Image) -> None:
    """No package lists, caches, logs, tests or temporary files."""
    empty = "var/lib/apt/lists var/cache/apt var/log tmp var/tmp root/.cache run/secrets data"
    assert [str(path) for folder in empty.split() for path in _files(image.root / folder)] == []
    assert [str(path) for path in (image.root / PACKAGES).rglob("*") if path.name in {"tests", "test"} and path.is_dir()] == []


def check_bytecode(image: Image) -> None:
    """Everything is compiled, as a read-only root has no place for it at run time."""
    modules = list((image.root / PACKAGES / "gateway").rglob("*.py"))
    assert len(modules) > 50
    assert [path.name for path in modules if not (path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc").is_file()] == []


def check_compiled(image: Image) -> None:
    """What pyproject.toml lists, in place of its source."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["gateway"]["compiled"]
    found = (image.root / PACKAGES / "gateway").rglob("*.so")
    assert sorted(str(path.relative_to(image.root / PACKAGES)).partition(".")[0] + ".py" for path in found) == listed


def check_sources(image: Image) -> None:
    """Each file of the package arrived: presets, migrations, whatever ``package-data`` has to name."""
    here, there = (
        {str(path.relative_to(folder)) for path in _files(folder) if path.parent.name != "__pycache__" and path.suffix != ".so"}
        for folder in (ROOT / "gateway", image.root / PACKAGES / "gateway")
    )
    assert there == here


def check_builder(image: Image) -> None:
    """Nothing of the machine that built it: no mirror, proxy, CA, name; mount points of its folders are empty."""
    sources = (image.root / "etc/apt/sources.list").read_text("utf-8").split()
    assert {word for word in sources if ":" in word} == {"http://deb.debian.org/debian", "http://deb.debian.org/debian-security"}
    assert list((image.root / "etc/apt/sources.list.d").iterdir()) == list((image.root / "etc/apt/auth.conf.d").iterdir()) == []
    assert [
        (name, (image.root / "etc" / name).read_text("utf-8"))
        for name in ("hostname", "resolv.conf", "pip.conf")
        if (image.root / "etc" / name).exists() and (image.root / "etc" / name).stat().st_size
    ] == []
    assert list(_files(image.root / "run")) == []
    assert [name for name in image.environ if re.search("proxy|index|cert", name, re.IGNORECASE)] == []
    said = json.dumps([image.config, image.history])
    assert [name for name in ("http_proxy", "https_proxy") if (value := os.environ.get(name)) and value in said] == []
    trusted = (image.root / "etc/ssl/certs/ca-certificates.crt").read_text("utf-8").count("BEGIN CERTIFICATE")
    assert trusted == len(list(_files(image.root / "usr/share/ca-certificates")))


def check_privileges(image: Image) -> None:
    """No file of the image belongs to its user but the volume, so that even a writable root could not be changed by it."""
    owned = [
        path
        for folder, names, files in os.walk(image.root)
        for name in (*names, *files)
        if (path := Path(folder, name)).lstat().st_uid == 10001
    ]
    assert owned == [image.root / "data"]


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_dir())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
