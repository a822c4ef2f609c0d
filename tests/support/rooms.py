"""Rooms of the gateway put together as ``gateway/app.py`` does it, for tests that need no server. Nothing here stands in for one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.database.engine import Database, open_database, upgrade
from gateway.exchange import Environment, Instance
from gateway.limits import Limits
from gateway.limits.quota import parse_quota
from gateway.limits.rules import Rules
from gateway.limits.store import Policy
from gateway.secret import Secret
from gateway.upstream.client import Client
from gateway.upstream.credentials import Credentials, InstanceBook
from gateway.upstream.guards import Guards, GuardSettings
from gateway.upstream.probing import Prober
from gateway.upstream.sender import Sender


class Mappings:
    """An ``InstanceBook`` in memory."""

    def __init__(self, *instances: Instance) -> None:
        self._rows = {instance.handle: instance for instance in instances}

    async def by_handle(self, handle: str) -> Instance | None:
        return self._rows.get(handle)

    async def withdraw(self, handle: str, *, unauthorized: bool) -> None:
        self._rows[handle] = replace(self._rows[handle], needs_authorization=unauthorized)

    async def replace_token(self, handle: str, token: Secret) -> None:
        self._rows[handle] = replace(self._rows[handle], token=token)


def budget(*texts: str) -> Callable[[str], Rules]:
    """The same quotas for every element; none: no limit."""
    rules = Rules(Policy(tuple(parse_quota(text) for text in texts)))
    return lambda _: rules


@asynccontextmanager
async def open_sender(
    client: Client, environment: Environment, limits: Limits, book: InstanceBook, settings: GuardSettings | None = None
) -> AsyncIterator[Sender]:
    """A sender to one environment, which probes 401s over ``client``; every element is called as ``settings`` say."""
    held = settings or GuardSettings()
    prober = Prober(client, lambda _: None, time.monotonic, time.time)
    credentials = Credentials({environment.name: environment}, prober.ask, book, time.monotonic, time.time)
    try:
        yield Sender(client, limits, Guards(lambda _: held), credentials, time.monotonic, time.time)
    finally:
        await credentials.close()
        await limits.close()


@asynccontextmanager
async def open_new_database() -> AsyncIterator[Database]:
    """An empty database, gone at the end: for scenes that are opened where there is no ``tmp_path``."""
    with TemporaryDirectory() as folder:
        upgrade(Path(folder) / "gateway.db")
        async with open_database(Path(folder) / "gateway.db") as database:
            yield database
