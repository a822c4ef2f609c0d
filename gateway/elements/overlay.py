"""What the configuration says of elements, laid over their shipped presets: a preset can be overridden in part (contract 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel

from gateway.elements.preset import shipped
from gateway.settings import ElementConfig

M = TypeVar("M", bound=BaseModel)


def over_presets(said: Mapping[str, ElementConfig]) -> dict[str, ElementConfig]:
    """What holds for each element that has a preset or is configured.

    A value that is said takes the place of the preset's, a list as a whole; the values of ``cache`` one by one. Afterwards
    ``model_fields_set`` of an element, and of its cache, names what the configuration said.
    """
    known = {key: preset.element for key, preset in shipped().items()}
    nothing = ElementConfig()
    return {key: _laid(known.get(key, nothing), said.get(key, nothing)) for key in known | dict(said)}


def _laid(under: ElementConfig, over: ElementConfig) -> ElementConfig:
    return _each(under, over, cache=_each(under.cache, over.cache))


def _each(under: M, over: M, **instead: BaseModel) -> M:
    said = over.model_fields_set
    values = {name: getattr(over if name in said else under, name) for name in type(under).model_fields}
    return type(under).model_construct(_fields_set=set(said), **(values | instead))
