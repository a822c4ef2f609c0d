"""Statements on the table of caller keys. Each takes the connection of an open read or transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.schema import caller_keys

ORDER = ("created_at", "id")
"""The order of every list: the oldest first."""

_order = tuple(caller_keys.c[name] for name in ORDER)


async def by_id(connection: AsyncConnection, key_id: str) -> RowMapping | None:
    return (await connection.execute(select(caller_keys).where(caller_keys.c.id == key_id))).mappings().first()


async def page(connection: AsyncConnection, *, after: tuple[float, str] | None, limit: int) -> Sequence[RowMapping]:
    """At most ``limit`` keys behind the one with the ``ORDER`` values ``after``."""
    query = select(caller_keys)
    if after is not None:
        query = query.where(tuple_(*_order) > tuple(after))
    return (await connection.execute(query.order_by(*_order).limit(limit))).mappings().all()


async def add(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    await connection.execute(insert(caller_keys).values(dict(row)))


async def change(connection: AsyncConnection, key_id: str, values: Mapping[str, Any]) -> None:
    await connection.execute(update(caller_keys).where(caller_keys.c.id == key_id).values(dict(values)))


async def used(connection: AsyncConnection, times: Mapping[str, float]) -> None:
    """Remember when each key was last used, unless a later time is known (several processes write this)."""
    later = func.max(func.coalesce(caller_keys.c.last_used_at, 0.0), bindparam("at"))
    statement = update(caller_keys).where(caller_keys.c.id == bindparam("key")).values(last_used_at=later)
    await connection.execute(statement, [{"key": key_id, "at": at} for key_id, at in times.items()])


async def remove(connection: AsyncConnection, key_id: str) -> bool:
    """Whether there was one."""
    return (await connection.execute(delete(caller_keys).where(caller_keys.c.id == key_id))).rowcount > 0
