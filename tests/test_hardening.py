"""A running gateway keeps its memory to itself (threats 19)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import SEEN, end_process, running_gateway

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux'")

# Root may look into everything by CAP_SYS_PTRACE, CAP_SYS_ADMIN and CAP_PERFMON. Taken from what follows (PR_CAPBSET_DROP, 24), it is a
# user as any other; whoever is not root has none of them, and may take none.
_AS_ANY_USER = """
import ctypes, os, sys
for capability in (19, 21, 38):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
_LOOK = "import sys; print(len(open(f'/proc/{sys.argv[1]}/environ', 'rb').read()) > 0)"


def as_any_user(*command: str) -> list[str]:
    return [sys.executable, "-c", _AS_ANY_USER, sys.executable, *command]


def looks_into(process_id: int) -> bool:
    """Whether another process of the same user reads the environment of this one."""
    done = subprocess.run(as_any_user("-c", _LOOK, str(process_id)), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "True\n" or "PermissionError" in done.stderr, done.stderr
    return done.returncode == 0


@contextmanager
def running(*command: str, cwd: Path, environ: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process as any user's, once it has said something."""
    process = subprocess.Popen(as_any_user(*command), cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout
    try:
        said = process.stdout.readline()
        assert b"listener on" in said, said
        yield process
    finally:
        end_process(process)
        process.stdout.close()


def test_no_core_is_written_and_nobody_looks_into_it(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "gateway", {"dev": "http://127.0.0.1:9"}) as first:
        environ = {name: value for name, value in first.environ.items() if name not in SEEN}
    with running("-m", "gateway", "serve", "-c", "gateway.toml", cwd=first.folder, environ=environ) as gateway:
        limits = Path(f"/proc/{gateway.pid}/limits").read_text()
        seen = looks_into(gateway.pid)
    (line,) = [line.split() for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line[4:6] == ["0", "0"]
    assert not seen, "another process reads what it was started with: it is dumpable"


def test_such_a_look_would_show_something(tmp_path: Path) -> None:
    """What the test above takes for a closed door is one: a process that does nothing about it can be looked into."""
    with running("-c", "import time; print('no listener on it', flush=True); time.sleep(60)", cwd=tmp_path) as ordinary:
        assert looks_into(ordinary.pid)


def test_an_operator_may_open_that_door(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "gateway", {"dev": "http://127.0.0.1:9"}) as first:
        environ = first.environ | {"GATEWAY__INSPECTABLE": "true"}
    with running("-m", "gateway", "serve", "-c", "gateway.toml", cwd=first.folder, environ=environ) as gateway:
        assert looks_into(gateway.pid)
