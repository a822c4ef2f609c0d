"""``gateway cache``: what the cache of a running gateway holds, and how to make it forget."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.output import GATEWAY_TOML, AsJson, ConfigFile, print_json, print_record, print_table
from gateway.cli.remote import CaFile, KeyFile, Url, connected
from gateway.cli.session import asked
from gateway.reports import Purge

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The cache of a running gateway: purge, stats.")


@app.command()
def purge(
    *,
    environment: Annotated[str | None, typer.Option(help="Only of this environment.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only of this customer.")] = None,
    element: Annotated[str | None, typer.Option(help="Only of this element.")] = None,
    path: Annotated[
        str | None, typer.Option(help="Only this path behind /elements/api-v2, without the hub, and all below: /contacts, /contacts/7.")
    ] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Drop all; needed where nothing else is said.")] = False,
    url: Url = None,
    key_file: KeyFile = None,
    ca_file: CaFile = None,
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Drop answers from the cache and say how many went. What is given narrows it; an answer on its way is not stored either."""
    wanted = {"environment": environment, "customer": customer, "element": element, "path": path}
    narrowed = any(value is not None for value in wanted.values())
    if everything and narrowed:
        raise typer.BadParameter("found it beside what narrows it; say one or the other", param_hint="--everything")
    if not everything and not narrowed:
        raise typer.BadParameter("say what to drop, or --everything", param_hint="--everything")
    asked(Purge, wanted)
    with connected(config, url, key_file, ca_file) as remote:
        answer = remote.call("POST", "/cache:purge", body={name: value for name, value in wanted.items() if value is not None})
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{answer['purged']} dropped")


@app.command()
def stats(
    *, url: Url = None, key_file: KeyFile = None, ca_file: CaFile = None, config: ConfigFile = GATEWAY_TOML, as_json: AsJson = False
) -> None:
    """Show how much the cache holds, and how many calls it has saved."""
    with connected(config, url, key_file, ca_file) as remote:
        report = remote.get("/cache")
    if as_json:
        print_json(report)
        return
    saved = report.pop("saved")
    print_record(report)
    if saved:
        typer.echo()
        print_table(("environment", "element", "calls saved"), [(*where.split("/", 1), number) for where, number in saved.items()])
