"""``gateway instances``: mappings. A token is read from a file, standard input or a hidden prompt, never from an argument."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import GATEWAY_TOML, AsJson, ConfigFile, print_json, print_record, print_table
from gateway.cli.session import actor, asked, run
from gateway.errors import BadRequest
from gateway.models import ImportReport, InstanceQuery, MappedInstance, NewInstance
from gateway.operations import Format, Operations, Progress

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Mappings: add, list, show, remove, import, export.")

Handle = Annotated[str, typer.Argument(metavar="HANDLE", help="The mapping's handle, gwi_….")]
_STDIN = Path("-")


@app.command()
def add(
    *,
    environment: Annotated[str, typer.Option(help="A configured environment.")],
    customer: Annotated[str, typer.Option(help="The customer, as our own services name it.")],
    element: Annotated[str, typer.Option(help="The element key, such as hubspot.")],
    token_file: Annotated[Path | None, typer.Option(help="Where the token is; - for standard input. [default: ask]")] = None,
    instance_id: Annotated[int | None, typer.Option(help="The instance's number at Cloud Elements.")] = None,
    hub: Annotated[str | None, typer.Option(help="The element's hub, such as crm.")] = None,
    name: Annotated[str | None, typer.Option(help="Tells several instances of one customer and element apart.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="For people; repeatable.")] = None,
    group: Annotated[str | None, typer.Option(help="Shares a budget with others of that group.")] = None,
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Map a customer to an element instance and its token."""
    new = asked(
        NewInstance,
        {
            "environment": environment,
            "customer": customer,
            "element": element,
            "token": _token(token_file),
            "instance_id": instance_id,
            "hub": hub,
            "name": name,
            "tags": tag,
            "group": group,
        },
    )
    _print(run(config, lambda operations: operations.add_instance(new, actor=actor()), secrets=True), as_json)


@app.command("list")
def list_(
    environment: Annotated[str | None, typer.Option(help="Only this environment.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer.")] = None,
    element: Annotated[str | None, typer.Option(help="Only this element.")] = None,
    state: Annotated[str | None, typer.Option(help="Only active, disabled or needs_authorization.")] = None,
    limit: Annotated[int, typer.Option(help="How many, 1000 at most.")] = 100,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended: its next_cursor.")] = None,
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Show mappings, without their tokens."""
    wanted = {"environment": environment, "customer": customer, "element": element, "state": state}
    query = asked(InstanceQuery, {**wanted, "limit": limit, "cursor": cursor})
    page = run(config, lambda operations: operations.list_instances(query))
    if as_json:
        print_json(page)
        return
    columns = ("handle", "environment", "customer", "element", "name", "hub", "instance_id", "tags", "group", "state")
    print_table(columns, [[getattr(instance, column) for column in columns] for instance in page.items])
    if page.next_cursor:
        typer.echo(f"There are more: --cursor {page.next_cursor}", err=True)


@app.command()
def show(handle: Handle, config: ConfigFile = GATEWAY_TOML, as_json: AsJson = False) -> None:
    """Show one mapping, without its token."""
    _print(run(config, lambda operations: operations.get_instance(handle)), as_json)


@app.command()
def remove(handle: Handle, config: ConfigFile = GATEWAY_TOML, as_json: AsJson = False) -> None:
    """Take a mapping away. Calls for it fail within two seconds."""
    run(config, lambda operations: operations.delete_instance(handle, actor=actor()))
    if as_json:
        print_json({"handle": handle, "removed": True})
    else:
        typer.echo(f"Mapping {handle} is removed.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="NDJSON or CSV with the fields of `instances add` and `token`; - for standard input.")],
    form: Annotated[Format | None, typer.Option("--format", help="[default: by the file's name, else ndjson]")] = None,
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Add many mappings, all or none, with a report by line."""
    form = form or ("csv" if file.suffix.lower() == ".csv" else "ndjson")
    text = _text(file, "FILE")

    async def work(operations: Operations) -> ImportReport:
        with _progress("Importing") as advance:
            return await operations.import_instances(text, form, actor=actor(), progress=advance)

    try:
        report = run(config, work, secrets=True)
    except BadRequest as error:
        if as_json:
            print_json(error.extra)
        else:
            for line in error.extra["errors"]:
                typer.echo(f"line {line['line']}: {line['error']}", err=True)
        raise
    if as_json:
        print_json(report)
    else:
        typer.echo(f"{report.imported} mappings are imported.")


@app.command("export")
def export(
    output: Annotated[Path | None, typer.Option(help="Where to write. [default: standard output]")] = None,
    form: Annotated[Format, typer.Option("--format", help="One object a line, or one row a line.")] = "ndjson",
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Write all mappings, without their tokens."""
    if as_json and form == "csv":
        raise typer.BadParameter("--json and --format csv contradict each other")

    async def work(operations: Operations) -> None:
        total = await operations.count_instances()
        stream = output.open("w", encoding="utf-8", newline="") if output else sys.stdout
        try:
            with _progress("Exporting") as advance:
                done = 0
                async for line in operations.export_instances(form):
                    stream.write(line)
                    done += 1
                    advance(done, total)
        finally:
            if output:
                stream.close()

    run(config, work)


def _print(instance: MappedInstance, as_json: bool) -> None:
    if as_json:
        print_json(instance)
    else:
        print_record(instance.model_dump())


def _token(file: Path | None) -> str:
    if file is not None:
        return _text(file, "--token-file").strip()
    if not sys.stdin.isatty():
        raise typer.BadParameter("say where the token is: a file, or - for standard input", param_hint="--token-file")
    return str(typer.prompt("Token", hide_input=True, err=True))


def _text(file: Path, hint: str) -> str:
    try:
        octets = sys.stdin.buffer.read() if file == _STDIN else file.read_bytes()
        return octets.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise typer.BadParameter(f"{file} cannot be read ({reason})", param_hint=hint) from None


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """A bar on standard error, if somebody watches."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
