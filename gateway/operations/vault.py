"""The verbs on the vault: what is under which master key, and all of it under the first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping

from gateway.database import instances as rows
from gateway.database import kept_answers
from gateway.idempotency.store import reseal
from gateway.instances.columns import identity_of, sealed_columns
from gateway.instances.vault import Field, Sealed, Vault, VaultError
from gateway.models import MasterKeyUse, VaultRotation, VaultStatus
from gateway.operations.base import Verbs, audit

_BATCH = 200
_FIELDS: tuple[Field, ...] = ("token", "event_signature_key")


class VaultVerbs(Verbs):
    """Status, rotate."""

    async def vault_status(self) -> VaultStatus:
        """Each master key of the ring, and each that something stored is under."""
        async with self._database.read() as connection:
            secrets, answers = await rows.uses(connection), await kept_answers.uses(connection)
        ring = self._vault.key_ids
        absent = sorted((secrets.keys() | answers.keys()) - set(ring))
        return VaultStatus(
            keys=[
                MasterKeyUse(
                    id=key_id,
                    present=key_id in ring,
                    encrypts=key_id == ring[0] if ring else False,
                    secrets=secrets[key_id],
                    kept_answers=answers.get(key_id, 0),
                )
                for key_id in (*ring, *absent)
            ]
        )

    async def rotate_vault(self, *, actor: str) -> VaultRotation:
        """Encrypt anew, under the first master key, whatever is under another. What does not decrypt stays as it is, and is counted.

        ``VaultError`` without a master key. Done again after it was broken off, it goes on.
        """
        if not self._vault.key_ids:
            raise VaultError("there is no master key")
        first = self._vault.key_ids[0]
        mappings, unreadable = await self._rotate_mappings(first)
        answers, damaged = await reseal(self._database, self._vault, first)
        audit(actor, "vault.rotate", first, mappings=mappings, kept_answers=answers, unreadable=unreadable + damaged)
        return VaultRotation(id=first, mappings=mappings, kept_answers=answers, unreadable=unreadable + damaged)

    async def _rotate_mappings(self, first: str) -> tuple[int, int]:
        """How many were encrypted anew, and how many do not decrypt."""
        done = failed = 0
        after = ""
        while True:
            async with self._database.write() as connection:
                found = await rows.under_others(connection, first, after=after, limit=_BATCH)
                for row in found:
                    try:
                        values = _anew(row, self._vault)
                    except VaultError:
                        failed += 1
                        continue
                    await rows.change(connection, row["handle"], values)
                    done += 1
            if len(found) < _BATCH:
                return done, failed
            after = found[-1]["handle"]


def _anew(row: RowMapping, vault: Vault) -> dict[str, Any]:
    """The secrets of a mapping under the first master key, and the digest that goes with it. It counts as no change of the mapping."""
    identity = identity_of(row)
    values: dict[str, Any] = {}
    for field in _FIELDS:
        key_id = row[rows.KEY_ID[field]]
        if key_id is None:
            continue
        secret = vault.decrypt(Sealed(key_id, row[field]), identity, field)
        values |= sealed_columns(secret, vault, identity, field)
        if field == "token":
            values["token_digest"] = vault.token_digest(identity.environment, secret.reveal())[values["token_key_id"]]
    return values
