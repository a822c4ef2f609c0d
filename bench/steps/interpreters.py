"""Python interpreters of several versions, each with the gateway's packages in a folder of its own. Nothing of the machine is changed.

``Missing`` says why one cannot take part.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contest.installing import Missing

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEM_PATH = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
"""Where root's programs are, too."""
_PATIENCE_S = 900
_PROBE = """
import json, platform, sys, sysconfig
asked = sysconfig.get_config_var("CONFIG_ARGS") or ""
print(json.dumps({
    "version": platform.python_version(), "compiler": platform.python_compiler(), "implementation": platform.python_implementation(),
    "asked": [way for way in ("--enable-optimizations", "--with-lto") if way in asked],
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """``command`` starts it; ``project`` and ``packages`` are the folders that it finds the gateway and its packages in, as it sees them.
    ``source`` says where it comes from, ``note`` what about its packages is not as the lock says."""

    command: tuple[str, ...]
    source: str
    version: str
    build: str
    project: str
    packages: str
    note: str = ""

    def run(self, *arguments: str) -> str:
        """What it writes. Raises ``Missing`` where it fails."""
        return output((*self.command, *arguments), f"{self.packages}:{self.project}", self.source, cwd=ROOT)


def on_path() -> Iterator[str]:
    """Of ``VERSIONS``, what is found on PATH."""
    return filter(None, (shutil.which(f"python{version}") for version in VERSIONS))


def of_path(path: str, folder: Path) -> Interpreter:
    """The interpreter at ``path``, with its packages below ``folder``. Raises ``Missing``."""
    version, build = probed((path,), path)
    packages, note = installed(version, folder)
    return Interpreter((path,), path, version, build, str(ROOT), str(packages), note)


def probed(command: Sequence[str], source: str) -> tuple[str, str]:
    """(Version, its compiler and which optimizations ``configure`` was asked for; Debian has other ways to ask).

    Raises ``Missing`` where it does not start, or is not what we can use.
    """
    found = json.loads(output((*command, "-c", _PROBE), "", source))
    short = ".".join(found["version"].split(".")[:2])
    if found["implementation"] != "CPython" or short not in VERSIONS:
        raise Missing(f"{source} is {found['implementation']} {found['version']}, expected CPython {', '.join(VERSIONS)}")
    return found["version"], ", ".join([found["compiler"], *found["asked"]])


def installed(version: str, folder: Path) -> tuple[Path, str]:
    """(The folder with what the gateway needs on Python ``version``, what of it is not as ``requirements.lock`` says).

    By this interpreter's pip, which fetches wheels for another version where it is told to. Raises ``Missing``.
    """
    short = ".".join(version.split(".")[:2])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    locked = re.findall(r"^[\w.-]+==\S+", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    wanted = "\n".join([*project, *locked])
    packages = folder / f"packages-{short}"
    done = packages / "installed.txt"
    if done.exists() and done.read_text("utf-8").partition("\n\n")[2] == wanted:
        return packages, done.read_text("utf-8").partition("\n\n")[0]
    shutil.rmtree(packages, ignore_errors=True)
    packages.mkdir(parents=True)
    constraints = folder / f"constraints-{short}.txt"
    constraints.write_text("\n".join(locked), "utf-8")
    note = ""
    try:
        _pip(short, packages, project, ("-c", str(constraints)))
    except Missing as missing:
        note = f"packages within the ranges of pyproject.toml, as those of the lock do not install ({missing})"
        _pip(short, packages, project, ())
    done.write_text(f"{note}\n\n{wanted}", "utf-8")
    return packages, note


def output(command: Sequence[str], python_path: str, source: str, cwd: Path | None = None) -> str:
    """What ``command`` writes. Raises ``Missing`` with the end of its errors."""
    environ = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "PYTHONPATH": python_path}
    try:
        done = subprocess.run(
            command, env=environ, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except OSError as error:
        raise Missing(f"{source} does not start ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise Missing(f"{source} was not done within {_PATIENCE_S} s") from None
    if done.returncode:
        raise Missing(f"{source} failed: {(done.stderr.strip() or done.stdout.strip())[-500:]}")
    return done.stdout


def _pip(short: str, packages: Path, wanted: Sequence[str], more: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(packages), "--upgrade", "--python-version", short]
    done = subprocess.run(
        [*command, "--only-binary=:all:", *more, *wanted], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Missing(f"PyPI, for Python {short}: {(errors or ['pip failed'])[0][:300]}")
