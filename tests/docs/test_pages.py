"""The commands on the pages of docs/, typed in one page after the other, print what the pages say; what no test types in is listed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks, indented, name_of, pages
from tests.docs.scene import FIRST, followed, scene
from tests.docs.terminals import Reader, comparable

NOT_RUN = [block for page in pages() for block in blocks(page) if block.not_run]
INDENTED = {
    "docs/container.md": ROOT / "tests" / "container" / "test_image.py",
    "docs/sandbox.md": ROOT / "tests" / "sandbox" / "test_page.py",
}
"""Pages whose commands stand without a fence, since a test of their own runs them in a world of its own."""


@pytest.mark.timeout(300)  # one scene: it cannot be given to several workers
@pytest.mark.skipif(not shutil.which("curl"), reason="the pages need curl: apt-get install curl")
def test_the_pages_do_what_they_say(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "checkout")
    wrong: list[str] = []
    try:
        for page in scene():
            try:
                for block, printed in followed(page, reader):
                    if block.output is not None and comparable(printed) != comparable(block.output):
                        wrong.append(f"{block} prints something else; see tests/docs/refill.py\n{printed}")
            except AssertionError as error:
                wrong.append(f"{error}")
                if page == FIRST:
                    break  # the others build on it
    finally:
        statuses = reader.leave()
    assert wrong == []
    assert set(statuses.values()) == {0}, statuses
    assert {"gateway serve", "gateway sandbox"} <= statuses.keys()


@pytest.mark.parametrize("block", NOT_RUN, ids=str)
def test_what_no_test_types_in_is_listed(block: Block) -> None:
    pytest.skip(f"{block} is not run: {block.not_run}")


def test_few_blocks_are_not_run() -> None:
    assert len(NOT_RUN) <= 3


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_commands_without_a_fence_are_run_by_a_test_of_their_own(page: Path) -> None:
    if indented(page):
        assert page.name in INDENTED[name_of(page)].read_text("utf-8")
