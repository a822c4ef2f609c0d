"""The documentation as its readers see it: fenced blocks, code in the text, links, headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tools.docs import ROOT, pages

_FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins (line, from 1), its language, its text with the final newline, and what follows it.

    ``output`` is the text block directly behind a ``bash`` block: what its commands print.
    """

    page: str
    line: int
    language: str
    text: str
    output: str | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of ``page``; a text block directly behind a bash block belongs to that one."""
    text = page.read_text("utf-8")
    found: list[Block] = []
    end = -1
    for match in _FENCE.finditer(text):
        block = Block(page.name, text.count("\n", 0, match.start()) + 1, match[1], match[2])
        if block.language == "text" and found and found[-1].language == "bash" and not text[end : match.start()].strip():
            found[-1] = Block(found[-1].page, found[-1].line, "bash", found[-1].text, block.text)
        else:
            found.append(block)
        end = match.end()
    return found


def tour(page: Path) -> list[Block]:
    """The blocks that a reader types in; ``make`` is for a checkout of its own."""
    return [block for block in blocks(page) if block.language == "bash" and not block.text.startswith("make ")]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def spans(page: Path) -> list[str]:
    """What stands between single backticks outside of blocks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def anchors(page: Path) -> set[str]:
    """The fragments of the page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


README = ROOT / "README.md"

__all__ = ["README", "ROOT", "Block", "anchors", "blocks", "pages", "prose", "spans", "tour"]
