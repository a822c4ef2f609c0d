"""One pair a worker for what leaves nothing behind; a pair of its own for a test that changes something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.fastpath.asking import SCRIPTS
from tests.fastpath.playing import Stage
from tests.fastpath.sides import Ground, Pair, ground, running


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return ground(tmp_path_factory.mktemp("fastpath") / "ground")


@pytest.fixture(scope="session")
def shared_pair(rows: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running(rows, tmp_path_factory.mktemp("pair")) as pair:
        pair.behave(**SCRIPTS)
        yield pair


@pytest.fixture
def stage(shared_pair: Pair) -> Stage:
    """Both sides with all scripts."""
    return Stage(shared_pair)


Make = Callable[[str], AbstractContextManager[Pair]]


@pytest.fixture
def own(rows: Ground, tmp_path: Path) -> Make:
    """``with own(more)``: a pair of this test's own, with further TOML."""
    return lambda more: running(rows, tmp_path, more=more)
