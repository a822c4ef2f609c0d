"""Cloud Elements' one header for three credentials: ``User …, Organization …, Element …`` (API page 1.1, 1.2).

Order, subset, letter case and blanks differ between clients, and one SDK writes ``Element: …``. Secrets are base64, so a value is
never split on ``=`` and a part only at its first blank or colon.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.errors import BadRequest
from gateway.exchange import Instance, SecretPair

_PART = re.compile(r"[ \t]*(user|organization|element)(?:[ \t]*:[ \t]*|[ \t]+)([!-+\--~]+)[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """The parts of such a header, each where it was given. Not shown: a part may be somebody's real secret."""

    user: str | None = None
    organization: str | None = None
    element: str | None = None


def parse(value: str) -> Credentials | None:
    """The credentials in an Authorization value, None where it is not of this form; ``BadRequest`` for a part given twice."""
    parts: dict[str, str] = {}
    for part in value.split(","):
        match = _PART.fullmatch(part)
        if not match:
            return None
        scheme = match[1].lower()
        if scheme in parts:
            raise BadRequest(f"the Authorization header names {scheme.capitalize()} twice")
        parts[scheme] = match[2]
    return Credentials(**parts)


def build(pair: SecretPair, instance: Instance | None) -> str:
    """The header value that Cloud Elements wants: all three parts for an element call, two for a platform call (API page 1.3)."""
    user, organization = pair.user.reveal(), pair.organization.reveal()
    if instance is None:
        return f"User {user}, Organization {organization}"
    return f"User {user}, Organization {organization}, Element {instance.token.reveal()}"
