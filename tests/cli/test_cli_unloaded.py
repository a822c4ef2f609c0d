"""What a gateway that serves does not hold in memory: libraries and parts of ours that others need, or nobody."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from gateway.cli.unloaded import USED_IN_PART, defer, without
from tests.support.processes import running_gateway

HEAVY = (
    "aiohttp.client",
    "aiohttp.connector",
    "alembic",
    "cryptography.x509",
    "gateway.cli.demo",
    "gateway.sandbox",
    "gateway.server.examples",
    "gateway.server.openapi",
    "gateway.telemetry.spans",
    "gateway.telemetry.tracing_export",
    "mako",
    "multiprocessing",
    "opentelemetry",
    "pygments",
    "rich.console",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.ext.asyncio.session",
    "sqlalchemy.orm",
    "swagger_ui",
)
"""With all below them. Of rich a part is named: that somebody tried to import them shows, too."""


def imported(text: str) -> set[str]:
    """The modules that ``-X importtime`` names."""
    return {line.rpartition("|")[2].strip() for line in text.splitlines() if line.startswith("import time:")}


def test_a_gateway_that_serves_loads_nothing_that_it_does_not_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with running_gateway(tmp_path / "gateway", {"dev": "http://127.0.0.1:9/elements/api-v2"}) as gateway:
        host, port = gateway.admin
        for path in ("metrics", "healthz", "readyz"):
            urllib.request.urlopen(f"http://{host}:{port}/{path}", timeout=10).close()
    found = imported(gateway.text)

    assert {"aiohttp.web", "gateway.app", "sqlalchemy.engine"} <= found
    assert [name for name in sorted(found) if any(name == heavy or name.startswith(f"{heavy}.") for heavy in HEAVY)] == []


def test_what_is_left_out_can_be_imported_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_thing.py").write_text("", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with without("heavy_thing", "json"):
        with pytest.raises(ImportError):
            importlib.import_module("heavy_thing")
        importlib.import_module("json")  # is loaded, and so stays

    assert importlib.import_module("heavy_thing")
    del sys.modules["heavy_thing"]


def test_it_can_be_imported_afterwards_also_where_something_failed() -> None:
    with pytest.raises(KeyError), without("heavy_thing"):
        raise KeyError
    assert "heavy_thing" not in sys.modules


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package whose own file imports all its modules, and says that it ran."""
    for path, text in {
        "inner/__init__.py": "",
        "inner/broad/__init__.py": "from .heavy import Unused\nfrom .lean import Used\nruns = vars().get('runs', 0) + 1\n",
        "inner/broad/lean.py": "class Used: ...\n",
        "inner/broad/heavy.py": "from . import lean\nclass Unused(lean.Used): ...\n",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield "inner.broad"
    for name in [name for name in sys.modules if name.partition(".")[0] == "inner"]:
        del sys.modules[name]


def test_of_a_deferred_package_what_is_named_comes_without_the_rest(package: str) -> None:
    defer(package, {"Used": "lean"})
    exec("import inner.broad.lean\nfrom inner.broad import Used, lean\nassert inner.broad.lean is lean and lean.Used is Used", {})  # noqa: S102

    assert "inner.broad.heavy" not in sys.modules


@pytest.mark.parametrize("asked", ["Unused", "runs", "heavy"])
def test_a_deferred_package_has_all_that_it_has_without(package: str, asked: str) -> None:
    defer(package, {"Used": "lean"})
    broad = importlib.import_module(package)
    used = broad.Used

    assert getattr(broad, asked)
    assert sys.modules[package] is broad
    assert issubclass(broad.Unused, used)
    assert (type(broad), broad.runs) == (ModuleType, 1)


def test_a_deferred_package_has_nothing_else(package: str) -> None:
    defer(package, {})
    with pytest.raises(AttributeError, match=r"module 'inner\.broad' has no attribute 'other'"):
        importlib.import_module(package).other  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        defer("nowhere", {})


def test_a_package_that_is_loaded_is_not_deferred(package: str) -> None:
    broad = importlib.import_module(package)
    defer(package, {})

    assert sys.modules[package] is broad
    assert type(broad) is ModuleType


def test_threads_that_need_the_whole_at_once_all_get_it(package: str) -> None:
    defer(package, {"Used": "lean"})
    broad, found, ready = importlib.import_module(package), [], threading.Barrier(8)

    def ask() -> None:
        ready.wait(10)
        found.append(broad.Unused)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert found == [broad.Unused] * 8


@pytest.mark.parametrize(("name", "other"), [("aiohttp", "ClientSession"), ("sqlalchemy.ext.asyncio", "AsyncSession")])
def test_what_is_deferred_is_what_the_package_itself_would_give(name: str, other: str) -> None:
    """In a process of its own: here they are loaded."""
    script = f"""if True:
        import importlib, sys
        from gateway.cli.unloaded import USED_IN_PART, defer
        defer({name!r}, USED_IN_PART[{name!r}])
        package = importlib.import_module({name!r})
        part = {{one: getattr(package, one) for one in USED_IN_PART[{name!r}]}}
        version = getattr(package, "__version__", None) if "." not in {name!r} else None
        assert {other!r} not in vars(package), "it is loaded as a whole already"
        getattr(package, {other!r})
        assert {{one: vars(package)[one] for one in part}} == part
        assert vars(package).get("__version__") == version
    """
    assert name in USED_IN_PART
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_what_the_admin_listener_takes_and_shows_is_not_built_before_somebody_asks() -> None:
    """In a process of its own: here tests have asked."""
    script = """if True:
        import gateway.app
        from gateway.models import Model

        def below(model):
            return {model}.union(*map(below, model.__subclasses__()))

        assert len(below(Model)) > 40
        assert not {model.__name__ for model in below(Model) if model.__pydantic_complete__}
    """
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
