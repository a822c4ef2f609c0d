"""``gateway serve``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.unloaded import USED_IN_PART, defer

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="The configuration file")]


def serve(
    config: ConfigPath = Path("gateway.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="Name the listeners as a JSON line each")] = False,
) -> None:
    """Serve calls until SIGTERM or SIGINT; then open calls finish and the process ends with 0."""
    for package, names in USED_IN_PART.items():
        defer(package, names)
    from gateway.app import run  # noqa: PLC0415 - the whole server: other commands need not load it
    from gateway.config import load_for_serving  # noqa: PLC0415

    sys.exit(run(*load_for_serving(config), as_json=as_json))
