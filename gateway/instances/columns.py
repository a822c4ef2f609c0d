"""What the secrets of a mapping become in its row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping

from gateway.database.instances import KEY_ID
from gateway.instances.vault import Field, Identity, Vault
from gateway.secret import Secret


def identity_of(row: RowMapping) -> Identity:
    """What the secrets of a row belong to."""
    return Identity(row["environment"], row["customer"], row["element"], row["handle"])


def token_columns(token: Secret, vault: Vault, identity: Identity) -> dict[str, Any]:
    """``token`` encrypted, and its digest to find the mapping by; nothing is known against a token that is new. ``VaultError``."""
    columns = sealed_columns(token, vault, identity, "token")
    digests = vault.token_digest(identity.environment, token.reveal())
    return {**columns, "token_digest": digests[columns["token_key_id"]], "unauthorized_at": None}


def sealed_columns(secret: Secret | None, vault: Vault, identity: Identity, field: Field) -> dict[str, Any]:
    """``secret`` encrypted, and the id of its master key; both None without one. ``VaultError``."""
    if secret is None:
        return {field: None, KEY_ID[field]: None}
    sealed = vault.encrypt(secret, identity, field)
    return {field: sealed.blob, KEY_ID[field]: sealed.key_id}


def holds_token(row: RowMapping, token: Secret, vault: Vault) -> bool:
    """Whether ``token`` is that of the row, found out without opening it."""
    return bool(vault.token_digest(row["environment"], token.reveal()).get(row["token_key_id"]) == row["token_digest"])
