"""``gateway sandbox``: the Cloud Elements stand-in on a port, until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.standin import address_in
from gateway.sandbox import Sandbox
from gateway.sandbox.seed import EVERYTHING
from gateway.sandbox.server import running
from gateway.settings import parse_address


def sandbox(
    listen: str | None = typer.Option(None, help="Address and port; port 0 lets the system choose.", show_default="127.0.0.1:9000"),
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Listen where the default environment of this configuration calls")
    ] = None,
    seed: int = typer.Option(7, help="The number from which customers, tokens and records are drawn."),
    limits: bool = typer.Option(False, "--limits", help="Refuse calls over each provider's own rate limits, in its own form."),
    everything: bool = typer.Option(
        False, "--everything", help=f"Seed one more customer, {EVERYTHING}, with an instance of every element of every hub."
    ),
    as_json: bool = typer.Option(False, "--json", help="Say what is served as one line of JSON."),
) -> None:
    """Run a stand-in for Cloud Elements, with seeded customers, until SIGINT or SIGTERM.

    It asks for the user secret sandbox-user and the organization secret sandbox-org. Everything lives in memory. Beside the API,
    GET /sandbox lists the routes that turn dials and limits, show what arrived, change data behind the API's back and reset.
    """
    if listen is not None and config is not None:
        raise typer.BadParameter("found both, expected one of them", param_hint="--listen, --config")
    try:
        host, port = address_in(config) if config is not None else parse_address("127.0.0.1:9000" if listen is None else listen)
    except ValueError as error:
        raise typer.BadParameter(f"expected {error}", param_hint="--listen") from None
    try:
        asyncio.run(_serve(Sandbox(seed, limits=limits, everything=everything), host, port, as_json))
    except OSError as error:
        where = f"[{host}]" if ":" in host else host
        typer.echo(f"Cannot listen on {where}:{port}: {error.strerror or type(error).__name__}", err=True)
        raise typer.Exit(1) from None


async def _serve(state: Sandbox, host: str, port: int, as_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(state, host, port) as url:
        typer.echo(_as_json(state, url) if as_json else _as_text(state, url))
        await stop.wait()


def _as_text(state: Sandbox, url: str) -> str:
    lines = [f"Sandbox at {url} (user secret {state.user_secret}, organization secret {state.organization_secret})"]
    lines += [f"  {customer}: {', '.join(elements)}" for customer, elements in state.customers().items()]
    return "\n".join(lines)


def _as_json(state: Sandbox, url: str) -> str:
    return json.dumps(
        {
            "url": url,
            "user_secret": state.user_secret,
            "organization_secret": state.organization_secret,
            "customers": {customer: list(elements) for customer, elements in state.customers().items()},
        }
    )
