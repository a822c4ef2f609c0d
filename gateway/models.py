"""The values of the admin API and the command line (contract 4 and 5), validated. Unknown fields are refused.

Secrets come in as ``Secret`` and never go out, with one exception: ``CreatedKey.key``, shown once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema, field_validator

from gateway.errors import BadRequest
from gateway.secret import Secret
from gateway.settings import NAME, parse_duration

_CENTURY_S = 36_525 * 86_400.0
_LONGEST_SECRET = 1024
_LARGEST_ID = 2**63 - 1  # what SQLite can keep
_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})

Scope = Literal["hub", "platform:read", "platform:write", "admin"]
Priority = Literal["interactive", "batch"]


def _printable(value: str) -> str:
    if any(unicodedata.category(character) in _BREAKS for character in value):
        raise ValueError("expected text without control characters")
    if value != value.strip():
        raise ValueError("expected text without blanks around it")
    return value


def _unslashed(value: str) -> str:
    if "/" in value:
        raise ValueError('expected a name without "/"')
    return value


def _duration(value: object) -> float:
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise ValueError(f"expected {error}") from None
    if seconds > _CENTURY_S:
        raise ValueError("expected a century at most")
    return seconds


def _secret(allowed: Callable[[str], bool], expected: str) -> PlainValidator:
    """A validator whose error never quotes what it was given."""

    def validate(value: object) -> Secret:
        text = value.reveal() if isinstance(value, Secret) else value
        if not isinstance(text, str) or not 1 <= len(text) <= _LONGEST_SECRET or not all(map(allowed, text)):
            raise ValueError(f"expected 1 to {_LONGEST_SECRET} characters, {expected}")
        return value if isinstance(value, Secret) else Secret(text)

    return PlainValidator(validate)


_SECRET_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _LONGEST_SECRET, "writeOnly": True})

# It goes into `Authorization: User …, Organization …, Element <token>`: a blank, comma or line break would end it there.
Token = Annotated[Secret, _secret(lambda one: "!" <= one <= "~" and one != ",", "visible ASCII without comma"), _SECRET_SCHEMA]
SignatureKey = Annotated[Secret, _secret(lambda one: unicodedata.category(one) not in _BREAKS, "none of them control"), _SECRET_SCHEMA]
Label = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
Customer = Annotated[Label, AfterValidator(_unslashed)]
Key = Annotated[str, Field(pattern=NAME)]
Tags = Annotated[list[Label], Field(max_length=64)]
Globs = Annotated[list[Label], Field(min_length=1, max_length=1000)]
Method = Annotated[str, Field(pattern=r"^(\*|[A-Z][A-Z-]{0,31})$")]
Duration = Annotated[float, PlainValidator(_duration), WithJsonSchema({"type": "string", "examples": ["24h", "90d"]})]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class NewInstance(_Model):
    """A mapping to be added."""

    environment: Key = Field(description="A configured environment")
    customer: Customer = Field(description="The customer, as our own services name it")
    element: Key = Field(description="The element key, such as `hubspot`")
    token: Token = Field(description="The element instance token of Cloud Elements")
    instance_id: int | None = Field(default=None, ge=1, le=_LARGEST_ID, description="The instance's number at Cloud Elements")
    hub: Key | None = Field(default=None, description="The element's hub, such as `crm`")
    name: Label | None = Field(default=None, description="Tells several instances of one customer and element apart")
    tags: Tags = Field(default=[], description="For people")
    group: Label | None = Field(default=None, description="Shares a budget with others of that group, where limits have the scope `group`")
    event_signature_key: SignatureKey | None = Field(default=None, description="With which Cloud Elements signs this instance's events")


class InstancePatch(_Model):
    """What is to change in a mapping; what is absent stays. ``null`` takes a name, group or event signature key away."""

    token: Token | None = None
    disabled: bool | None = None
    name: Label | None = None
    tags: Tags | None = None
    group: Label | None = None
    event_signature_key: SignatureKey | None = None

    @field_validator("token", "disabled", "tags", mode="before")
    @classmethod
    def _present(cls, value: object) -> object:
        if value is None:
            raise ValueError("expected a value, not null")
        return value


class MappedInstance(_Model):
    """A mapping as it is shown: all but its secrets."""

    handle: str
    environment: str
    customer: str
    element: str
    name: str | None
    group: str | None
    hub: str | None
    instance_id: int | None
    tags: list[str]
    disabled: bool
    created_at: datetime
    updated_at: datetime


class InstanceQuery(_Model):
    """Which mappings to list."""

    environment: str | None = None
    customer: str | None = None
    element: str | None = None
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before")


class InstancePage(_Model):
    """Some mappings, by environment, customer, element and name; ``next_cursor`` is null on the last page."""

    items: list[MappedInstance]
    next_cursor: str | None


class LineError(_Model):
    """What is wrong with a line (1 is the first)."""

    line: int
    error: str


class ImportReport(_Model):
    """How an import ended: all lines, or none and why."""

    imported: int
    errors: list[LineError]


class NewKey(_Model):
    """A caller key to be made."""

    name: Label = Field(description="Whose key it is")
    environments: Annotated[list[Key], Field(min_length=1)] | None = Field(default=None, description="Absent: all configured ones")
    customers: Globs = Field(default=["*"], description="Globs")
    elements: Globs = Field(default=["*"], description="Globs")
    methods: Annotated[list[Method], Field(min_length=1, max_length=64)] = Field(default=["*"], description="`*`: every method")
    scopes: Annotated[list[Scope], Field(min_length=1)] = Field(default=["hub"])
    priority: Priority = "interactive"
    expires: Duration | None = Field(default=None, gt=0, description="From now, such as `90d`; absent: never")


class KeyRotation(_Model):
    """How to rotate a key."""

    overlap: Duration = Field(default=86_400.0, description="How long the old secret lives on, such as `24h`; `0s`: not at all")


class ShownKey(_Model):
    """A caller key as it is shown: all but its secret."""

    id: str
    name: str
    environments: list[str]
    customers: list[str]
    elements: list[str]
    methods: list[str]
    scopes: list[str]
    priority: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    previous_expires_at: datetime | None = Field(description="When the secret before the last rotation dies")


class CreatedKey(ShownKey):
    """A key just made or rotated, with its text: the only time that it is shown."""

    key: str = Field(repr=False)


class KeyList(_Model):
    """All caller keys, the oldest first."""

    items: list[ShownKey]


M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], value: object) -> M:
    """``value``, or the JSON that it is if it is ``bytes``, as ``model``.

    ``BadRequest`` with every mistake: ``errors=[{"path": "tags.0", "error": …}]``, never with what was found there.
    """
    try:
        return model.model_validate_json(value) if isinstance(value, bytes) else model.model_validate(value)
    except ValidationError as error:
        errors = mistakes(error)
        detail = "; ".join(f"{one['path']}: {one['error']}".removeprefix(": ") for one in errors)
        raise BadRequest(detail, errors=errors) from None


def mistakes(error: ValidationError) -> list[dict[str, str]]:
    """Path and text of each mistake, without the values."""
    return [_mistake(item) for item in error.errors(include_url=False, include_input=False)]


def _mistake(item: Any) -> dict[str, str]:
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        # The name of a field that we do not know could be anything, a misplaced secret too.
        known = re.fullmatch(r"[a-z_]{1,32}(\.[a-z_]{1,32})?", path)
        return {"path": path if known else "…", "error": "unknown field"}
    if item["type"] == "missing":
        return {"path": path, "error": "expected a value, found none"}
    return {"path": path, "error": str(item["msg"]).removeprefix("Value error, ")}
