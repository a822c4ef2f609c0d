"""Every fenced block is one that something checks, and it holds what it says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import errors
from gateway.config import load, without_effect
from tests.docs.blocks import ROOT, Block, blocks, pages

EVERY = [block for page in pages() for block in blocks(page)]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def of(language: str) -> list[Block]:
    return [block for block in EVERY if block.language == language]


def test_every_block_is_checked_somewhere() -> None:
    checked = {"bash", "toml", "json"}  # bash: test_tour, test_pages, and below; http: test_wire
    assert [str(block) for block in EVERY if block.language not in checked and (block.page, block.language) != ("README.md", "http")] == []
    assert len([block for block in EVERY if block.language == "http"]) == 2


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_configuration_is_read_by_the_gateway(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(block.text, "utf-8")
    assert without_effect(load(path, {})) == []


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_a_problem_looks_like_one_of_ours(block: Block) -> None:
    document = json.loads(block.text)
    (kind,) = (kind for kind in vars(errors).values() if getattr(kind, "slug", "") == document["type"].removeprefix("urn:gateway:problem:"))
    assert (document["title"], document["status"], document["source"]) == (kind("").title, kind.status, kind.source)
    assert set(document) == {"type", "title", "status", "detail", "source", "requestId", "message", "retryAfter"}


MAKE = [block for block in of("bash") if block.text.startswith("make ")]
COMMANDS = [block for block in of("bash") if block.page == "CONTRIBUTING.md" and block not in MAKE]


@pytest.mark.parametrize("block", MAKE, ids=str)
def test_make_knows_what_the_page_names(block: Block) -> None:
    for line in block.text.splitlines():
        make, target = line.split()
        assert (make, bool(re.search(rf"^{target}:", MAKEFILE, re.MULTILINE))) == ("make", True), line


@pytest.mark.parametrize("line", [line for block in COMMANDS for line in block.text.splitlines()])
def test_a_command_on_tests_finds_some(line: str) -> None:
    python, *words = shlex.split(line)
    assert (python, words[:2]) == (".venv/bin/python", ["-m", "pytest"])
    command = [sys.executable, *words, "--collect-only", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
