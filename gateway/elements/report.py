"""What `gateway elements` tells: each preset with its sources, and what a configuration makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from pydantic import BaseModel, Field

from gateway.elements.preset import Preset
from gateway.errors import NotFound
from gateway.settings import ElementCache, ElementConfig


class NoSuchElement(NotFound):
    """There is no such element"""


class ElementRow(BaseModel):
    """One element in the list. Durations are in seconds."""

    key: str
    name: str | None = Field(description="Null where there is no preset")
    hubs: tuple[str, ...]
    limits: tuple[str, ...]
    scope: str
    concurrency: int | None
    cache_ttl_s: float = Field(description="Freshness where the answer states none; 0 where nothing is cached")
    configured: tuple[str, ...] = Field(description="What the configuration says in place of the preset")


class ElementRows(BaseModel):
    """Every element, by key."""

    items: tuple[ElementRow, ...]


class FigureDetail(BaseModel):
    """One figure with its source. ``left_free`` is a share from 0 to 1, null where the provider states no figure."""

    figure: str
    provider: str | None
    left_free: float | None
    head_room: str
    source: str
    uncertain: str | None
    replaced: bool = Field(description="Whether the configuration says something else in its place")


class ElementDetail(BaseModel):
    """One element: its preset with sources, and what holds. Durations are in seconds."""

    key: str
    name: str | None
    counted_by: str | None
    midnight: str | None
    beyond: str | None
    uncertain: str | None
    figures: tuple[FigureDetail, ...]
    preset: ElementConfig | None = Field(description="The preset as it would stand in the configuration")
    effective: ElementConfig = Field(description="What holds with the configuration, or the preset where none is given")
    configured: tuple[str, ...]


def configured(element: ElementConfig) -> tuple[str, ...]:
    """What the configuration says of the element, as ``limits`` or ``cache.ttl``."""
    names = [name for name in ElementConfig.model_fields if name in element.model_fields_set - {"cache"}]
    inner = [f"cache.{name}" for name in ElementCache.model_fields if name in element.cache.model_fields_set]
    return (*names, *inner)


def rows(effective: Mapping[str, ElementConfig], shipped: Mapping[str, Preset]) -> ElementRows:
    """Every element that has a preset or is configured. ``effective`` is what holds (``over_presets``)."""
    return ElementRows(items=tuple(_row(key, effective[key], shipped.get(key)) for key in sorted(effective)))


def detail(key: str, effective: Mapping[str, ElementConfig], shipped: Mapping[str, Preset]) -> ElementDetail:
    """All that is known of ``key``. Raises ``NoSuchElement``, naming keys that look like it."""
    element, preset = effective.get(key), shipped.get(key)
    if element is None:
        near = get_close_matches(key.lower(), effective, n=5) or [known for known in effective if key.lower() in known]
        hint = f"; near: {', '.join(near)}" if near else ""
        raise NoSuchElement(f"no preset and no configuration has the key {key[:64]!r}{hint}", near=near)
    return ElementDetail(
        key=key,
        name=preset and preset.name,
        counted_by=preset and preset.counted_by,
        midnight=preset and preset.midnight,
        beyond=preset and preset.beyond,
        uncertain=preset and preset.uncertain,
        figures=_figures(preset, element.model_fields_set) if preset else (),
        preset=preset and preset.element,
        effective=element,
        configured=configured(element),
    )


def _row(key: str, element: ElementConfig, preset: Preset | None) -> ElementRow:
    return ElementRow(
        key=key,
        name=preset and preset.name,
        hubs=element.hubs,
        limits=element.limits,
        scope=element.scope,
        concurrency=element.concurrency,
        cache_ttl_s=element.cache.ttl if element.cache.enabled else 0.0,
        configured=configured(element),
    )


def _figures(preset: Preset, said: set[str]) -> tuple[FigureDetail, ...]:
    return tuple(
        FigureDetail(
            figure=figure.text,
            provider=figure.provider_text,
            left_free=None if figure.left_free is None else round(figure.left_free, 3),
            head_room=figure.head_room,
            source=figure.source,
            uncertain=figure.uncertain,
            replaced=("limits" if figure.limit else "concurrency") in said,
        )
        for figure in preset.figures
    )
