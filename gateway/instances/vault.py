"""The vault: how secrets lie in the database (AES-256-GCM), and how a mapping is found by its token without opening any.

What a secret belongs to goes in as associated data: environment, customer, element, handle, the master key's id and which field
it is. A row copied over another, or a field over another, does not decrypt (threat 20). From each master key others are derived
(HKDF-SHA256), one for each use, so that none weakens another.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import StoreUnavailable
from gateway.secret import Secret

Field = Literal["token", "event_signature_key"]
_NONCE_BYTES = 12


class VaultError(StoreUnavailable):
    """A stored secret cannot be decrypted"""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a secret belongs to. None of it ever changes in the life of a mapping."""

    environment: str
    customer: str
    element: str
    handle: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted secret: the id of its master key; nonce, ciphertext and tag in one."""

    key_id: str
    blob: bytes


class Vault:
    """The key ring: (id, 32 octets) each. The first encrypts, all decrypt; an empty ring opens nothing."""

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        self._ciphers = {key_id: AESGCM(_derive(key, b"gateway vault: encryption")) for key_id, key in keys}
        self._octet_ciphers = {key_id: AESGCM(_derive(key, b"gateway vault: octets")) for key_id, key in keys}
        self._digest_keys = {key_id: _derive(key, b"gateway vault: token digest") for key_id, key in keys}
        self._alias_keys = [_derive(key, b"gateway vault: alias") for _, key in keys]

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the master keys, the encrypting one first."""
        return tuple(self._ciphers)

    def encrypt(self, secret: Secret, identity: Identity, field: Field = "token") -> Sealed:
        """``secret`` under the first key; ``VaultError`` if there is none."""
        for key_id, cipher in self._ciphers.items():
            nonce = secrets.token_bytes(_NONCE_BYTES)
            data = secret.reveal().encode()
            return Sealed(key_id, nonce + cipher.encrypt(nonce, data, _associated(identity, key_id, field)))
        raise VaultError("there is no master key")

    def decrypt(self, sealed: Sealed, identity: Identity, field: Field = "token") -> Secret:
        """The secret; ``VaultError`` if its key is absent or wrong, or if it was made for another identity or field."""
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise VaultError(f"the {field} of {identity.handle} is under a master key that the key ring does not hold")
        nonce, data = sealed.blob[:_NONCE_BYTES], sealed.blob[_NONCE_BYTES:]
        try:
            return Secret(cipher.decrypt(nonce, data, _associated(identity, sealed.key_id, field)).decode())
        except (InvalidTag, ValueError):
            raise VaultError(f"the {field} of {identity.handle} does not decrypt") from None

    def seal_octets(self, data: bytes, owner: bytes) -> Sealed:
        """``data`` under the first key, to be opened for the same ``owner`` only; ``VaultError`` if there is none."""
        for key_id, cipher in self._octet_ciphers.items():
            nonce = secrets.token_bytes(_NONCE_BYTES)
            return Sealed(key_id, nonce + cipher.encrypt(nonce, data, key_id.encode() + b"\0" + owner))
        raise VaultError("there is no master key")

    def open_octets(self, sealed: Sealed, owner: bytes) -> bytes:
        """What ``seal_octets`` was given; ``VaultError`` if its key is absent or wrong, or if it was made for another owner."""
        cipher = self._octet_ciphers.get(sealed.key_id)
        if cipher is None:
            raise VaultError("it is under a master key that the key ring does not hold")
        nonce, data = sealed.blob[:_NONCE_BYTES], sealed.blob[_NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, data, sealed.key_id.encode() + b"\0" + owner)
        except (InvalidTag, ValueError):
            raise VaultError("it does not decrypt") from None

    def token_digest(self, environment: str, token: str) -> Mapping[str, bytes]:
        """HMAC-SHA256 (32 octets) of ``token`` under each master key, by key id. A row holds the one of the key that encrypts it."""
        message = _joined(environment, token)
        return {key_id: hmac.digest(key, message, hashlib.sha256) for key_id, key in self._digest_keys.items()}

    def alias(self, name: str) -> str:
        """Twelve hexadecimal digits that stand for ``name`` where it may not be told: the same under the same first master key, and
        not to be found out by trying names without it. ``VaultError`` if there is none."""
        for key in self._alias_keys:
            return hmac.digest(key, _joined(name), hashlib.sha256).hex()[:12]
        raise VaultError("there is no master key")

    def __repr__(self) -> str:
        return f"<Vault {', '.join(self._ciphers) or 'empty'}>"


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(key)


def _associated(identity: Identity, key_id: str, field: Field) -> bytes:
    return _joined(identity.environment, identity.customer, identity.element, identity.handle, key_id, field)


def _joined(*parts: str) -> bytes:
    """Each part behind its length, so that no two lists read alike ("ab", "c" and "a", "bc")."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(struct.pack(">I", len(part)) + part for part in encoded)
