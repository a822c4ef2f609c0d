"""Which of several media types a caller would rather have (RFC 9110 §12.5.1). Pure rules."""

from __future__ import annotations

import re
from collections.abc import Sequence

_Q = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")


def preferred(accept: str, offered: Sequence[str]) -> str | None:
    """The best of ``offered`` by the value of an ``Accept`` field, the first where all are equal; None where none is accepted.

    No field at all (``""``) accepts everything.
    """
    if not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    ranked = [(_liking(media, ranges), -place, media) for place, media in enumerate(offered)]
    (quality, _), _, media = max(ranked)
    return media if quality > 0 else None


def _range(part: str) -> tuple[str, float]:
    """(media range, quality); what cannot be read counts as not wanted."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((piece[2:].strip() for piece in parameters if piece.startswith("q=")), "1")
    return name, float(quality) if _Q.fullmatch(quality) else 0.0


def _liking(media: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int]:
    """(quality, how precisely ``media`` was named): the most precise range decides."""
    found = [(_precision(name, media), quality) for name, quality in ranges]
    precision, quality = max(found, default=(0, 0.0))
    return (quality, precision) if precision else (0.0, 0)


def _precision(name: str, media: str) -> int:
    """3: that type; 2: its family; 1: any type; 0: another one."""
    if name == media:
        return 3
    if name == media.partition("/")[0] + "/*":
        return 2
    return 1 if name == "*/*" else 0
