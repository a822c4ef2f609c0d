"""The shipped presets: for each element a TOML file that stands where ``[elements.KEY]`` says nothing (contract 3).

``presets/KEY.toml`` holds what ``Preset`` describes. ``like = "OTHER"`` takes from another element what the file does not say;
``presets/_every.toml`` holds for all that say nothing else, and its cache rules follow those of the element.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.elements.figure import Figure
from gateway.settings import ElementConfig

_EVERY = "_every"
_SETTINGS = ("scope", "timezone", "hubs", "limit_signals", "cache")


class Preset(BaseModel):
    """What is known of one element. ``element`` is its section of the configuration; the rest says where that comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(description="As Cloud Elements spells it")
    name: str = Field(min_length=1, description="As people call it")
    counted_by: str = Field(min_length=1, description="What the provider counts by, and so why the scope is what it is")
    midnight: str | None = Field(
        default=None, min_length=1, description="Why the time zone is what it is; said where a day or month counts"
    )
    figures: tuple[Figure, ...] = Field(default=(), description="Each limit and the concurrency, with its source")
    beyond: str | None = Field(default=None, min_length=1, description="What else the provider limits; why there is no figure")
    uncertain: str | None = Field(default=None, min_length=1, description="What is not certain about key, hubs or signals")
    element: ElementConfig = Field(description="What it comes to, as under `[elements.KEY]`")


def presets() -> dict[str, dict[str, Any]]:
    """Element key to the raw table as it would stand under ``[elements.KEY]``. The caller may keep and change it."""
    return deepcopy({key: _section(table) for key, table in _tables().items()})


@cache
def shipped() -> Mapping[str, Preset]:
    """Element key to preset."""
    return {key: _preset(key, table) for key, table in _tables().items()}


def _preset(key: str, table: dict[str, Any]) -> Preset:
    about = {name: value for name, value in table.items() if name not in _SETTINGS}
    return Preset.model_validate({"key": key, "element": _section(table), **about})


def _section(table: dict[str, Any]) -> dict[str, Any]:
    figures = table.get("figures", ())
    section = {name: table[name] for name in _SETTINGS if name in table}
    section["limits"] = [figure["limit"] for figure in figures if "limit" in figure]
    at_once = [figure["concurrency"] for figure in figures if "concurrency" in figure]
    return section | ({"concurrency": min(at_once)} if at_once else {})


@cache
def _tables() -> dict[str, dict[str, Any]]:
    folder = files("gateway.elements") / "presets"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    written = {file.name.removesuffix(".toml"): tomllib.loads(file.read_text("utf-8")) for file in found}
    every = written.pop(_EVERY)
    return {key: _under(every, _whole(table, written)) for key, table in written.items()}


def _whole(table: dict[str, Any], written: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    like = table.get("like")
    rest = {name: value for name, value in table.items() if name != "like"}
    return {**_whole(written[like], written), **rest} if like else rest


def _under(every: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    own = table.get("cache", {})
    rules = [*own.get("rules", ()), *every["cache"]["rules"]]
    return {**every, **table, "cache": {**every["cache"], **own, "rules": rules}}
