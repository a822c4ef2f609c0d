"""``gateway limits``: the live budgets of a running gateway."""

from __future__ import annotations

import typer

from gateway.cli.output import GATEWAY_TOML, AsJson, ConfigFile, print_json, print_table
from gateway.cli.remote import CaFile, KeyFile, Url, connected

_COLUMNS = ("environment", "element", "scope", "key", "quota", "used", "remaining", "resets", "waiting")


def limits(
    *, url: Url = None, key_file: KeyFile = None, ca_file: CaFile = None, config: ConfigFile = GATEWAY_TOML, as_json: AsJson = False
) -> None:
    """Show every budget of which something is used, the scarcest first: what is left, and in how many seconds there will be more."""
    with connected(config, url, key_file, ca_file) as remote:
        page = remote.get("/limits")
        items = page["items"]
        while page["next_cursor"] is not None:
            page = remote.get("/limits", {"cursor": page["next_cursor"]})
            items += page["items"]
    if as_json:
        print_json({"items": items, "next_cursor": None})
    elif items:
        print_table(_COLUMNS, [[item[column] for column in _COLUMNS] for item in items])
    else:
        typer.echo("No budget is in use.")
