"""``Prefer: wait=N``: for how many seconds a caller would rather wait than be refused (RFC 7240 §4.3, contract 2.3)."""

from __future__ import annotations

import re
from functools import lru_cache

_ITEM = re.compile(r'(?:[^,"]++|"(?:\\.|[^"\\])*+(?:"|\\?$))++')  # possessive: what does not fit is not tried again
_WAIT = re.compile(r'\s*wait\s*=\s*(?:"\s*([0-9]{1,9})\s*"|([0-9]{1,9}))\s*(?:;.*)?', re.IGNORECASE | re.DOTALL)


@lru_cache(maxsize=256)
def wait_preferred(prefer: str) -> int | None:
    """Whole seconds from the combined value of ``Prefer``; None where it does not say, or not properly (§2: then it is ignored). The
    first one counts."""
    for item in _ITEM.findall(prefer):
        match = _WAIT.fullmatch(item)
        if match:
            return int(match[1] or match[2])
    return None
