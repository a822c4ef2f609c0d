"""Globs on paths, as the configuration writes them: ``*`` within a segment, ``**`` across slashes, ``/**`` at the end also for nothing."""

from __future__ import annotations

import re


def compiled(glob: str) -> re.Pattern[str]:
    """``glob`` as a pattern that matches in linear time."""
    below = glob.endswith("/**")
    head, *rest = glob.removesuffix("/**").split("**")
    pattern = _chunk(head, last=not rest)
    for number, chunk in enumerate(rest, 1):
        last = number == len(rest)
        pattern += f".*?{_chunk(chunk, last=True)}" if last else f"(?>.*?{_chunk(chunk, last=False)})"
    return re.compile(pattern + (r"(?:/.*)?\Z" if below else r"\Z"), re.DOTALL)


def _chunk(text: str, *, last: bool) -> str:
    """A stretch between two ``**``. The first place where a piece fits is as good as any, so it is not tried again (atomic groups):
    no path makes matching slow."""
    first, *pieces = (re.escape(piece) for piece in text.split("*"))
    for number, piece in enumerate(pieces, 1):
        first += f"[^/]*{piece}" if last and number == len(pieces) else f"(?>[^/]*?{piece})"
    return first
