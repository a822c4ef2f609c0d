"""``gateway trace``: one call with every decision, and what a support ticket about it needs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.output import GATEWAY_TOML, AsJson, ConfigFile, print_json, print_record, print_table, printable
from gateway.cli.remote import CaFile, KeyFile, Url, connected
from gateway.cli.support_bundle import bundle
from gateway.errors import Conflict

_TIMES = (("in all", "ms"), ("in the gateway", "own_ms"), ("waiting for the budget", "queue_ms"), ("upstream", "upstream_ms"))


class NoBundle(Conflict):
    """The bundle cannot be written"""


def trace(
    *,
    call_id: Annotated[str, typer.Argument(metavar="ID", help="The request id, Elements-Request-Id, or the id of the trace.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where --bundle writes. Else gateway-support-ID.json in this folder.")
    ] = None,
    as_bundle: Annotated[bool, typer.Option("--bundle", help="Write a file for a support ticket at Cloud Elements.")] = False,
    url: Url = None,
    key_file: KeyFile = None,
    ca_file: CaFile = None,
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Show a call that was made, each decision in order, and where its time went. The last 1000 are remembered.

    What --bundle writes is for others to read.

    In it: time, Elements-Request-Id, request and trace id, method, the path as
    Cloud Elements saw it, element key, the instance's number, statuses,
    providerMessage, durations, octets, what cache and budget did, the
    version of the gateway.

    Not in it: secrets, keys, tokens, handles, the query, header fields,
    bodies, decisions and reasons, environment, caller, email addresses, and
    the customer's name: a pseudonym stands there, the same each time.
    """
    if file is not None and not as_bundle:
        raise typer.BadParameter("a file is only written with --bundle", param_hint="FILE")
    with connected(config, url, key_file, ca_file) as remote:
        found = remote.get(f"/exchanges/{quote(call_id, safe='')}")
    if as_bundle:
        _write(found["items"], file or Path(f"gateway-support-{_harmless(call_id)}.json"), as_json)
    elif as_json:
        print_json(found)
    else:
        for number, item in enumerate(found["items"]):
            if number:
                typer.echo("")
            _print(item)


def _print(item: dict[str, Any]) -> None:
    left_out = {"decisions", *(name for _, name in _TIMES)}
    print_record({name: printable(value) for name, value in item.items() if name not in left_out})
    typer.echo("")
    rows = [[printable(decision[name]) for name in ("room", "decision", "reason")] for decision in item["decisions"]]
    print_table(("step", "decision", "reason"), rows)
    typer.echo("")
    spent = {label: float(item.get(name, 0.0)) for label, name in _TIMES}
    spent["the body on its way"] = max(0.0, 2 * item["ms"] - sum(spent.values())) if "own_ms" in item else 0.0
    print_table(("time", "ms"), [[label, f"{ms:.3f}"] for label, ms in spent.items()])


def _write(items: list[dict[str, Any]], file: Path, as_json: bool) -> None:
    text = json.dumps(bundle(items), indent=2, ensure_ascii=False) + "\n"
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise NoBundle(f"{file} is there already; name another file") from None
    except OSError as error:
        raise NoBundle(f"{file}: {error.strerror}") from None
    if as_json:
        print_json({"bundle": str(file), "calls": len(items)})
        return
    typer.echo(f"{file} holds what a support ticket needs. Read it before you hand it on.")
    if not any("elements_request_id" in item for item in items):
        typer.echo("Cloud Elements has given no id for this: the call may not have reached it.", err=True)


def _harmless(call_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", call_id).strip(".-")[:64] or "call"
