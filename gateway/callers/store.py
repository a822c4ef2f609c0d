"""Look-ups of caller keys, from a bounded memory before the database, and when each was last used."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import RowMapping

from gateway.callers.keys import CallerKey
from gateway.database import keys as rows
from gateway.database.engine import Database
from gateway.database.memory import Memory

_ID = re.compile(r"[a-z0-9]{12}")


class Keys:
    """The keys as calls need them. Answers may be as old as the last ``forget()``; ``database.engine.follow`` calls it."""

    def __init__(self, database: Database, size: int = 16_384, empty_size: int = 4096) -> None:
        self._database = database
        self._memory: Memory[str, CallerKey | None] = Memory(size, empty_size)
        self._used: dict[str, float] = {}
        self.generation = 0
        """How often everything was forgotten: what was said before may be true no more."""

    async def by_id(self, key_id: str) -> CallerKey | None:
        """The key, expired or not; ``StoreUnavailable`` if it can neither be remembered nor read."""
        if not _ID.fullmatch(key_id):
            return None

        async def load() -> CallerKey | None:
            async with self._database.read() as connection:
                row = await rows.by_id(connection, key_id)
            return None if row is None else key_of(row)

        return await self._memory.look_up(key_id, load)

    def used(self, key_id: str, now: float) -> None:
        """The key was used at ``now`` (seconds since the epoch); written at the next ``flush``."""
        self._used[key_id] = max(now, self._used.get(key_id, now))

    async def flush(self) -> None:
        """Write when each key was last used. ``StoreUnavailable``: nothing is lost, the next flush writes it."""
        pending, self._used = self._used, {}
        if not pending:
            return
        try:
            async with self._database.write(quiet=True) as connection:
                await rows.used(connection, pending)
        except BaseException:
            for key_id, at in pending.items():
                self.used(key_id, at)
            raise

    def forget(self) -> None:
        """Read anew what is asked from now on."""
        self._memory.forget()
        self.generation += 1


def key_of(row: RowMapping) -> CallerKey:
    """A stored row as a value."""
    values: dict[str, Any] = {str(name): tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return CallerKey(**values)
