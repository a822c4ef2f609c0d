"""Sealing: platform answers that carry secrets leave the gateway without them (contract 2.5).

An instance's token becomes its handle where it is mapped, ``"***"`` where not; other secrets become ``"***"``. Sealed answers are
read whole (Cloud Elements' own limit for an answer is 8 MB, API page 8.1), since a token may stand anywhere in them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.paths import families

SEALED = "***"
MAX_BYTES = 16 * 1024 * 1024

_FAMILIES = frozenset({"instances", "users", "organizations", "authentication"})
_SECRET_NAMES = frozenset(
    """secret password usersecret organizationsecret user_secret organization_secret apisecret clientsecret privatekey access_token
    refresh_token id_token accesstoken refreshtoken""".split()
)
_TOKEN_NAMES = frozenset({"token", "instancetoken", "elementtoken"})
# Reserved configuration keys (API page 3.2): of oauth.* these hold secrets, while oauth.token.url and its like hold addresses.
_SECRET_KEY = re.compile(
    r"(?:.*\.)?(?:secret|password|passphrase|privatekey|private\.key)|oauth\.(?:.*\.)?(?:token|refresh_token|key|code|token\.secret|basic\.header)"
    r"|aws\.api\.key|(?:.*\.)?signature\.key"
)


def must_seal(path: str) -> bool:
    """Whether answers at the raw ``path`` may carry secrets, judged on its canonical form with any hub left out."""
    first, *below = families(path)
    return (
        first in _FAMILIES
        or (first == "elements" and "instances" in below)
        or (first == "accounts" and ("users" in below or "instances" in below))
    )


def tokens(document: Any) -> Iterator[str]:
    """Each text in ``document`` that stands where an instance's token stands."""
    if isinstance(document, dict):
        for name, value in document.items():
            if isinstance(value, str) and _is_token(name):
                yield value
            else:
                yield from tokens(value)
    elif isinstance(document, list):
        for item in document:
            yield from tokens(item)


def seal(document: Any, handles: Mapping[str, str]) -> Any:
    """``document`` without its secrets; ``handles`` says by which handle a token is mapped."""
    if isinstance(document, list):
        return [seal(item, handles) for item in document]
    if not isinstance(document, dict):
        return document
    sealed = {}
    # A configuration entry holds its key and its value in two members (API page 3.2).
    entry = isinstance(document.get("key"), str) and _is_secret(document["key"])
    for name, value in document.items():
        if _is_token(name) and value not in (None, "") and not isinstance(value, bool):
            sealed[name] = handles.get(value, SEALED) if isinstance(value, str) else SEALED
        elif value not in (None, "") and not isinstance(value, bool) and (_is_secret(name) or (entry and name in _ENTRY_VALUES)):
            sealed[name] = SEALED
        else:
            sealed[name] = seal(value, handles)
    return sealed


_ENTRY_VALUES = frozenset({"propertyValue", "value", "defaultValue"})


def _is_token(name: str) -> bool:
    return name.lower() in _TOKEN_NAMES


def _is_secret(name: str) -> bool:
    name = name.lower()
    return name in _SECRET_NAMES or bool(_SECRET_KEY.fullmatch(name))


def parse(body: bytes) -> tuple[Any, bool]:
    """The JSON document in ``body``, and whether a name stands twice in one of its objects; ``ValueError`` where it is none."""
    repeated = False

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        made = dict(pairs)
        repeated = repeated or len(made) < len(pairs)
        return made

    document = json.loads(body, object_pairs_hook=table)
    return document, repeated


def dump(document: Any) -> bytes:
    """``document`` as compact JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
