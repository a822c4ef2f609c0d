"""Configurations are checked in with ``{{name}}`` where a run has ports, folders and secrets of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from bench.contest.job import ELEMENT, Job
from bench.peers import BenchError

TEMPLATES = Path(__file__).resolve().parents[1] / "peers_conf"
_NAME = re.compile(r"\{\{(\w+)\}\}")


def fill(template: str, values: Mapping[str, object], into: Path) -> Path:
    """Write the template of that name to ``into``, for its owner's eyes; ``into`` again.

    Raises ``BenchError`` for a name that ``values`` lacks.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise BenchError(f"{template} asks for {found[0]}, and the run has only {', '.join(sorted(values))}")
        return str(values[found[1]])

    return write(into, _NAME.sub(value, (TEMPLATES / template).read_text("utf-8")))


def write(into: Path, text: str) -> Path:
    """Write a file that holds secrets; ``into`` again."""
    into.touch(mode=0o600)
    into.write_text(text, "utf-8")
    return into


def common(job: Job, folder: Path, port: int) -> dict[str, object]:
    """The values that most templates ask for."""
    host, _, origin_port = job.origin.rpartition(":")
    return {
        "folder": folder,
        "port": port,
        "origin": job.origin,
        "origin_host": host,
        "origin_port": origin_port,
        "key": job.key,
        "element": ELEMENT,
        "calls_per_second": job.calls_per_second,
    }


def lua_tables(job: Job, folder: Path) -> None:
    """``tables.lua`` in ``folder``, for nginx and Envoy, and the lines that it reads."""
    write(folder / "callers.txt", f"{job.key}\n")
    rows = "".join(f"{customer}\t{ELEMENT}\t{authorization}\n" for customer, authorization in job.authorizations.items())
    write(folder / "instances.txt", rows)
    fill("tables.lua", {"folder": folder}, folder / "tables.lua")


def json_tables(job: Job) -> str:
    """Callers and instances as JSON, the latter by ``customer/element``."""
    instances = {f"{customer}/{ELEMENT}": authorization for customer, authorization in job.authorizations.items()}
    return json.dumps({"callers": {f"Bearer {job.key}": "bench"}, "instances": instances})
