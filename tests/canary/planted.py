"""The secrets that the test plants, and how it looks for them: in halves, and in every spelling in which one might slip out."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from urllib.parse import quote_from_bytes

_HALF = 21


def secret(name: str) -> str:
    """44 random-looking characters of base64, always the same for ``name``, with ``+``, ``/`` and ``=`` among them."""
    text = base64.b64encode(hashlib.sha256(f"canary: {name}".encode()).digest()).decode()
    return f"{text[:9]}+{text[10:33]}/{text[34:]}"


@lru_cache(maxsize=1000)
def spellings(part: bytes) -> dict[str, tuple[bytes, ...]]:
    """``part`` as it is, and as base64 (at each of the three offsets), hexadecimal, percent-encoding and JSON escapes write it."""
    text = part.decode("latin-1")
    percent = [quote_from_bytes(part, safe=safe) for safe in ("", "/", "/+=")] + ["".join(f"%{octet:02X}" for octet in part)]
    escapes = ["".join(one if one.isalnum() else f"\\u{ord(one):04x}" for one in text), "".join(f"\\u{ord(one):04x}" for one in text)]
    return {
        "plain": (part,),
        "base64": tuple(_base64(part)),
        "hexadecimal": (part.hex().encode(), part.hex().upper().encode()),
        "percent-encoded": tuple(text.encode() for one in percent for text in (one, _lower(one))),
        "JSON-escaped": (
            *(text.encode() for one in escapes for text in (one, re.sub(r"\\u\w{4}", lambda found: f"\\u{found[0][2:].upper()}", one))),
            part.replace(b"/", b"\\/"),
        ),
    }


def _lower(percent: str) -> str:
    return re.sub(r"%\w\w", lambda found: found[0].lower(), percent)


def _base64(part: bytes) -> Iterator[bytes]:
    for offset in range(3):
        # Only the characters that ``part`` alone decides: its neighbours share the first and the last.
        start, end = -(-offset * 8 // 6), (offset + len(part)) * 8 // 6
        standard = base64.b64encode(bytes(offset) + part)[start:end]
        yield standard
        yield standard.translate(bytes.maketrans(b"+/", b"-_"))


class Planted:
    """Secrets by name."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[bytes, ...]] = {}

    def plant(self, name: str, value: str | bytes | None = None) -> str:
        """Look for ``value`` from now on (without one: for a new secret of that name); its text."""
        value = secret(name) if value is None else value
        octets = value if isinstance(value, bytes) else value.encode()
        # A caller key's id may be shown; what follows it may not.
        hidden = octets.split(b"_", 2)[2] if octets.startswith(b"gwk_") else octets
        assert len(hidden) >= 20, f"{name} is too short to be looked for"
        self._parts[name] = tuple({hidden[:_HALF], hidden[-_HALF:]})
        return octets.decode("latin-1")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._parts)

    def traces(self, octets: bytes, but: Collection[str] = ()) -> list[str]:
        """What is found in ``octets``: ``NAME (SPELLING)`` each, the first that fits; those called ``but`` may stand there."""
        found = ((name, _spelling(parts, octets)) for name, parts in self._parts.items() if name not in but)
        return [f"{name} ({how})" for name, how in found if how]


def _spelling(parts: tuple[bytes, ...], octets: bytes) -> str | None:
    """In which spelling one of ``parts`` is in ``octets``."""
    hows = (how for part in parts for how, needles in spellings(part).items() if any(needle in octets for needle in needles))
    return next(hows, None)
