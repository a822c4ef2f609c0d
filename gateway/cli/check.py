"""``gateway check``."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated

import typer


def check(
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration file")] = Path("gateway.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Check the configuration, the secrets, the master keys and every stored row; report all mistakes at once."""
    from gateway.config import ConfigError, Problem, load_for_serving, without_effect  # noqa: PLC0415 - other commands need not load it
    from gateway.listeners import ending_soon  # noqa: PLC0415

    try:
        loaded, environments, keys = load_for_serving(config)
        problems = asyncio.run(_stored(loaded.database_path(), keys, time.time() - loaded.idempotency.keep))
        if problems:
            raise ConfigError([Problem(line) for line in problems])
    except ConfigError as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"ok": False, "problems": error.problems}, ensure_ascii=False))
        raise typer.Exit(2) from None
    idle, warnings = without_effect(loaded), ending_soon(loaded, time.time())
    if as_json:
        typer.echo(json.dumps({"ok": True, "environments": sorted(environments), "without_effect": idle, "warnings": warnings}))
        return
    typer.echo(f"{config}: fine (environments: {', '.join(sorted(environments))})")
    for setting in idle:
        typer.echo(f"{setting}: has no effect: no listener asks for certificates (client_ca)", err=True)
    for warning in warnings:
        typer.echo(warning, err=True)


async def _stored(path: Path, keys: list[tuple[str, bytes]], kept_since: float) -> list[str]:
    from gateway.database.engine import open_database  # noqa: PLC0415
    from gateway.instances.vault import Vault  # noqa: PLC0415
    from gateway.operations import verify_vault  # noqa: PLC0415

    async with open_database(path) as database:
        return await verify_vault(database, Vault(keys), every=True, kept_since=kept_since)
