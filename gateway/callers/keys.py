"""Caller keys: how one is made, read, digested and compared (contract 2.1). Pure rules.

A key is ``gwk_<id>_<secret>``: the id finds the row, the digest of the whole text proves the secret. The secret carries 256 bits
of chance, so a plain SHA-256 cannot be run backwards by guessing, and needs no salt.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass

from gateway.secret import Secret

_LOWER = string.ascii_lowercase + string.digits
_ALPHANUMERIC = string.ascii_letters + string.digits
_ID_LENGTH = 12
_SECRET_LENGTH = 43  # 43 × log2(62) = 256.03 bits
_FORM = re.compile(rf"gwk_([a-z0-9]{{{_ID_LENGTH}}})_([A-Za-z0-9]{{{_SECRET_LENGTH}}})")


@dataclass(frozen=True, slots=True)
class CallerKey:
    """What a key may do, and the digests that prove it. Times are seconds since the epoch.

    ``customers`` and ``elements`` are globs; ``methods`` are names in capitals, or ``("*",)`` for every method. ``limits`` are quotas
    of its own as ``limits.quota`` spells them (``"100/10s"``), all of which hold at once.
    """

    id: str
    name: str
    digest: bytes
    previous_digest: bytes | None = None
    previous_expires_at: float | None = None
    environments: tuple[str, ...] = ()
    customers: tuple[str, ...] = ("*",)
    elements: tuple[str, ...] = ("*",)
    methods: tuple[str, ...] = ("*",)
    scopes: tuple[str, ...] = ("hub",)
    priority: str = "interactive"
    limits: tuple[str, ...] = ()
    created_at: float = 0.0
    expires_at: float | None = None
    last_used_at: float | None = None

    def __repr__(self) -> str:
        return f"<CallerKey {self.id}>"


DUMMY = CallerKey("", "", secrets.token_bytes(32), expires_at=0.0)
"""Matches nothing. Compare with it where there is no such key, so that both cost the same work (threat 23)."""


def mint() -> tuple[str, Secret]:
    """A new key: its id, and its whole text."""
    return (key_id := "".join(secrets.choice(_LOWER) for _ in range(_ID_LENGTH))), remint(key_id)


def remint(key_id: str) -> Secret:
    """A new text for the key ``key_id``."""
    secret = "".join(secrets.choice(_ALPHANUMERIC) for _ in range(_SECRET_LENGTH))
    return Secret(f"gwk_{key_id}_{secret}")


def parse(text: str) -> tuple[str, str] | None:
    """(id, secret) of a key's text, None if it is not of that form."""
    match = _FORM.fullmatch(text)
    return (match[1], match[2]) if match else None


def digest(text: str) -> bytes:
    """What is stored of a key: SHA-256 of its text, 32 octets."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def matches(key: CallerKey, text: str, now: float) -> bool:
    """Whether ``text`` is the secret of ``key`` at ``now``: its present one, or the one before while a rotation's overlap lasts.

    The work is the same for every key and every text.
    """
    shown = digest(text)
    present = hmac.compare_digest(shown, key.digest)
    previous = hmac.compare_digest(shown, key.previous_digest or bytes(32))
    overlaps = key.previous_digest is not None and key.previous_expires_at is not None and now < key.previous_expires_at
    expired = key.expires_at is not None and now >= key.expires_at
    return (present | (previous & overlaps)) and not expired
