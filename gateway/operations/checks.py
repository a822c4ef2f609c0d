"""Whether the vault can open what is stored: asked before serving, and by ``gateway check``."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import RowMapping

from gateway.database import instances as rows
from gateway.database import kept_answers
from gateway.database.engine import Database
from gateway.idempotency.store import unreadable
from gateway.instances.columns import identity_of
from gateway.instances.vault import Field, Sealed, Vault, VaultError
from gateway.operations.transfer import every_row

_FIELDS: tuple[Field, ...] = ("token", "event_signature_key")


async def verify_vault(database: Database, vault: Vault, *, every: bool = False, kept_since: float = 0.0) -> list[str]:
    """What is wrong, a line each: master keys in use that are absent, and rows that do not decrypt.

    Looks at one mapping for each master key, or at ``every`` mapping and kept answer. Answers kept before ``kept_since`` (seconds since
    the epoch) are expired, so the key that they are under is not in use for them.
    """
    async with database.read() as connection:
        for_answers = await kept_answers.uses(connection, kept_since)
        used = sorted(await rows.key_ids(connection))
        samples = [row for key_id in used if (row := await rows.one_under(connection, key_id)) is not None]
    problems = [
        f"vault.keys: master key {key_id} is missing, expected it because stored secrets are under it"
        for key_id in used
        if key_id not in vault.key_ids
    ]
    problems += [
        f"vault.keys: master key {key_id} is missing, expected it because answers kept for an Idempotency-Key are under it"
        for key_id in sorted(for_answers.keys() - used - set(vault.key_ids))
    ]
    if every:
        async for row in every_row(database):
            problems += _unreadable(row, vault, _FIELDS)
        damaged = await unreadable(database, vault, kept_since)
        return problems + [
            f"vault.keys: master key {key_id} does not decrypt {number} of the answers kept for an Idempotency-Key"
            for key_id, number in sorted(damaged.items())
        ]
    for row in samples:
        problems += _unreadable(row, vault, _FIELDS)
    return list(dict.fromkeys(problems))


def _unreadable(row: RowMapping, vault: Vault, fields: Iterable[Field]) -> list[str]:
    problems = []
    for field in fields:
        key_id = row[rows.KEY_ID[field]]
        if key_id is None or key_id not in vault.key_ids:
            continue
        try:
            vault.decrypt(Sealed(key_id, row[field]), identity_of(row), field)
        except VaultError:
            problems.append(f"vault.keys: master key {key_id} does not decrypt the {field} of {row['handle']}")
    return problems
