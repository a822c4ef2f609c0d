"""The files that an instance of the documents hub starts with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gateway.sandbox.documents.tree import FileTree
from gateway.sandbox.draw import START
from gateway.sandbox.seed import Seeded

_FILES = (
    ("/readme.txt", "text/plain"),
    ("/reports/2018/q1.csv", "text/csv"),
    ("/reports/2018/q2.csv", "text/csv"),
    ("/reports/q3.pdf", "application/pdf"),
    ("/reports/Zoë, 100% done.txt", "text/plain"),
    ("/photos/harbour.png", "image/png"),
)


def seeded_tree(seeded: Seeded, now: Callable[[], datetime]) -> FileTree:
    """Text where the type is text, octets that are none elsewhere; stamped with the start of the seed."""
    starting = True
    tree = FileTree(seeded.salt, seeded.element.by_path, lambda: START if starting else now())
    for path, mime in _FILES:
        tree.put(path, _content(seeded, path, mime), mime)
    starting = False
    return tree


def _content(seeded: Seeded, path: str, mime: str) -> bytes:
    if mime == "text/csv":
        return b"month,total\n" + b"".join(f"{month},{seeded.number(90_000, path, month)}\n".encode() for month in range(1, 4))
    if mime == "text/plain":
        return f"{path} of {seeded.element.name}\n".encode()
    return b"%PDF-1.4\n" * (mime == "application/pdf") + b"".join(seeded.octets(path, block) for block in range(64))
