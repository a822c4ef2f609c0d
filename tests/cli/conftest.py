"""The command line, in this process or as a process of its own, in a folder that ``gateway init`` made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

import gateway
from gateway.cli import app


class Cli:
    """``gateway`` on the configuration in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str, stdin: str = "", status: int = 0) -> Any:
        """The result of the command, which must end with ``status``."""
        result = CliRunner().invoke(app, list(words), input=stdin)
        assert result.exit_code == status, result.output
        return result

    def here(self, *words: str, stdin: str = "", status: int = 0) -> Any:
        """The same with ``-c``."""
        return self.run(*words, "-c", str(self.folder / "gateway.toml"), stdin=stdin, status=status)

    def json(self, *words: str, stdin: str = "", status: int = 0) -> Any:
        """What the command prints with ``--json``."""
        return json.loads(self.here(*words, "--json", stdin=stdin, status=status).stdout)

    def process(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """The command as a process of its own."""
        with self.started(*words, stdin=subprocess.PIPE) as process:
            stdout, stderr = process.communicate(stdin, timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)

    def started(self, *words: str, stdin: int) -> subprocess.Popen[str]:
        """The same, still running, without a terminal that could be asked instead of ``stdin``."""
        return subprocess.Popen(
            [sys.executable, "-m", "gateway", *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(Path(gateway.__file__).parent.parent)},
            start_new_session=True,
        )


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Cli]:
    """Nothing made yet."""
    yield Cli(tmp_path)
    structlog.reset_defaults()  # the command line logs to a standard error that is gone


@pytest.fixture
def cli(bare: Cli) -> Cli:
    bare.run("init", str(bare.folder))
    return bare
