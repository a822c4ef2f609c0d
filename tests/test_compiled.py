"""What setup.py compiles: all of it where these tests run on the compiled gateway, nothing of it elsewhere."""

from __future__ import annotations

import ast
import importlib
import os
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LISTED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["gateway"]["compiled"]


def test_the_list_is_in_order() -> None:
    assert sorted(set(LISTED)) == LISTED


@pytest.mark.parametrize("path", LISTED)
def test_a_module_is_what_it_should_be(path: str) -> None:
    module = importlib.import_module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    assert (ROOT / path).is_file()
    assert module.__file__ is not None
    assert Path(module.__file__).suffix == (".so" if os.environ.get("TESTS_COMPILED") == "true" else ".py")


@pytest.mark.parametrize("path", LISTED)
def test_no_coroutine_is_compiled(path: str) -> None:
    """Compiled, a coroutine within a coroutine brought the interpreter down under load (mypy 2.4.1, Python 3.11): none is trusted."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    assert [node.name for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)] == []
