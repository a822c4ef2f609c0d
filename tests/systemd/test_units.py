"""The units in ``systemd/``, judged by systemd itself, and the part of their hardening that a process can put on by itself."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.origin import BODY
from tests.support.processes import ROOT
from tests.tls.authority import HERE, Authority
from tests.tls.served import SERVE, Template, ask, serving

UNITS = ROOT / "systemd"
_PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN = 65, 1  # prctl(2), Linux 6.3
_DENIED = f"""
import ctypes, os, sys
assert ctypes.CDLL(None).prctl({_PR_SET_MDWE}, {_PR_MDWE_REFUSE_EXEC_GAIN}, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze: apt-get install systemd")


def analyzed(*words: str) -> str:
    """What ``systemd-analyze`` says; it must be content."""
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """Copies whose command is one that exists here."""
    for unit in UNITS.iterdir():
        text = unit.read_text("utf-8").replace("/opt/gateway/bin/gateway", sys.executable)
        (tmp_path / unit.name).write_text(text, "utf-8")
    return [str(tmp_path / name) for name in ("gateway.service", "gateway.socket", "gateway-admin.socket")]


@needs_systemd
def test_systemd_takes_them_without_a_word(units: list[str]) -> None:
    assert not [line for line in analyzed("verify", "--man=no", *units).splitlines() if "gateway" in line]


@needs_systemd
def test_what_the_service_is_exposed_to(units: list[str]) -> None:
    """By systemd's own measure, from 0 (sealed) to 10; what serves callers needs a network, which counts for some."""
    found = re.search(r"exposure level for gateway\.service: ([\d.]+)", analyzed("security", "--offline=true", units[0]))
    assert found
    assert float(found[1]) <= 2.0


def test_sockets_are_called_as_the_gateway_expects() -> None:
    texts = {unit.name: unit.read_text("utf-8") for unit in UNITS.iterdir()}
    names = {name: re.findall(r"^FileDescriptorName=(.*)$", text, re.MULTILINE) for name, text in texts.items()}
    assert names == {"gateway.service": [], "gateway.socket": ["data"], "gateway-admin.socket": ["admin"]}
    assert "Type=notify" in texts["gateway.service"]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "prctl"), reason="no prctl: run it on Linux")
def test_it_runs_without_memory_that_is_both_written_and_executed(template: Template, folder: Path) -> None:
    """``MemoryDenyWriteExecute=`` refuses what some native extensions do; ours, TLS with them, do not."""
    Authority().certificate(HERE).store(folder, "server")
    toml = folder / "gateway.toml"
    toml.write_text(toml.read_text("utf-8") + '[listen.admin_tls]\ncertificate = "server.pem"\nkey = "server.key"\n', "utf-8")
    probe = subprocess.run([sys.executable, "-c", _DENIED, "/bin/true"], capture_output=True, timeout=30, check=False)
    if probe.returncode:
        pytest.skip("the kernel cannot refuse it: run it on Linux 6.3 or later")
    with serving(folder, words=(sys.executable, "-c", _DENIED, *SERVE)) as served:
        who = (f"Gateway-Instance: {template.handle}", f"X-Api-Key: {template.keys['usual'][1]}")
        assert ask(served.listeners["data"], None, "GET", "/elements/api-v2/x", *who).body == BODY
        assert served.schemes["admin"] == "https"
