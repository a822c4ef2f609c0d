"""A real Prometheus on our own configuration: only its target and its pace are those of a test."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are a package more

from tests.acceptance.commands import exchange
from tests.grafana.asked import PROMETHEUS, read_yaml
from tests.support.processes import collect, end_process
from tests.support.raw import Address

PACE = "250ms"
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="no Prometheus on this machine: apt-get install prometheus",
)


def promtool(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """``promtool`` in the folder of our rules, finished, whatever its exit status."""
    return subprocess.run(["promtool", *arguments], cwd=PROMETHEUS, input=given, capture_output=True, text=True, timeout=60, check=False)


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    address: Address

    def get(self, path: str, **parameters: str) -> Any:
        """``data`` of an answer of ``/api/v1``; fails unless it is a success."""
        answer = exchange(self.address, "GET", f"/api/v1/{path}?{urlencode(parameters)}")
        document = answer.json()
        assert document["status"] == "success", (parameters, document)
        return document["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query, as of now: ``{"metric": labels, "value": [time, text]}``."""
        return list(self.get("query", query=expression)["result"])


@contextmanager
def running_prometheus(folder: Path, gateway: Address) -> Iterator[Prometheus]:
    """Scrape ``gateway`` (its admin listener) while inside; everything it writes is in ``folder``."""
    configuration = read_yaml(PROMETHEUS / "prometheus.yml")
    configuration["global"] = dict.fromkeys(configuration["global"], PACE)
    configuration["rule_files"] = [str(PROMETHEUS / pattern) for pattern in configuration["rule_files"]]
    (job,) = configuration["scrape_configs"]
    job["static_configs"] = [{"targets": [f"{gateway[0]}:{gateway[1]}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration), "utf-8")
    options = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": "127.0.0.1:0",
        "enable-feature": "exemplar-storage",
    }
    process = subprocess.Popen(
        ["prometheus", *(f"--{name}={value}" for name, value in options.items())],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout
    output = bytearray()
    reader = threading.Thread(target=collect, args=(process.stdout, output), daemon=True)
    reader.start()
    try:
        yield Prometheus(_ready(process, output))
    finally:
        end_process(process)
        reader.join(5)
        process.stdout.close()


def _ready(process: subprocess.Popen[bytes], output: bytearray) -> Address:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        text = output.decode("utf-8", "replace")
        listening = re.search(r'"Listening on" address=([\d.]+):(\d+)', text)
        if listening and "Server is ready" in text:
            return listening[1], int(listening[2])
        time.sleep(0.02)
    raise AssertionError(f"Prometheus is not ready (exit status {process.poll()}):\n{output.decode('utf-8', 'replace')}")
