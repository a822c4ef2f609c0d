"""The pages of docs/ as one scene: who has followed ``getting-started.md`` can go on with any other, each in a new terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.docs.blocks import ROOT, Block, pages, tour
from tests.docs.terminals import Reader

FIRST = ROOT / "docs" / "getting-started.md"


def scene() -> list[Path]:
    """The pages of docs/ that have something to type, the one that builds the world for the others first."""
    return [FIRST, *(page for page in pages() if page.parent == FIRST.parent and page != FIRST and tour(page))]


def followed(page: Path, reader: Reader) -> Iterator[tuple[Block, str]]:
    """Each block of ``page`` that a reader types in, with what it printed. Ends where one fails, with ``AssertionError``."""
    reader.turn_page()
    for block in tour(page):
        yield block, reader.follow(block)
