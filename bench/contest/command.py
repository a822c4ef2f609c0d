"""``python -m bench peers``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import peers
from bench.contest import checks
from bench.contest.installing import Missing
from bench.contest.job import Job
from bench.contest.rivals import OURS, RIVALS, Rival, Tools
from bench.peers import BenchError, Peer

TOOLS = Path(__file__).resolve().parents[2] / "build" / "peers"
_NAMES = tuple(rival.name for rival in RIVALS)


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    return parser
