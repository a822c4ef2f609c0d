"""``gateway init``: a folder to start from. All of it or nothing, and nothing is overwritten."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import GATEWAY_TOML, AsJson, ConfigFile, print_json
from gateway.cli.sample import SAMPLE
from gateway.cli.session import actor
from gateway.config import load, master_keys
from gateway.database.engine import open_database, upgrade
from gateway.errors import GatewayError
from gateway.instances.vault import Vault
from gateway.models import NewKey
from gateway.operations import Operations
from gateway.settings import Config


class InitError(GatewayError):
    """Nothing was written"""


def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where; made if it is not there.")] = Path(),
    config: ConfigFile = GATEWAY_TOML,
    as_json: AsJson = False,
) -> None:
    """Write a commented configuration, a master key and a database, and make the first admin key, shown this once."""
    path = directory / config
    with _all_or_nothing() as undo:
        key = _make(path, undo)
    if as_json:
        print_json({"config": str(path), "admin_key": key})
        return
    typer.echo(f"Wrote {path}, with a master key and a database beside it.")
    typer.echo("Keep a copy of the master key elsewhere: without it the stored tokens are lost.")
    typer.echo(f"\nThe admin key, shown this once:\n\n{key}\n")
    typer.echo(f"Next: put the secrets that {path.name} names into the environment, then `gateway serve -c {path}`.")


def _make(path: Path, undo: ExitStack) -> str:
    try:
        _make_folder(path.parent, undo)
        _write(path, SAMPLE, 0o644, undo)
        config = load(path)
        master = base64.b64encode(secrets.token_bytes(32)).decode()
        _write(path.parent / "master.keys", f"k1:{master}\n", 0o600, undo)
        database = config.database_path()
        for suffix in ("", "-wal", "-shm"):  # the log of a lost database would be taken for the new one's
            _write(Path(f"{database}{suffix}"), "", 0o600, undo)
        for suffix in ("-wal", "-shm"):
            Path(f"{database}{suffix}").unlink()
        upgrade(database)
    except FileExistsError as error:
        raise InitError(f"{error.filename} is there already, and nothing is overwritten") from None
    except OSError as error:
        raise InitError(f"{error.filename} cannot be written ({error.strerror})") from None
    return asyncio.run(_admin_key(config))


async def _admin_key(config: Config) -> str:
    async with open_database(config.database_path()) as database:
        operations = Operations(database, Vault(master_keys(config)), config)
        created = await operations.create_key(NewKey(name="admin", scopes=["admin"]), actor=actor())
        return created.key


@contextmanager
def _all_or_nothing() -> Iterator[ExitStack]:
    """What is registered with the stack is done if the block fails, the last first."""
    with ExitStack() as undo:
        yield undo
        undo.pop_all()


def _make_folder(folder: Path, undo: ExitStack) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir()
        undo.callback(_remove_folder, one)


def _remove_folder(folder: Path) -> None:
    with suppress(OSError):  # somebody put something into it
        folder.rmdir()


def _write(path: Path, text: str, mode: int, undo: ExitStack) -> None:
    # O_EXCL: made here and now, or FileExistsError; never opened with a wider mode first.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    undo.callback(path.unlink, missing_ok=True)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
