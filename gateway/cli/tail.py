"""``gateway tail``: follow calls as they end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from gateway.cli.output import GATEWAY_TOML, AsJson, ConfigFile
from gateway.cli.remote import CaFile, KeyFile, Remote, Unreachable, Url, connected
from gateway.cli.session import asked
from gateway.errors import GatewayError
from gateway.reports import ExchangeFollow

_WAIT_S = 25
_PAUSE_S = 0.5
_MOST = 200  # in one answer: so the gateway is not held up by making it

Show = Callable[[list[dict[str, Any]]], None]


def tail(
    *,
    customer: Annotated[str | None, typer.Option(help="Only this customer.")] = None,
    element: Annotated[str | None, typer.Option(help="Only this element.")] = None,
    environment: Annotated[str | None, typer.Option(help="Only this environment.")] = None,
    caller: Annotated[str | None, typer.Option(metavar="ID", help="Only the caller key with this id.")] = None,
    status: Annotated[str | None, typer.Option(help="Only these statuses, such as 429 or 404,5xx.")] = None,
    cache: Annotated[str | None, typer.Option(help="Only hit, stale, revalidated, miss or bypass.")] = None,
    min_ms: Annotated[float | None, typer.Option(metavar="N", help="Only what took so many milliseconds.")] = None,
    path: Annotated[
        str | None,
        typer.Option(metavar="GLOB", help="Only these paths behind /elements/api-v2, with or without the hub; ** crosses slashes."),
    ] = None,
    last: Annotated[int, typer.Option(metavar="N", help="Begin with the last N, 1000 at most.")] = 0,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Below each call, what was decided on its way, and why.")] = False,
    url: Url = None,
    key_file: KeyFile = None,
    ca_file: CaFile = None,
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Follow calls live, a line each, until Ctrl-C. With --json: an object a line, as the admin API shows it.

    A gateway that restarts is waited for. What else there is to say (calls missed, a restart) goes to standard error.
    """
    filters = {
        "customer": customer,
        "element": element,
        "environment": environment,
        "caller": caller,
        "status": status,
        "cache": cache,
        "min_ms": min_ms,
        "path": path,
    }
    asked(ExchangeFollow, {**filters, "last": last})
    try:
        with connected(config, url, key_file, ca_file) as remote:
            follow(remote, {**filters, "last": last}, _printing_json() if as_json else _printing_lines(verbose))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def follow(remote: Remote, query: Mapping[str, object], show: Show) -> None:
    """Hand every call that fits ``query`` to ``show``, for ever, and say on standard error what happens beside.

    Raises ``GatewayError`` where the first answer does not come, and later where the gateway refuses to answer.
    """
    news = remote.get("/exchanges:follow", query)
    lost = False
    while True:
        if news["restarted"]:
            _say("… the gateway has started anew; calls that ended before that and were not shown are forgotten")
        elif lost:
            _say("… the gateway answers again")
        lost = False
        if news["missed"]:
            _say(f"… {news['missed']} calls missed")
        show(news["items"])
        more = {**query, "last": None, "cursor": news["next_cursor"], "wait": _WAIT_S, "limit": _MOST}
        while True:
            try:
                news = remote.get("/exchanges:follow", more, wait_s=_WAIT_S)
                break
            except GatewayError as error:
                if not isinstance(error, Unreachable) and error.status < 500:
                    raise
            if not lost:
                _say("… the gateway does not answer; waiting for it")
            lost = True
            time.sleep(_PAUSE_S)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _printing_json() -> Show:
    def show(items: list[dict[str, Any]]) -> None:
        for item in items:
            sys.stdout.write(json.dumps(item, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    return show


def _printing_lines(verbose: bool) -> Show:
    from gateway.cli.tail_lines import printing  # noqa: PLC0415  (rich is slow to import, --json needs none of it)

    return printing(verbose=verbose)
