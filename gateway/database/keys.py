"""Statements on the table of caller keys. Each takes the connection of an open read or transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.schema import caller_keys


async def by_id(connection: AsyncConnection, key_id: str) -> RowMapping | None:
    return (await connection.execute(select(caller_keys).where(caller_keys.c.id == key_id))).mappings().first()


async def every(connection: AsyncConnection) -> Sequence[RowMapping]:
    """All keys, the oldest first."""
    return (await connection.execute(select(caller_keys).order_by(caller_keys.c.created_at, caller_keys.c.id))).mappings().all()


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
