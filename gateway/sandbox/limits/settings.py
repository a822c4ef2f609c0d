"""``PUT /sandbox/limits``: what may be said, and how a limit is spelled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.sandbox.call import ApiError
from gateway.sandbox.limits.files import FileLimits
from gateway.sandbox.limits.forms import FORMS
from gateway.sandbox.limits.meter import Rate

_RATE = re.compile(r"(?P<calls>[1-9]\d{0,8})/(?P<count>[1-9]\d{0,5})?(?P<unit>s|min|h|day)(?: burst (?P<burst>[1-9]\d{0,6}))?", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86400}


class ElementLimit(BaseModel):
    """``limits`` hold together: ``"100/10s"`` is never more than 100 in any 10 seconds, ``"2/s burst 40"`` a bucket of 40 that leaks 2 a
    second. ``concurrency`` 0: any number at once. ``form`` is how a refusal looks, one of ``FORMS``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    limits: list[str] = Field(default_factory=list)
    concurrency: int = Field(0, ge=0)
    form: str = "plain"

    @field_validator("limits")
    @classmethod
    def _spelled(cls, limits: list[str]) -> list[str]:
        if wrong := [limit for limit in limits if not _RATE.fullmatch(limit)]:
            raise ValueError(f"expected N/10s, N/min, N/h, N/day or N/s burst B, found {wrong[0][:40]}")
        return limits

    @field_validator("form")
    @classmethod
    def _known(cls, form: str) -> str:
        if form not in FORMS:
            raise ValueError(f"expected one of {', '.join(FORMS)}")
        return form

    def rates(self) -> list[Rate]:
        return [_rate(limit) for limit in self.limits]


class LimitSettings(BaseModel):
    """``elements`` override the table, each as a whole."""

    model_config = ConfigDict(extra="forbid", strict=True)

    enabled: bool = True
    elements: dict[str, ElementLimit] = Field(default_factory=dict)
    files: FileLimits = Field(default_factory=FileLimits)


def parsed(document: Mapping[str, Any]) -> LimitSettings:
    """Raises ``ApiError`` 400: where, and what was expected."""
    try:
        return LimitSettings.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise ApiError(400, f"{'.'.join(map(str, first['loc']))[:100]}: {first['msg'].removeprefix('Value error, ')}") from None


def _rate(limit: str) -> Rate:
    match = _RATE.fullmatch(limit)
    if match is None:
        raise ValueError(limit)
    return Rate(int(match["calls"]), int(match["count"] or 1) * _SECONDS[match["unit"]], int(match["burst"] or 0))
