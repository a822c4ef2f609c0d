"""Which key a call names, whose it is, and what the call asks for (draft-ietf-httpapi-idempotency-key-header §2). Pure rules.

A key means something to one caller and one instance alone: another caller's, or the same caller's for another customer, is another
key. No text of it is kept, only a digest; what a call asks for is digested under the key, which nobody finds in the database, so that
a short body cannot be found out from its fingerprint by trying.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.errors import BadRequest
from gateway.exchange import Headers, Request

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
FIELD = "idempotency-key"
_LONGEST = 255
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')  # sf-string, RFC 8941 §3.3.3
_BARE = re.compile(r"[ !#-~][ -~]*")
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose answer it is: ``digest`` (32 octets) names its row, ``salt`` (32 octets) goes into fingerprints and is kept nowhere."""

    digest: bytes
    salt: bytes = field(repr=False)


def key_of(headers: Headers) -> str | None:
    """The key that a request names, None if it names none; ``BadRequest`` where it is none.

    Quoted as the draft has it, or bare as everybody sends it: ``"8e03978e"`` and ``8e03978e`` are one key.
    """
    values = headers.getall(FIELD)
    if not values:
        return None
    if len(values) > 1:
        raise BadRequest("the header Idempotency-Key is given twice")
    text = values[0].strip(" \t")
    quoted = _STRING.fullmatch(text)
    if quoted:
        text = _ESCAPED.sub(r"\1", quoted[1])
    elif not _BARE.fullmatch(text):
        text = ""
    if not 1 <= len(text) <= _LONGEST:
        raise BadRequest(f"Idempotency-Key: expected 1 to {_LONGEST} printable ASCII characters, bare or as a quoted string")
    return text


def owner_of(caller: str, environment: str, handle: str, key: str) -> Owner:
    """``caller`` is the id of the caller's key, ``handle`` the instance's, "" for a platform call."""
    whole = _joined((caller, environment, handle, key))
    return Owner(hashlib.sha256(b"kept answer: row" + whole).digest(), hashlib.sha256(b"kept answer: fingerprint" + whole).digest())


def fingerprint_of(owner: Owner, request: Request) -> hmac.HMAC:
    """The fingerprint of all but the body, whose octets are still to be fed to it."""
    parts = (request.method, request.target, request.headers.get("content-type") or "")
    return hmac.new(owner.salt, _joined(parts), hashlib.sha256)


def _joined(parts: Iterable[str]) -> bytes:
    """Each part behind its length, so that no two lists read alike."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(struct.pack(">I", len(part)) + part for part in encoded)
