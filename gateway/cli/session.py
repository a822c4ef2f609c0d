"""How a command gets at the verbs: the configuration read, the database open, the vault with its keys where they are needed."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import typer
from pydantic import BaseModel

from gateway.config import load, master_keys
from gateway.database.engine import open_database
from gateway.errors import BadRequest
from gateway.instances.vault import Vault
from gateway.models import parse
from gateway.operations import Operations

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


def run(config_file: Path, do: Callable[[Operations], Awaitable[T]], *, secrets: bool = False) -> T:
    """What ``do`` returns. ``secrets``: it writes or reads secrets, so the master keys must be there.

    Raises ``ConfigError``, and ``UnusableDatabase`` naming ``gateway db upgrade`` where the database is missing or older.
    """
    config = load(config_file)
    vault = Vault(master_keys(config) if secrets else ())

    async def work() -> T:
        async with open_database(config.database_path()) as database:
            return await do(Operations(database, vault, config))

    return asyncio.run(work())


def actor() -> str:
    """Who works here, for the audit trail."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:{os.getuid()}"


def asked(model: type[M], options: Mapping[str, object]) -> M:
    """The options that were given as ``model``; wrong usage (exit status 2) if they do not fit."""
    try:
        return parse(model, {name: value for name, value in options.items() if value is not None and value != []})
    except BadRequest as error:
        raise typer.BadParameter(error.detail) from None
