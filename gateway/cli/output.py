"""What commands print: JSON or tables on standard output, errors and the audit trail on standard error, and never a value of ours
that nobody asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.unloaded import without
from gateway.errors import GatewayError

with without("rich"):  # for tracebacks in colour, which do not happen here: 3 MiB
    import structlog

if TYPE_CHECKING:
    from pydantic import BaseModel

    from gateway.config import ConfigError

_JSON = "gateway.json"


def _remember(ctx: typer.Context, as_json: bool) -> bool:
    ctx.meta[_JSON] = as_json
    return as_json


ConfigFile = Annotated[Path, typer.Option("-c", "--config", help="The configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", is_eager=True, callback=_remember, help="Print JSON.")]
GATEWAY_TOML = Path("gateway.toml")


@contextmanager
def reporting(ctx: Any) -> Iterator[None]:
    """Turn errors into lines on standard error and an exit status. Of an unforeseen one only the kind and the place are shown:
    its text, and the values on the way there, could hold a secret."""
    from gateway.config import ConfigError  # noqa: PLC0415  (pydantic is slow to import, --help needs none of it)

    try:
        yield
    except ConfigError as error:
        _print_mistakes(error)
        raise typer.Exit(2) from None
    except GatewayError as error:
        _print_problem(error, as_json=ctx.meta.get(_JSON, False))
        raise typer.Exit(1) from None
    except (typer.TyperException, typer.Exit, typer.Abort, BrokenPipeError, EOFError):
        raise
    except Exception as error:
        typer.echo(f"error: {type(error).__name__} at {_place(error)}", err=True)
        raise typer.Exit(1) from None


def _print_mistakes(error: ConfigError) -> None:
    for problem in error.problems:
        typer.echo(problem, err=True)


def _print_problem(error: GatewayError, *, as_json: bool) -> None:
    if as_json:
        from gateway.server.problems import document  # noqa: PLC0415  (the server is no part of most commands)

        problem = {name: value for name, value in document(error, "").items() if name != "requestId"}
        typer.echo(json.dumps(problem, ensure_ascii=False), err=True)
        return
    typer.echo(f"error: {error.title}: {error.detail}" if error.detail else f"error: {error.title}", err=True)


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"


def log_to_stderr() -> None:
    """One JSON line an event on standard error, as it is when the event happens."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def print_json(value: BaseModel | dict[str, Any]) -> None:
    """``value`` as one line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value.model_dump_json())


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table; as wide as it needs to be where standard output is not a terminal."""
    from rich.console import Console  # noqa: PLC0415  (slow to import)
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0)  # the first is the one that people copy
    for row in rows:
        table.add_row(*(Text(shown(cell), overflow="fold") for cell in row))
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=100_000)
    console.print(table)


def print_record(fields: dict[str, Any]) -> None:
    """One thing, a line a field."""
    width = max(map(len, fields))
    for name, value in fields.items():
        typer.echo(f"{name:<{width}}  {shown(value)}".rstrip())


def printable(value: object) -> str:
    """A value from elsewhere, unable to steer a terminal."""
    text = str(value)
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def shown(value: object) -> str:
    """A value as people read it."""
    from datetime import datetime  # noqa: PLC0415

    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
