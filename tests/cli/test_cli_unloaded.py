"""What a gateway that serves does not hold in memory: libraries and parts of ours that others need, or nobody."""

from __future__ import annotations

import importlib
import sys
import urllib.request
from pathlib import Path

import pytest

from gateway.cli.unloaded import without
from tests.support.processes import running_gateway

HEAVY = (
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
