"""``gateway keys``: caller keys."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.output import GATEWAY_TOML, AsJson, ConfigFile, print_json, print_record, print_table
from gateway.cli.session import actor, asked, run
from gateway.models import CreatedKey, KeyQuery, KeyRotation, NewKey

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Caller keys: create, list, rotate, revoke.")


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="Whose key it is.")],
    environment: Annotated[list[str] | None, typer.Option(help="Where it may call; repeatable. [default: every environment]")] = None,
    customer: Annotated[list[str] | None, typer.Option(help="For which customers, a glob; repeatable. [default: *]")] = None,
    element: Annotated[list[str] | None, typer.Option(help="For which elements, a glob; repeatable. [default: *]")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="hub, platform:read, platform:write or admin; repeatable. [default: hub]")] = None,
    method: Annotated[list[str] | None, typer.Option(help="Which HTTP methods; repeatable. [default: every method]")] = None,
    priority: Annotated[str, typer.Option(help="interactive or batch.")] = "interactive",
    limit: Annotated[
        list[str] | None, typer.Option(help="How many of its calls may leave, such as 100/10s; repeatable. [default: any number]")
    ] = None,
    expires: Annotated[str | None, typer.Option(help="How long it lives, such as 90d. [default: for ever]")] = None,
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Make a caller key. Its text is shown this once."""
    new = asked(
        NewKey,
        {
            "name": name,
            "environments": environment,
            "customers": customer,
            "elements": element,
            "scopes": scope,
            "methods": [one.upper() for one in method or ()],
            "priority": priority,
            "limits": limit,
            "expires": expires,
        },
    )
    _print_created(run(config, lambda operations: operations.create_key(new, actor=actor())), as_json)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="How many, 1000 at most.")] = 1000,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended: its next_cursor.")] = None,
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Show caller keys, the oldest first, without their secrets."""
    query = asked(KeyQuery, {"limit": limit, "cursor": cursor})
    page = run(config, lambda operations: operations.list_keys(query))
    if as_json:
        print_json(page)
        return
    whose = ("id", "name", "environments", "customers", "elements", "methods", "scopes", "priority", "limits")
    columns = (*whose, "expires_at", "last_used_at")
    print_table(columns, [[getattr(key, column) for column in columns] for key in page.items])
    if page.next_cursor:
        typer.echo(f"There are more: --cursor {page.next_cursor}", err=True)


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")],
    overlap: Annotated[str, typer.Option(help="How long the old secret lives on.")] = "24h",
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Give a key a new secret. Its text is shown this once."""
    rotation = asked(KeyRotation, {"overlap": overlap})
    _print_created(run(config, lambda operations: operations.rotate_key(key_id, rotation, actor=actor())), as_json)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")], config: ConfigFile = GATEWAY_TOML, as_json: AsJson = False
) -> None:
    """Take a key away. Calls with it fail within two seconds."""
    run(config, lambda operations: operations.revoke_key(key_id, actor=actor()))
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        typer.echo(f"Key {key_id} is revoked.")


def _print_created(created: CreatedKey, as_json: bool) -> None:
    if as_json:
        print_json(created)
        return
    print_record(created.model_dump(exclude={"key"}))
    typer.echo(f"\nThe key itself, shown this once:\n\n{created.key}")
