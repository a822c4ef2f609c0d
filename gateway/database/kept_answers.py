"""Statements on the table of kept answers. Each takes the connection of an open read or transaction; rows are SQLAlchemy's mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.schema import kept_answers

_BATCH = 64


async def by_digest(connection: AsyncConnection, digest: bytes) -> RowMapping | None:
    return (await connection.execute(select(kept_answers).where(kept_answers.c.digest == digest))).mappings().first()


async def put(connection: AsyncConnection, row: Mapping[str, Any]) -> int:
    """Add ``row``, in place of one that is there; how many octets more are kept now."""
    there = delete(kept_answers).where(kept_answers.c.digest == row["digest"]).returning(kept_answers.c.octets)
    replaced: int = sum((await connection.execute(there)).scalars())
    await connection.execute(insert(kept_answers).values(dict(row)))
    return int(row["octets"]) - replaced


async def total(connection: AsyncConnection) -> int:
    """The octets of all rows. Reads every row, large ones in full: not for every call."""
    return int((await connection.execute(select(func.coalesce(func.sum(kept_answers.c.octets), 0)))).scalar_one())


async def remove_expired(connection: AsyncConnection, until: float, most: int) -> tuple[int, int]:
    """Remove the oldest rows made at ``until`` or before, at most ``most``: (rows, octets) that went."""
    oldest = select(kept_answers.c.digest).where(kept_answers.c.created_at <= until).order_by(kept_answers.c.created_at).limit(most)
    gone = delete(kept_answers).where(kept_answers.c.digest.in_(oldest)).returning(kept_answers.c.octets)
    octets = (await connection.execute(gone)).scalars().all()
    return len(octets), sum(octets)


async def remove_oldest(connection: AsyncConnection, excess: int) -> int:
    """Remove the oldest rows until ``excess`` octets, or all, are gone; the octets that went."""
    freed = 0
    while freed < excess:
        query = select(kept_answers.c.digest, kept_answers.c.octets).order_by(kept_answers.c.created_at, kept_answers.c.digest)
        oldest = (await connection.execute(query.limit(_BATCH))).all()
        if not oldest:
            break
        going = []
        for digest, octets in oldest:
            if freed >= excess:
                break
            going.append(digest)
            freed += octets
        await connection.execute(delete(kept_answers).where(kept_answers.c.digest.in_(going)))
    return freed


async def uses(connection: AsyncConnection, since: float = 0.0) -> dict[str, int]:
    """By the id of each master key: how many answers made after ``since`` (seconds since the epoch) are under it."""
    query = select(kept_answers.c.key_id, func.count()).where(kept_answers.c.created_at > since).group_by(kept_answers.c.key_id)
    return {row[0]: row[1] for row in await connection.execute(query)}


async def page(connection: AsyncConnection, *, after: bytes, limit: int, not_under: str | None = None) -> Sequence[RowMapping]:
    """At most ``limit`` rows whose digests come after ``after``; with ``not_under``, those under other master keys than this."""
    query = select(kept_answers).where(kept_answers.c.digest > after)
    if not_under is not None:
        query = query.where(kept_answers.c.key_id != not_under)
    return (await connection.execute(query.order_by(kept_answers.c.digest).limit(limit))).mappings().all()


async def change(connection: AsyncConnection, digest: bytes, values: Mapping[str, Any]) -> None:
    await connection.execute(update(kept_answers).where(kept_answers.c.digest == digest).values(dict(values)))
