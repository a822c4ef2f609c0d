"""``gateway db``: the database."""

from __future__ import annotations

import typer

from gateway.cli.output import GATEWAY_TOML, AsJson, ConfigFile, print_json
from gateway.config import load
from gateway.database.engine import upgrade as upgrade_database

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The database: upgrade.")


@app.callback()
def _db() -> None:
    """A callback keeps ``upgrade`` a sub-command although it is the only one."""


@app.command()
def upgrade(config: ConfigFile = GATEWAY_TOML, as_json: AsJson = False) -> None:
    """Bring an empty or older database to this version."""
    path = load(config).database_path()
    version = upgrade_database(path)
    if as_json:
        print_json({"database": str(path), "version": version})
    else:
        typer.echo(f"{path} is at version {version}.")
