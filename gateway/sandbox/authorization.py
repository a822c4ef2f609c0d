"""The one ``Authorization`` header that carries all three secrets (API page 1.1, 1.2).

Any order, any subset; scheme words in any case, a colon after them tolerated (variant I was seen on the wire); the comma needs
no blank. Secrets are base64 and hold ``=``, ``+`` and ``/``, never a comma or a blank.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hmac import compare_digest

_PART = re.compile(r"(user|organization|element)(?:[ \t]*:[ \t]*|[ \t]+)([^\s,]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a call presented; None where that scheme was absent."""

    user: str | None = field(default=None, repr=False)
    organization: str | None = field(default=None, repr=False)
    element: str | None = field(default=None, repr=False)


def parse_authorization(value: str) -> Credentials | None:
    """The parts of the header's value; an absent header is ``""``. None: not this form, or a scheme given twice."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        match = _PART.fullmatch(part)
        if not match or match[1].lower() in found:
            return None
        found[match[1].lower()] = match[2]
    return Credentials(**found)


def same(presented: str, expected: str) -> bool:
    """Equality in constant time."""
    return compare_digest(presented.encode(errors="replace"), expected.encode())
