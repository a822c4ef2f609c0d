"""A body of empty lines costs what any other body costs: nobody may hold the loop with one (threats 46)."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.cases import post
from tests.support.lane import Lane


def _cpu_s(pid: int) -> float:
    """CPU seconds that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_empty_lines_cost_no_more_than_others(lane: Lane) -> None:
    before = _cpu_s(lane.gateway.process.pid)
    assert lane.ask(post("~/x", b"\r\n\r\n" * (1 << 18))).status == 200
    used = _cpu_s(lane.gateway.process.pid) - before
    assert bytes(lane.own()[0].payload) == b"\r\n\r\n" * (1 << 18)
    assert used < 0.25, f"1 MiB took {used:.2f} s of CPU"
