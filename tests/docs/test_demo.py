"""``make demo`` shows what it promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import ROOT


def test_the_demo_shows_a_miss_a_hit_a_429_and_the_metrics(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY__")}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--once", "--port", "0"],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for shown in ("gateway; fwd=uri-miss; stored", "Cache-Status: gateway; hit", "urn:gateway:problem:rate-limited", "  429 "):
        assert shown in done.stdout, shown
    for action in ("rejected", "queued"):
        assert f'gateway_rate_limited_total{{action="{action}",element="closeio",environment="dev"}} 1.0' in done.stdout
    assert list(tmp_path.iterdir()) == [], "the demo leaves nothing behind"
