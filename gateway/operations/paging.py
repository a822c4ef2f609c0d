"""Cursors: where a page of a list ended, as a text that means nothing to those who hand it back."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, NoReturn

from gateway.errors import BadRequest


def cursor_of(position: Sequence[str | float]) -> str:
    """The cursor behind the item at ``position``."""
    text = json.dumps(list(position), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(cursor: str | None, *kinds: type) -> Any:
    """The position that ``cursor_of`` wrote, a list of values of ``kinds``; None for no cursor. ``BadRequest`` if it is none of ours."""
    if cursor is None:
        return None
    try:
        position = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars="-_", validate=True), parse_constant=_refused)
    except (binascii.Error, ValueError, RecursionError):
        position = None
    if not isinstance(position, list) or [type(part) for part in position] != list(kinds):
        raise BadRequest("cursor: expected the next_cursor of a page before")
    return position


def _refused(name: str) -> NoReturn:
    raise ValueError(name)
