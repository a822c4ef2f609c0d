"""``gateway vault``: which master keys are in use, and all secrets under the newest."""

from __future__ import annotations

import typer

from gateway.cli.output import GATEWAY_TOML, AsJson, ConfigFile, print_json, print_record, print_table
from gateway.cli.session import actor, run

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The vault: rotate, status.")


@app.command()
def rotate(config: ConfigFile = GATEWAY_TOML, as_json: AsJson = False) -> None:
    """Encrypt anew, under the first master key, what is under another. Restart the gateway with the new key before."""
    done = run(config, lambda operations: operations.rotate_vault(actor=actor()), secrets=True)
    if as_json:
        print_json(done)
    else:
        print_record(done.model_dump())
    if done.unreadable:
        if not as_json:
            typer.echo(f"{done.unreadable} do not decrypt and stayed as they were: `gateway check` names them.", err=True)
        raise typer.Exit(1)


@app.command()
def status(config: ConfigFile = GATEWAY_TOML, as_json: AsJson = False) -> None:
    """Show each master key and what is under it. One that nothing is under may be taken out of the file, unless it is the first."""
    found = run(config, lambda operations: operations.vault_status(), secrets=True)
    if as_json:
        print_json(found)
        return
    columns = ("id", "present", "encrypts", "secrets", "kept_answers")
    print_table(columns, [[getattr(key, column) for column in columns] for key in found.keys])
