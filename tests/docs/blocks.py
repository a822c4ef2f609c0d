"""The documentation as its readers see it: fenced blocks, indented commands, code in the text, links, headings."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from tools.docs import ROOT, pages

_FENCE = re.compile(r"^(?:<!-- (not run|Ctrl-C): (.+) -->\n\n?)?```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins (line, from 1), its language, its text with the final newline, and what follows it.

    ``output`` is the text block directly behind a ``bash`` block: what its commands print. ``not_run`` is the reason why no test types
    it in, ``ends`` the command that the reader stops with Ctrl-C before; both stand in a comment above the block.
    """

    page: str
    line: int
    language: str
    text: str
    output: str | None = None
    not_run: str = ""
    ends: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of ``page``; a text block directly behind a bash block belongs to that one."""
    text = page.read_text("utf-8")
    found: list[Block] = []
    end = -1
    for match in _FENCE.finditer(text):
        marker, said, language, content = match.groups()
        block = Block(name_of(page), text.count("\n", 0, text.index("```", match.start())) + 1, language, content)
        if marker:
            block = replace(block, not_run=said) if marker == "not run" else replace(block, ends=said)
        if block.language == "text" and found and found[-1].language == "bash" and not text[end : match.start()].strip():
            found[-1] = replace(found[-1], output=block.text)
        else:
            found.append(block)
        end = match.end()
    return found


def tour(page: Path) -> list[Block]:
    """The blocks that a reader types in; ``make`` is for a checkout of its own."""
    return [block for block in blocks(page) if block.language == "bash" and not block.text.startswith("make ") and not block.not_run]


def indented(page: Path) -> list[str]:
    """The lines of code that stand in the text without a fence."""
    return re.findall(r"^ {4}(?=\S)(.*)", re.sub(r"(?m)^( {0,2}[-*]|\d+\.) .*\n(?: +\S.*\n)*", "", prose(page)), re.MULTILINE)


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def spans(page: Path) -> list[str]:
    """What stands between single backticks outside of blocks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def titles(page: Path) -> list[str]:
    """The headings of the page, in order."""
    return re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)


def anchor(title: str) -> str:
    """The fragment of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """The fragments of the page's headings; of two that are alike, the second has a number."""
    seen: list[str] = []
    for fragment in map(anchor, titles(page)):
        seen.append(f"{fragment}-{count}" if (count := seen.count(fragment)) else fragment)
    return set(seen)


def name_of(page: Path) -> str:
    """``docs/errors.md``; the file's name alone for a page that is none of ours."""
    return page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name


README = ROOT / "README.md"

__all__ = ["README", "ROOT", "Block", "anchor", "anchors", "blocks", "indented", "name_of", "pages", "prose", "spans", "titles", "tour"]
