"""One pair a file for what leaves nothing behind; a pair of its own for a test that changes something.

Not one a worker: gateways that run beside other files' tests draw numbers, of which Hypothesis complains.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from tests.fastpath.asking import SCRIPTS
from tests.fastpath.playing import Stage
from tests.fastpath.sides import Ground, Pair, ground, running


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return ground(tmp_path_factory.mktemp("fastpath") / "ground")


@pytest.fixture(scope="module")
def shared_pair(rows: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running(rows, tmp_path_factory.mktemp("pair")) as pair:
        pair.behave(**SCRIPTS)
        yield pair


@pytest.fixture
def stage(shared_pair: Pair) -> Stage:
    """Both sides with all scripts."""
    return Stage(shared_pair)


class Make(Protocol):
    def __call__(self, more: str = "", *, first: str = "") -> AbstractContextManager[Pair]: ...


@pytest.fixture
def own(rows: Ground, tmp_path: Path) -> Make:
    """``with own(more)``: a pair of this test's own, with further TOML."""
    return lambda more="", *, first="": running(rows, tmp_path, first=first, more=more)


@pytest.fixture
def pair(own: Make) -> Iterator[Pair]:
    """A pair of this test's own."""
    with own() as made:
        yield made
