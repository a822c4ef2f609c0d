"""What a route of the admin listener is: one value from which it is served, guarded and described (``openapi.py``)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, get_args

from aiohttp import web
from pydantic import BaseModel

from gateway import errors
from gateway.errors import GatewayError
from gateway.fields import Scope
from gateway.reports import Nothing

Guard = Scope | Literal["public"]
"""Which scope a caller key must have; ``public``: anybody may ask, without a key."""

_GUARDS = frozenset({*get_args(Scope), "public"})
_ALWAYS = (errors.BadRequest, errors.Unauthenticated, errors.Forbidden, errors.Internal, errors.StoreUnavailable)
_JSON_OCTETS = 4 * 1024 * 1024
BULK_OCTETS = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a route takes: JSON that fits ``model``, or octets of one of ``media`` (by media type, what the handler calls it)."""

    model: type[BaseModel] | None = None
    media: Mapping[str, str] = field(default_factory=dict)
    required: bool = True
    most: int = _JSON_OCTETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a route answers when all is well: JSON of ``model``, text of one of ``media``, or nothing; with which fields."""

    status: int = 200
    model: type[BaseModel] | None = None
    media: tuple[str, ...] = ()
    etag: bool = False
    location: str = ""
    """The path of what was made, its fields in braces."""
    also: Mapping[int, str] = field(default_factory=dict)
    """Further statuses with the same model, and what they mean."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. ``verb`` names its handler. ``ValueError`` for one that does not say whom it lets in."""

    method: str
    path: str
    verb: str
    summary: str
    _: KW_ONLY
    scope: Guard
    answer: Answer
    about: str = ""
    query: type[BaseModel] = Nothing
    body: Body | None = None
    if_match: bool = False
    problems: tuple[type[GatewayError], ...] = ()

    def __post_init__(self) -> None:
        if self.scope not in _GUARDS:
            raise ValueError(f"{self.method} {self.path}: expected a scope, one of {', '.join(sorted(_GUARDS))}")

    @property
    def parameters(self) -> list[str]:
        """The names in its path."""
        return names_in(self.path)

    @property
    def all_problems(self) -> tuple[type[GatewayError], ...]:
        """Every way in which it says no: its own, and those that follow from what it takes."""
        if self.scope == "public":
            return self.problems
        found: list[type[GatewayError]] = [*_ALWAYS, *self.problems]
        if self.if_match:
            found.append(errors.PreconditionFailed)
        if self.body:
            found += [errors.BodyTooLarge, errors.UnsupportedMediaType, errors.RequestTimeout]
        return tuple(found)


def names_in(template: str) -> list[str]:
    """The names that stand in braces."""
    return re.findall(r"\{(\w+)\}", template)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in and fits its route.

    ``body`` is a value of the route's model, or (text, what the media type is called); ``versions`` are those of ``If-Match``, None
    for any; ``actor`` is the id of the caller key.
    """

    request: web.Request
    query: Any
    body: Any
    versions: Collection[str] | None
    actor: str

    def named(self, parameter: str) -> str:
        """What stood in the path."""
        return self.request.match_info[parameter]
