"""A gateway that refuses to start does not say why by showing a secret, and one that dies leaves none behind (threat 19)."""

from __future__ import annotations

import base64
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.canary.planted import Planted
from tests.support.processes import ROOT, command, configuration, run


@pytest.fixture
def planted() -> Planted:
    return Planted()


@pytest.fixture
def environ(planted: Planted) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY__")}
    secrets = {"RAW_USER_SECRET": planted.plant("user secret"), "RAW_ORGANIZATION_SECRET": planted.plant("organization secret")}
    return given | secrets | {"PYTHONPATH": str(ROOT), "PYTHONDEVMODE": "1"}


@pytest.fixture
def folder(tmp_path: Path, planted: Planted, environ: dict[str, str]) -> Path:
    """A configuration that is fine, and a database with one mapping."""
    folder = tmp_path / "gateway"
    run([sys.executable, "-m", "gateway", "init", str(folder), "--json"], environ)
    (folder / "gateway.toml").write_text(configuration({"dev": "http://127.0.0.1:9/elements/api-v2"}, ""))
    where = ("--environment", "dev", "--customer", "acme", "--element", "rawelement", "--token-file", "-")
    command(folder, environ, "instances", "add", *where, given=planted.plant("token"))
    planted.plant("master key", (folder / "master.keys").read_text().partition(":")[2].strip())
    return folder


def _serve(folder: Path) -> list[str]:
    return [sys.executable, "-m", "gateway", "serve", "-c", str(folder / "gateway.toml")]


def _refusal(folder: Path, environ: dict[str, str], planted: Planted) -> str:
    done = subprocess.run(_serve(folder), env=environ | {"PYTHONDEVMODE": "1"}, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert planted.traces(done.stdout + done.stderr) == []
    return done.stderr.decode()


def test_a_refusal_to_start_shows_no_secret(folder: Path, environ: dict[str, str], planted: Planted) -> None:
    text = good = (folder / "gateway.toml").read_text()
    for name in ("RAW_USER_SECRET", "RAW_ORGANIZATION_SECRET"):
        text = text.replace(f"env:{name}", environ[name])
    (folder / "gateway.toml").write_text(f'vault.keys = "{planted.plant("literal master key")}"\n{text}')
    assert "vault.keys" in _refusal(folder, environ, planted)
    (folder / "gateway.toml").write_text(text)
    assert "environments.dev.user_secret" in _refusal(folder, environ, planted)
    (folder / "gateway.toml").write_text(good)
    with closing(sqlite3.connect(folder / "gateway.db")) as database:
        database.execute("UPDATE instances SET token = randomblob(60)")
        database.commit()
    assert "does not decrypt" in _refusal(folder, environ, planted)
    other = planted.plant("another master key", base64.b64encode(bytes(range(32))))
    (folder / "master.keys").write_text(f"k1:{other[:-4]}\n{other}:k2\n")
    assert "vault.keys line 1" in _refusal(folder, environ, planted)


def test_an_aborted_gateway_leaves_no_core(folder: Path, environ: dict[str, str], planted: Planted) -> None:
    """A core holds every secret of the process; a limit of the shell's must not be what keeps it from being written."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard == 0:
        pytest.skip("this machine lets nobody write a core: nothing can be seen here")
    shell = ["sh", "-c", 'ulimit -c "$(ulimit -H -c)" && exec "$@"', "sh", *_serve(folder)]
    process = subprocess.Popen(shell, env=environ, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout
    output = bytearray()
    deadline = time.monotonic() + 30
    while b"admin listener on" not in output and time.monotonic() < deadline:
        output += os.read(process.stdout.fileno(), 65536)
    process.send_signal(signal.SIGABRT)
    output += process.stdout.read()
    process.stdout.close()
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -signal.SIGABRT
    cores = list(folder.glob("core*"))
    for core in cores:
        core.unlink()  # a hundred megabytes each
    assert os.WIFSIGNALED(status)
    assert planted.traces(bytes(output)) == []
    assert not os.WCOREDUMP(status), f"a core was written ({len(cores)} in the working directory)"
