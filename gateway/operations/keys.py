"""The verbs on caller keys."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import RowMapping

from gateway.callers import keys
from gateway.database import keys as rows
from gateway.errors import BadRequest, NotFound
from gateway.models import CreatedKey, KeyPage, KeyQuery, KeyRotation, NewKey, ShownKey
from gateway.operations.base import Verbs, audit, moment, moment_or_none, require_version, version_of
from gateway.operations.paging import cursor_of, position_of
from gateway.secret import Secret

# What does not exist is not repeated: a whole key may have been sent in the place of its id.
_NOTHING = "no key has this id"


class NoKey(NotFound):
    """There is no such caller key"""


class KeyVerbs(Verbs):
    """Make, list, get, rotate, revoke."""

    async def create_key(self, new: NewKey, *, actor: str) -> CreatedKey:
        """A new key with its text. ``UnknownEnvironment``; ``BadRequest`` if no environment is configured at all."""
        environments = list(self._config.environments) if new.environments is None else new.environments
        if not environments:
            raise BadRequest("no environment is configured that the key could be for")
        self._require_environments(environments)
        key_id, text = keys.mint()
        now = self._clock()
        row: dict[str, Any] = {
            **new.model_dump(exclude={"environments", "expires"}),
            "id": key_id,
            "digest": keys.digest(text.reveal()),
            "environments": environments,
            "created_at": now,
            "expires_at": None if new.expires is None else now + new.expires,
        }
        async with self._database.write() as connection:
            await rows.add(connection, row)
            stored = await rows.by_id(connection, key_id)
        audit(actor, "key.create", key_id)
        return _created(_known(stored), text)

    async def list_keys(self, query: KeyQuery | None = None) -> KeyPage:
        """A page of keys. ``BadRequest`` if the cursor is none of ours."""
        query = query or KeyQuery()
        async with self._database.read() as connection:
            found = await rows.page(connection, after=position_of(query.cursor, float, str), limit=query.limit + 1)
        more, found = len(found) > query.limit, found[: query.limit]
        behind = cursor_of([found[-1][name] for name in rows.ORDER]) if more else None
        return KeyPage(items=[shown(row) for row in found], next_cursor=behind)

    async def get_key(self, key_id: str) -> ShownKey:
        """One key. ``NotFound``."""
        async with self._database.read() as connection:
            return shown(_known(await rows.by_id(connection, key_id)))

    async def rotate_key(
        self, key_id: str, rotation: KeyRotation | None = None, *, actor: str, versions: Collection[str] | None = None
    ) -> CreatedKey:
        """The key with a new text; the present one works on for the overlap, the one before it no longer. ``NotFound``;
        ``PreconditionFailed`` unless it is one of ``versions`` (None: whichever)."""
        overlap = (rotation or KeyRotation()).overlap
        text = keys.remint(key_id)
        async with self._database.write() as connection:
            row = _known(await rows.by_id(connection, key_id))
            require_version(_version(row), versions)
            values = {
                "digest": keys.digest(text.reveal()),
                "previous_digest": row["digest"] if overlap else None,
                "previous_expires_at": self._clock() + overlap if overlap else None,
            }
            await rows.change(connection, key_id, values)
            stored = await rows.by_id(connection, key_id)
        audit(actor, "key.rotate", key_id, overlap_s=overlap)
        return _created(_known(stored), text)

    async def revoke_key(self, key_id: str, *, actor: str, versions: Collection[str] | None = None) -> None:
        """The key is gone. ``NotFound``; ``PreconditionFailed`` unless it is one of ``versions`` (None: whichever)."""
        async with self._database.write() as connection:
            require_version(_version(_known(await rows.by_id(connection, key_id))), versions)
            await rows.remove(connection, key_id)
        audit(actor, "key.revoke", key_id)


def _known(row: RowMapping | None) -> RowMapping:
    if row is None:
        raise NoKey(_NOTHING)
    return row


def shown(row: RowMapping) -> ShownKey:
    """A row without its secrets."""
    return ShownKey(**_fields(row)).at(_version(row))


def _version(row: RowMapping) -> str:
    return version_of(row, without=("last_used_at",))  # a call with a key does not change it


def _fields(row: RowMapping) -> dict[str, Any]:
    times = ("expires_at", "last_used_at", "previous_expires_at")
    plain = ("id", "name", "environments", "customers", "elements", "methods", "scopes", "priority", "limits")
    return {
        **{name: row[name] for name in plain},
        **{name: moment_or_none(row[name]) for name in times},
        "created_at": moment(row["created_at"]),
    }


def _created(row: RowMapping, text: Secret) -> CreatedKey:
    return CreatedKey(**_fields(row), key=text.reveal()).at(_version(row))
