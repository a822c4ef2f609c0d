"""Statements on the table of mappings. Each takes the connection of an open read or transaction; rows are SQLAlchemy's mappings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, case, delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.schema import instances

ORDER = ("environment", "customer", "element", "name")
"""Unique together; the order of every list."""

KEY_ID = {"token": "token_key_id", "event_signature_key": "event_signature_key_id"}
"""Beside each secret: the column that names its master key."""

_order = tuple(instances.c[name] for name in ORDER)
_state = case((instances.c.disabled, "disabled"), (instances.c.unauthorized_at.is_not(None), "needs_authorization"), else_="active")
_filters = {**instances.c, "state": _state}


def state_of(row: Mapping[Any, Any]) -> str:
    """``active``, ``disabled`` or ``needs_authorization``, as the statements here see it."""
    if row["disabled"]:
        return "disabled"
    return "active" if row["unauthorized_at"] is None else "needs_authorization"


async def by_handle(connection: AsyncConnection, handle: str) -> RowMapping | None:
    return (await connection.execute(select(instances).where(instances.c.handle == handle))).mappings().first()


async def of_customer(connection: AsyncConnection, environment: str, customer: str) -> Sequence[RowMapping]:
    query = select(instances).where(instances.c.environment == environment, instances.c.customer == customer).order_by(*_order)
    return (await connection.execute(query)).mappings().all()


async def handle_by_digest(connection: AsyncConnection, environment: str, digests: Collection[bytes]) -> str | None:
    """The oldest mapping with such a token."""
    query = (
        select(instances.c.handle)
        .where(instances.c.environment == environment, instances.c.token_digest.in_(digests))
        .order_by(instances.c.created_at, instances.c.handle)
        .limit(1)
    )
    found: str | None = (await connection.execute(query)).scalar()
    return found


async def numbered(connection: AsyncConnection, environment: str, instance_id: int) -> Sequence[str]:
    """The handles of the mappings that state this number."""
    found = await connection.execute(
        select(instances.c.handle).where(instances.c.environment == environment, instances.c.instance_id == instance_id)
    )
    return found.scalars().all()


async def by_identity(connection: AsyncConnection, environment: str, customer: str, element: str, name: str) -> RowMapping | None:
    query = select(instances).where(tuple_(*_order) == (environment, customer, element, name))
    return (await connection.execute(query)).mappings().first()


async def identities(connection: AsyncConnection) -> set[tuple[str, str, str, str]]:
    """The ``ORDER`` values of all mappings."""
    rows = await connection.execute(select(*_order))
    return {(environment, customer, element, name) for environment, customer, element, name in rows}


async def page(
    connection: AsyncConnection, *, where: Mapping[str, str | None], after: Sequence[str] | None, limit: int
) -> Sequence[RowMapping]:
    """At most ``limit`` rows whose columns and ``state`` equal what ``where`` says (None: whatever), behind the row with ``ORDER`` values
    ``after``."""
    query = select(instances).where(*(_filters[column] == value for column, value in where.items() if value is not None))
    if after is not None:
        query = query.where(tuple_(*_order) > tuple(after))
    return (await connection.execute(query.order_by(*_order).limit(limit))).mappings().all()


async def total(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.count()).select_from(instances))).scalar_one())


async def counts(connection: AsyncConnection) -> Sequence[tuple[str, str, str, int]]:
    """(environment, element, state, how many)."""
    columns = (instances.c.environment, instances.c.element, _state.label("state"))
    rows = await connection.execute(select(*columns, func.count()).group_by(*columns))
    return [(environment, element, state, number) for environment, element, state, number in rows]


async def key_ids(connection: AsyncConnection) -> set[str]:
    """The ids of all master keys in use."""
    used: set[str] = set()
    for column in (instances.c[name] for name in KEY_ID.values()):
        used.update((await connection.execute(select(column).where(column.is_not(None)).distinct())).scalars())
    return used


async def uses(connection: AsyncConnection) -> Counter[str]:
    """By the id of each master key in use: how many secrets are under it."""
    found: Counter[str] = Counter()
    for column in (instances.c[name] for name in KEY_ID.values()):
        query = select(column, func.count()).where(column.is_not(None)).group_by(column)
        found.update({row[0]: row[1] for row in await connection.execute(query)})
    return found


async def under_others(connection: AsyncConnection, key_id: str, *, after: str, limit: int) -> Sequence[RowMapping]:
    """At most ``limit`` rows, by handle and behind the handle ``after``, with a secret under another master key than ``key_id``."""
    other = (instances.c.token_key_id != key_id) | (instances.c.event_signature_key_id != key_id)
    query = select(instances).where(instances.c.handle > after, other).order_by(instances.c.handle).limit(limit)
    return (await connection.execute(query)).mappings().all()


async def one_under(connection: AsyncConnection, key_id: str) -> RowMapping | None:
    """A row that holds a secret under the master key ``key_id``."""
    query = select(instances).where((instances.c.token_key_id == key_id) | (instances.c.event_signature_key_id == key_id)).limit(1)
    return (await connection.execute(query)).mappings().first()


async def add(connection: AsyncConnection, rows: Iterable[Mapping[str, Any]]) -> None:
    await connection.execute(insert(instances), [dict(row) for row in rows])


async def change(connection: AsyncConnection, handle: str, values: Mapping[str, Any]) -> bool:
    """Whether there was one."""
    return (await connection.execute(update(instances).where(instances.c.handle == handle).values(dict(values)))).rowcount > 0


async def remove(connection: AsyncConnection, handle: str) -> bool:
    """Whether there was one."""
    return (await connection.execute(delete(instances).where(instances.c.handle == handle))).rowcount > 0
