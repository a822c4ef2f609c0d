"""The shipped presets: for each element a TOML file that stands where ``[elements.KEY]`` says nothing (contract 3)."""

from __future__ import annotations

import tomllib
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any


def presets() -> dict[str, dict[str, Any]]:
    """Element key to the raw table as it would stand under ``[elements.KEY]``. The caller may keep and change it."""
    return deepcopy(_shipped())


@cache
def _shipped() -> dict[str, dict[str, Any]]:
    folder = files("gateway.elements") / "presets"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): tomllib.loads(file.read_text("utf-8")) for file in found}
