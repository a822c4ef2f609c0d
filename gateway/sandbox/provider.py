"""The provider behind one instance: the rows, the files and the bulk jobs that calls with its token reach."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property

from gateway.sandbox.bulk.jobs import Jobs
from gateway.sandbox.catalog import Element
from gateway.sandbox.documents.seed import seeded_tree
from gateway.sandbox.documents.tree import FileTree
from gateway.sandbox.records import Records
from gateway.sandbox.seed import Seeded


class Provider:
    """What is not asked for is not made: a sandbox of many instances starts at once."""

    def __init__(self, seed: int, element: Element, name: str, now: Callable[[], datetime]) -> None:
        self._now = now
        self._seeded = Seeded(seed, element, name)
        self.records = Records(self._seeded, now)
        self.jobs = Jobs()

    @cached_property
    def files(self) -> FileTree:
        return seeded_tree(self._seeded, self._now)
