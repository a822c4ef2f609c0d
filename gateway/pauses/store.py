"""Pauses, read from the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import RowMapping

from gateway.database import pauses as rows
from gateway.database.engine import Database
from gateway.pauses.rules import Pause


class PauseStore(Protocol):
    """What this room needs to know."""

    async def unended(self, now: float) -> Sequence[Pause]:
        """All pauses that end after ``now`` (seconds since the epoch)."""


class StoredPauses:
    """The pauses in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unended(self, now: float) -> Sequence[Pause]:
        """As ``PauseStore`` says it; ``StoreUnavailable``."""
        async with self._database.read() as connection:
            return [pause_of(row) for row in await rows.unended(connection, now)]


def pause_of(row: RowMapping) -> Pause:
    """A stored row as a value."""
    return Pause(row["id"], (row["environment"], row["customer"], row["element"]), row["reason"], row["ends_at"])
