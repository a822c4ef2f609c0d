"""``gateway pauses``: stop calls for a time."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.output import GATEWAY_TOML, AsJson, ConfigFile, print_json, print_record, print_table
from gateway.cli.session import actor, asked, run
from gateway.models import NewPause, PauseQuery

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Pauses, which stop calls for a time: add, list, remove.")


@app.command()
def add(
    *,
    environment: Annotated[str | None, typer.Option(help="Calls in this environment.")] = None,
    customer: Annotated[str | None, typer.Option(help="Calls for this customer.")] = None,
    element: Annotated[str | None, typer.Option(help="Calls of this element; platform: those for no customer.")] = None,
    for_: Annotated[str, typer.Option("--for", help="For how long, such as 10m; 30d at most.")],
    reason: Annotated[str, typer.Option(help="Why; callers are told.")],
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Stop calls for a time. Say at least one of environment, customer and element; calls to which all of it applies are answered 503
    paused, also from the cache, within two seconds. It ends by itself."""
    new = asked(NewPause, {"environment": environment, "customer": customer, "element": element, "for": for_, "reason": reason})
    made = run(config, lambda operations: operations.add_pause(new, actor=actor()))
    if as_json:
        print_json(made)
    else:
        print_record(made.model_dump())


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="How many, 1000 at most.")] = 1000,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended: its next_cursor.")] = None,
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Show the pauses that are in force, the newest first."""
    query = asked(PauseQuery, {"limit": limit, "cursor": cursor})
    page = run(config, lambda operations: operations.list_pauses(query))
    if as_json:
        print_json(page)
        return
    columns = ("id", "environment", "customer", "element", "ends_at", "reason")
    print_table(columns, [[getattr(pause, column) for column in columns] for pause in page.items])
    if page.next_cursor:
        typer.echo(f"There are more: --cursor {page.next_cursor}", err=True)


@app.command()
def remove(
    pause_id: Annotated[str, typer.Argument(metavar="ID", help="The pause's id.")],
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """End a pause now. Calls go on within two seconds."""
    run(config, lambda operations: operations.remove_pause(pause_id, actor=actor()))
    if as_json:
        print_json({"id": pause_id, "removed": True})
    else:
        typer.echo(f"Pause {pause_id} is removed.")
