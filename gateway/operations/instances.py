"""The verbs on single mappings."""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database import instances as rows
from gateway.errors import Conflict, NoInstance
from gateway.instances.columns import identity_of, sealed_columns, token_columns
from gateway.instances.vault import Identity, Vault
from gateway.models import InstancePage, InstancePatch, InstanceQuery, MappedInstance, NewInstance
from gateway.operations.base import Verbs, audit, moment, require_version, version_of
from gateway.operations.paging import cursor_of, position_of

_LOWER = string.ascii_lowercase + string.digits


class InstanceVerbs(Verbs):
    """Add, list, get, patch, delete."""

    async def add_instance(self, new: NewInstance, *, actor: str) -> MappedInstance:
        """The new mapping. ``UnknownEnvironment``; ``Conflict`` if there is one for the same environment, customer, element, name."""
        self._require_environments([new.environment])
        row = new_row(new, self._vault, self._clock())
        async with self._database.write() as connection:
            await _require_free(connection, row)
            await rows.add(connection, [row])
            stored = await _existing(connection, row["handle"])
        audit(actor, "instance.add", row["handle"])
        return shown(stored)

    async def list_instances(self, query: InstanceQuery | None = None) -> InstancePage:
        """A page of mappings. ``BadRequest`` if the cursor is none of ours."""
        query = query or InstanceQuery()
        where = {"environment": query.environment, "customer": query.customer, "element": query.element, "state": query.state}
        async with self._database.read() as connection:
            found = await rows.page(connection, where=where, after=position_of(query.cursor, str, str, str, str), limit=query.limit + 1)
        more, found = len(found) > query.limit, found[: query.limit]
        behind = cursor_of([found[-1][name] for name in rows.ORDER]) if more else None
        return InstancePage(items=[shown(row) for row in found], next_cursor=behind)

    async def get_instance(self, handle: str) -> MappedInstance:
        """One mapping. ``NoInstance``."""
        async with self._database.read() as connection:
            return shown(await _existing(connection, handle))

    async def patch_instance(
        self, handle: str, patch: InstancePatch, *, actor: str, versions: Collection[str] | None = None
    ) -> MappedInstance:
        """The mapping with what ``patch`` names changed. ``NoInstance``; ``Conflict`` if another one has that name;
        ``PreconditionFailed`` unless it is one of ``versions`` (None: whichever)."""
        fields = patch.model_fields_set
        async with self._database.write(quiet=not fields) as connection:
            row = await _existing(connection, handle)
            require_version(version_of(row), versions)
            if not fields:
                return shown(row)
            values = {**self._changes(patch, row), "updated_at": self._clock()}
            if values.get("name", row["name"]) != row["name"]:
                await _require_free(connection, {**row, **values})
            await rows.change(connection, handle, values)
            stored = await _existing(connection, handle)
        audit(actor, "instance.patch", handle, fields=sorted(fields))
        return shown(stored)

    async def delete_instance(self, handle: str, *, actor: str, versions: Collection[str] | None = None) -> None:
        """The mapping is gone. ``NoInstance``; ``PreconditionFailed`` unless it is one of ``versions`` (None: whichever)."""
        async with self._database.write() as connection:
            require_version(version_of(await _existing(connection, handle)), versions)
            await rows.remove(connection, handle)
        audit(actor, "instance.delete", handle)

    def _changes(self, patch: InstancePatch, row: RowMapping) -> dict[str, Any]:
        values = patch.model_dump(include={"disabled", "tags", "group"}, exclude_unset=True)
        identity = identity_of(row)
        if "name" in patch.model_fields_set:
            values["name"] = patch.name or ""
        if patch.token is not None:
            values |= token_columns(patch.token, self._vault, identity)
        if "event_signature_key" in patch.model_fields_set:
            values |= sealed_columns(patch.event_signature_key, self._vault, identity, "event_signature_key")
        return values


# A handle that does not exist is not repeated: a token may have been sent in its place.
_NOTHING = "no mapping has this handle"


def new_row(new: NewInstance, vault: Vault, now: float) -> dict[str, Any]:
    """``new`` as a row, with a handle of its own."""
    handle = "gwi_" + "".join(secrets.choice(_LOWER) for _ in range(24))
    identity = Identity(new.environment, new.customer, new.element, handle)
    return {
        **new.model_dump(exclude={"token", "event_signature_key"}),
        "handle": handle,
        "name": new.name or "",
        "disabled": False,
        "created_at": now,
        "updated_at": now,
        **token_columns(new.token, vault, identity),
        **sealed_columns(new.event_signature_key, vault, identity, "event_signature_key"),
    }


def shown(row: RowMapping) -> MappedInstance:
    """A row without its secrets."""
    plain = ("handle", "environment", "customer", "element", "group", "hub", "instance_id", "tags", "disabled")
    times = {name: moment(row[name]) for name in ("created_at", "updated_at")}
    state = rows.state_of(row)
    return MappedInstance(**{name: row[name] for name in plain}, **times, name=row["name"] or None, state=state).at(version_of(row))


def taken(row: Any) -> str:
    """Why ``row`` cannot be added beside the one that is there."""
    called = f" called {row['name']}" if row["name"] else ""
    return f"{row['customer']} already has an instance of {row['element']}{called} in {row['environment']}: give another name"


async def _require_free(connection: AsyncConnection, row: Any) -> None:
    other = await rows.by_identity(connection, row["environment"], row["customer"], row["element"], row["name"])
    if other is not None:
        raise Conflict(taken(row), handle=other["handle"])


async def _existing(connection: AsyncConnection, handle: str) -> RowMapping:
    row = await rows.by_handle(connection, handle)
    if row is None:
        raise NoInstance(_NOTHING)
    return row
