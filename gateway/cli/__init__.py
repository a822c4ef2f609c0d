"""The command line (contract 5): one file per command group, loaded when it is asked for.

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from gateway import __version__
from gateway.cli.output import log_to_stderr, reporting

_COMMANDS = {
    "init": ("gateway.cli.init", "init", "Write a configuration, a master key and a database, and make the first admin key."),
    "serve": ("gateway.cli.serve", "serve", "Run the gateway until SIGTERM."),
    "demo": ("gateway.cli.demo", "demo", "Run sandbox and gateway together and make calls through them."),
    "sandbox": ("gateway.cli.sandbox", "sandbox", "Run a stand-in for Cloud Elements."),
    "check": ("gateway.cli.check", "check", "Check configuration, database and vault."),
    "keys": ("gateway.cli.keys", "app", "Caller keys: create, list, rotate, revoke."),
    "instances": ("gateway.cli.instances", "app", "Mappings: add, list, show, remove, import, export."),
    "pauses": ("gateway.cli.pauses", "app", "Pauses, which stop calls for a time: add, list, remove."),
    "elements": ("gateway.cli.elements", "app", "Presets: list, show."),
    "tail": ("gateway.cli.tail", "tail", "Follow calls live."),
    "trace": ("gateway.cli.trace", "trace", "Show a call that was made; write a bundle for support."),
    "explain": ("gateway.cli.explain", "explain", "Show what would happen to a call, without making it."),
    "cache": ("gateway.cli.cache", "app", "The cache of a running gateway: purge, stats."),
    "limits": ("gateway.cli.limits", "limits", "Show the live budgets of a running gateway."),
    "vault": ("gateway.cli.vault", "app", "The vault: rotate, status."),
    "db": ("gateway.cli.db", "app", "The database: upgrade."),
}


class _Commands(TyperGroup):
    """Names and help come from the table; only the command that runs is imported."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return TyperCommand(cmd_name, help=_COMMANDS[cmd_name][2]) if cmd_name in _COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, _loaded(name) if name and command else command, rest

    def invoke(self, ctx: Any) -> Any:
        with reporting(ctx):
            return super().invoke(ctx)


def _loaded(name: str) -> Any:
    module, attribute, _ = _COMMANDS[name]
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(name)(function)
    return typer.main.get_command(found)


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"gateway {__version__}")
        raise typer.Exit


@app.callback()
def _gateway(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version and exit.")) -> None:
    """One local URL through which a company's services reach Cloud Elements."""
    log_to_stderr()


def main() -> None:
    """The console script ``gateway``."""
    app(prog_name="gateway")
