"""The README's commands, typed in as a new reader would, print what the README says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.blocks import README, blocks, tour
from tests.docs.refill import refilled
from tests.docs.terminals import Reader, abbreviated, comparable

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="the tour needs curl: apt-get install curl")


@needs_curl
def test_the_tour_goes_as_the_readme_says(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    statuses: dict[str, int] = {}
    try:
        for block in tour(README):
            printed = reader.follow(block)
            if block.output is not None:
                assert comparable(printed) == comparable(block.output), f"{block} prints something else; see tests/docs/refill.py"
    finally:
        statuses = reader.leave()
    assert statuses == {"gateway serve": 0, "gateway sandbox": 0}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    page = tmp_path / "page.md"
    page.write_text("```bash\nA=1\n```\n\n```bash\necho $A gwk_abc\n```\n\n```text\ntwo\n```\n\nEnd.\n", "utf-8")
    return page


def test_a_block_that_fails_is_noticed(page: Path, tmp_path: Path) -> None:
    page.write_text("```bash\nfalse\n```\n", "utf-8")
    reader = Reader(tmp_path / "checkout")
    try:
        with pytest.raises(AssertionError, match=r"page\.md:1 ended with 1"):
            reader.follow(*blocks(page))
    finally:
        reader.leave()


def test_what_blocks_print_can_be_written_anew(page: Path, tmp_path: Path) -> None:
    text = refilled([page], tmp_path / "checkout")[page]
    assert text == page.read_text("utf-8").replace("two\n", "1 gwk_…\n")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"),
        ("Cache-Status: gateway; hit; ttl=42", "Cache-Status: gateway; fwd=uri-miss; stored"),
        ('RateLimit: "3/min";r=2;t=60', 'RateLimit: "3/min";r=1;t=60'),
        ("customers  acme", "customers  *"),
    ],
)
def test_what_matters_stays_comparable(one: str, other: str) -> None:
    assert comparable(abbreviated(one)) != comparable(abbreviated(other))
