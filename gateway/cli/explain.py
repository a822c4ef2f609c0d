"""``gateway explain``: what would happen to a call, without making it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gateway.cli.output import GATEWAY_TOML, AsJson, ConfigFile, print_json, print_record, print_table
from gateway.cli.remote import CaFile, KeyFile, Url, connected
from gateway.cli.session import asked
from gateway.reports import Question


def explain(
    *,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Behind /elements/api-v2, with its query: /hubs/crm/contacts?pageSize=5")],
    method: Annotated[str, typer.Option("-X", "--method", help="The call's method.")] = "GET",
    environment: Annotated[str | None, typer.Option(help="As Gateway-Environment.")] = None,
    customer: Annotated[str | None, typer.Option(help="As Gateway-Customer.")] = None,
    element: Annotated[str | None, typer.Option(help="As Gateway-Element.")] = None,
    instance: Annotated[str | None, typer.Option(help="As Gateway-Instance.")] = None,
    header: Annotated[list[str] | None, typer.Option("-H", "--header", metavar="'NAME: VALUE'", help="A further field.")] = None,
    key: Annotated[str | None, typer.Option(metavar="ID", help="The id of the caller key. Else: of one that may do everything.")] = None,
    url: Url = None,
    key_file: KeyFile = None,
    ca_file: CaFile = None,
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Show for whom a call would be, what the cache would do and by which rule, whether the budget lets it leave, and what would be sent.

    Nothing is sent, stored or spent. A call that would be refused ends with that problem.
    """
    told = {"environment": environment, "customer": customer, "element": element, "instance": instance, "key": key}
    question: dict[str, Any] = {name: value for name, value in told.items() if value is not None} | {"method": method.upper(), "path": path}
    question["headers"] = dict(map(_field, header or ()))
    asked(Question, question)
    with connected(config, url, key_file, ca_file) as remote:
        found = remote.call("POST", "/explain", body=question)
    if as_json:
        print_json(found)
        return
    for title, section in found.items():
        _print_section(title, section)


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise typer.BadParameter("expected NAME: VALUE", param_hint="--header")
    return name.strip(), value.strip()


def _print_section(title: str, section: Mapping[str, Any] | None) -> None:
    typer.secho(title, bold=True)
    if section is None:
        typer.echo("  nothing leaves\n")
        return
    flat = _flat(section)
    if flat:
        print_record({f"  {name}": value for name, value in flat.items()})
    for name in ("quotas", "fields"):
        rows = section.get(name)
        if isinstance(rows, list) and rows:
            columns = tuple(rows[0]) if isinstance(rows[0], dict) else ("field", "value")
            print_table(columns, [list(row.values()) if isinstance(row, dict) else row for row in rows])
    typer.echo()


def _flat(section: Mapping[str, Any]) -> dict[str, Any]:
    """Sections within a section stand in front of what is in them: ``stored.age``."""
    flat: dict[str, Any] = {}
    for name, value in section.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": one for inner, one in _flat(value).items()}
        elif name not in ("quotas", "fields") or not isinstance(value, list):
            flat[name] = value
    return flat
