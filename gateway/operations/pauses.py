"""The verbs on pauses."""

from __future__ import annotations

import secrets
import string
from typing import Any

from sqlalchemy import RowMapping

from gateway.database import pauses as rows
from gateway.errors import Conflict, NotFound
from gateway.models import NewPause, PausePage, PauseQuery, ShownPause
from gateway.operations.base import Verbs, audit, moment
from gateway.operations.paging import cursor_of, position_of
from gateway.pauses.rules import MOST

_LOWER = string.ascii_lowercase + string.digits
# What does not exist is not repeated: a secret may have been sent in the place of an id.
_NOTHING = "no pause that is in force has this id"


class NoPause(NotFound):
    """There is no such pause"""


class PauseVerbs(Verbs):
    """Add, list, get, remove. Pauses that have ended are none, and their rows go at the next write."""

    async def add_pause(self, new: NewPause, *, actor: str) -> ShownPause:
        """The new pause. ``UnknownEnvironment``; ``Conflict`` where there are too many."""
        if new.environment is not None:
            self._require_environments([new.environment])
        now = self._clock()
        row: dict[str, Any] = {
            **new.model_dump(exclude={"for_"}),
            "id": "".join(secrets.choice(_LOWER) for _ in range(12)),
            "created_at": now,
            "ends_at": now + new.for_,
        }
        async with self._database.write() as connection:
            await rows.remove_ended(connection, now)
            if await rows.total(connection) >= MOST:
                raise Conflict(f"{MOST} pauses are in force, and there cannot be more: remove one first")
            await rows.add(connection, row)
        scope = {name: row[name] for name in ("environment", "customer", "element")}
        audit(actor, "pause.add", row["id"], **scope, for_s=new.for_)
        return shown(row)

    async def list_pauses(self, query: PauseQuery | None = None) -> PausePage:
        """A page of those in force. ``BadRequest`` if the cursor is none of ours."""
        query = query or PauseQuery()
        after = position_of(query.cursor, float, str)
        async with self._database.read() as connection:
            found = await rows.unended(connection, self._clock(), after=after, limit=query.limit + 1)
        more, found = len(found) > query.limit, found[: query.limit]
        behind = cursor_of([found[-1][name] for name in rows.ORDER]) if more else None
        return PausePage(items=[shown(row) for row in found], next_cursor=behind)

    async def get_pause(self, pause_id: str) -> ShownPause:
        """One that is in force. ``NotFound``."""
        async with self._database.read() as connection:
            row = await rows.by_id(connection, pause_id, self._clock())
        if row is None:
            raise NoPause(_NOTHING)
        return shown(row)

    async def remove_pause(self, pause_id: str, *, actor: str) -> None:
        """The pause is gone: calls go on. ``NotFound``."""
        now = self._clock()
        async with self._database.write() as connection:
            if await rows.by_id(connection, pause_id, now) is None:
                raise NoPause(_NOTHING)
            await rows.remove(connection, pause_id)
            await rows.remove_ended(connection, now)
        audit(actor, "pause.remove", pause_id)


def shown(row: RowMapping | dict[str, Any]) -> ShownPause:
    """A row as people see it."""
    plain = ("id", "environment", "customer", "element", "reason")
    return ShownPause(**{name: row[name] for name in plain}, created_at=moment(row["created_at"]), ends_at=moment(row["ends_at"]))
