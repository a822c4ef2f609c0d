"""Our gateway as it is at its fastest: its hot modules compiled, in an environment of its own (``make compiled``)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.contest.installing import Missing

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 900


def compiled(tools: Path) -> Mapping[str, Path]:
    """``python``: the interpreter of that environment, made in ``tools`` unless it is there and no source is newer. Raises ``Missing``."""
    folder = tools / "gateway"
    complete = folder / ".complete"
    sources = [_ROOT / "setup.py", _ROOT / "pyproject.toml", *(_ROOT / "gateway").rglob("*.py")]
    if not complete.exists() or complete.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        command = [str(_ROOT / "tools" / "compiled.sh"), sys.prefix, str(folder.resolve())]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        if done.returncode:
            raise Missing(f"a C compiler and Python's headers, for {' '.join(command)}:\n{done.stderr[-2000:]}")
    return {"python": folder / "bin" / "python"}
