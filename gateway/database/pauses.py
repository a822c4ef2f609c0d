"""Statements on the table of pauses. Each takes the connection of an open read or transaction; times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, delete, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.schema import pauses

ORDER = ("created_at", "id")
"""The order of every list, backwards: the newest first."""

_order = tuple(pauses.c[name] for name in ORDER)


async def by_id(connection: AsyncConnection, pause_id: str, now: float) -> RowMapping | None:
    """The pause, if it ends after ``now``."""
    query = select(pauses).where(pauses.c.id == pause_id, pauses.c.ends_at > now)
    return (await connection.execute(query)).mappings().first()


async def unended(
    connection: AsyncConnection, now: float, *, after: tuple[float, str] | None = None, limit: int | None = None
) -> Sequence[RowMapping]:
    """At most ``limit`` pauses that end after ``now``, behind the one with the ``ORDER`` values ``after``."""
    query = select(pauses).where(pauses.c.ends_at > now)
    if after is not None:
        query = query.where(tuple_(*_order) < tuple(after))
    return (await connection.execute(query.order_by(*(column.desc() for column in _order)).limit(limit))).mappings().all()


async def total(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.count()).select_from(pauses))).scalar_one())


async def add(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    await connection.execute(insert(pauses).values(dict(row)))


async def remove(connection: AsyncConnection, pause_id: str) -> None:
    await connection.execute(delete(pauses).where(pauses.c.id == pause_id))


async def remove_ended(connection: AsyncConnection, now: float) -> None:
    """Nobody asks for them any more."""
    await connection.execute(delete(pauses).where(pauses.c.ends_at <= now))
