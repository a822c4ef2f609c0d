"""Pythons of other releases of Debian: each a small root file system of its own, below the project, entered by chroot.

It needs root and debootstrap. Packages come from the mirror that this machine's apt uses, with the proxy that apt was told.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from bench.contest.installing import Missing
from bench.steps.interpreters import ROOT, SYSTEM_PATH, Interpreter, installed, probed
from tools.mirrors import DEBIAN, sources

_INSIDE = "/opt/bench"
_PARTS = ("gateway", "bench")


def of_suite(suite: str, folder: Path) -> Interpreter:
    """The Python of Debian's ``suite`` (``trixie``), its root below ``folder``. Raises ``Missing``."""
    if not re.fullmatch(r"[a-z]{3,20}", suite):
        raise Missing(f"found {suite!r}, expected the name of a suite, such as trixie or sid")
    root = _bootstrapped(suite, folder / f"debian-{suite}")
    command = ("chroot", str(root), "/usr/bin/python3")
    source = f"Debian {suite}"
    version, build = probed(command, source)
    packages, note = installed(version, folder)
    _hand_in(root, packages)
    return Interpreter(command, source, version, build, f"{_INSIDE}/project", f"{_INSIDE}/packages", note)


def mirror() -> str:
    """Where this machine's apt gets its own release from."""
    release = Path("/etc/os-release").read_text("utf-8") if Path("/etc/os-release").exists() else ""
    named = re.search(r"^VERSION_CODENAME=(\w+)$", release, re.MULTILINE)
    apt = Path("/etc/apt")
    files = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list")), *sorted(apt.glob("sources.list.d/*.sources"))]
    texts = [path.read_text("utf-8", "replace") for path in files if path.is_file()]
    return next((uri for uri, suite in sources(texts, named[1]) if suite == named[1]), DEBIAN) if named else DEBIAN


def _bootstrapped(suite: str, root: Path) -> Path:
    program = shutil.which("debootstrap", path=SYSTEM_PATH)
    if program is None:
        raise Missing("apt-get install debootstrap")
    if os.geteuid() != 0:
        raise Missing("root, for debootstrap and chroot")
    done = root / "bootstrapped"
    if not done.exists():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        command = [program, "--variant=minbase", "--include=python3", suite, str(root), mirror()]
        said = subprocess.run(command, env=_environ(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if said.returncode:
            lines = [line for line in (said.stdout + said.stderr).splitlines() if line.startswith(("E:", "W:"))]
            raise Missing(f"debootstrap {suite} from {mirror()}: {' '.join(lines)[-300:] or 'it failed'}")
        done.touch()
    return root


def _environ() -> dict[str, str]:
    """Ours, with apt's proxy for debootstrap's wget."""
    environ = {**os.environ, "PATH": SYSTEM_PATH}
    for scheme in ("http", "https"):
        asked = ["apt-config", "shell", "proxy", f"Acquire::{scheme}::Proxy"]
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout if shutil.which("apt-config") else ""
        if found := re.fullmatch(r"proxy='([^']+)'\s*", said):
            environ[f"{scheme}_proxy"] = found[1]
    return environ


def _hand_in(root: Path, packages: Path) -> None:
    """Copies, not mounts: nothing has to be undone."""
    inside = root / _INSIDE.lstrip("/")
    shutil.rmtree(inside, ignore_errors=True)
    for part in _PARTS:
        shutil.copytree(ROOT / part, inside / "project" / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(packages, inside / "packages", ignore=shutil.ignore_patterns("__pycache__"))
