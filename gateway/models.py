"""The values of the admin API and the command line that are stored (contract 4 and 5), validated. Unknown fields are refused.

Secrets come in as ``Secret`` and never go out, with one exception: ``CreatedKey.key``, shown once.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from gateway.errors import BadRequest
from gateway.fields import (
    LARGEST_ID,
    Customer,
    Duration,
    Globs,
    Key,
    Label,
    Limits,
    Method,
    Priority,
    Reason,
    Scope,
    SignatureKey,
    State,
    Tags,
    Token,
    never_null,
)

_LONGEST_PAUSE_S = 30 * 86_400.0


class Model(BaseModel):
    """A value that comes from outside or goes there."""

    # Built when first used: a gateway that serves holds all of them, and most never see one.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class Versioned(Model):
    """A stored thing as it is shown, and which version of it that is."""

    _version: str = PrivateAttr(default="")

    @property
    def version(self) -> str:
        """Another text after every change, of what is not shown too (a token, a digest); the ETag of the admin API."""
        return self._version

    def at(self, version: str) -> Self:
        """This value, known to be ``version``."""
        self._version = version
        return self

    def __eq__(self, other: object) -> bool:
        """Two that show the same are equal."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]


class NewInstance(Model):
    """A mapping to be added."""

    environment: Key = Field(description="A configured environment")
    customer: Customer = Field(description="The customer, as our own services name it")
    element: Key = Field(description="The element key, such as `hubspot`")
    token: Token = Field(description="The element instance token of Cloud Elements")
    instance_id: int | None = Field(default=None, ge=1, le=LARGEST_ID, description="The instance's number at Cloud Elements")
    hub: Key | None = Field(default=None, description="The element's hub, such as `crm`")
    name: Label | None = Field(default=None, description="Tells several instances of one customer and element apart")
    tags: Tags = Field(default=[], description="For people")
    group: Label | None = Field(default=None, description="Shares a budget with others of that group, where limits have the scope `group`")
    event_signature_key: SignatureKey | None = Field(default=None, description="With which Cloud Elements signs this instance's events")


class InstancePatch(Model):
    """What is to change in a mapping; what is absent stays. ``null`` takes a name, group or event signature key away."""

    token: Token | None = Field(default=None, json_schema_extra=never_null)
    disabled: bool | None = Field(default=None, json_schema_extra=never_null)
    name: Label | None = None
    tags: Tags | None = Field(default=None, json_schema_extra=never_null)
    group: Label | None = None
    event_signature_key: SignatureKey | None = None

    @field_validator("token", "disabled", "tags", mode="before")
    @classmethod
    def _present(cls, value: object) -> object:
        if value is None:
            raise ValueError("expected a value, not null")
        return value


class MappedInstance(Versioned):
    """A mapping as it is shown: all but its secrets. ``state`` is ``disabled`` where both hold."""

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
    state: State
    created_at: datetime
    updated_at: datetime


class InstanceQuery(Model):
    """Which mappings to list."""

    environment: str | None = Field(default=None, description="Only of this environment")
    customer: str | None = Field(default=None, description="Only of this customer")
    element: str | None = Field(default=None, description="Only of this element")
    state: State | None = Field(default=None, description="Only in this state")
    limit: int = Field(default=100, ge=1, le=1000, description="How many at most")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before")


class InstancePage(Model):
    """Some mappings, by environment, customer, element and name; ``next_cursor`` is null on the last page."""

    items: list[MappedInstance]
    next_cursor: str | None


class LineError(Model):
    """What is wrong with a line (1 is the first)."""

    line: int
    error: str


class ImportReport(Model):
    """How an import ended: all lines, or none and why."""

    imported: int
    errors: list[LineError]


class NewKey(Model):
    """A caller key to be made."""

    name: Label = Field(description="Whose key it is")
    environments: Annotated[list[Key], Field(min_length=1)] | None = Field(default=None, description="Absent: all configured ones")
    customers: Globs = Field(default=["*"], description="Globs")
    elements: Globs = Field(default=["*"], description="Globs")
    methods: Annotated[list[Method], Field(min_length=1, max_length=64)] = Field(default=["*"], description="`*`: every method")
    scopes: Annotated[list[Scope], Field(min_length=1)] = Field(default=["hub"])
    priority: Priority = "interactive"
    limits: Limits = Field(
        default=[], description="How many of its calls may leave, such as `100/10s`; all hold at once, beside those of the element"
    )
    expires: Duration | None = Field(default=None, gt=0, description="From now, such as `90d`; absent: never")


class KeyRotation(Model):
    """How to rotate a key."""

    overlap: Duration = Field(default=86_400.0, description="How long the old secret lives on, such as `24h`; `0s`: not at all")


class ShownKey(Versioned):
    """A caller key as it is shown: all but its secret."""

    id: str
    name: str
    environments: list[str]
    customers: list[str]
    elements: list[str]
    methods: list[str]
    scopes: list[str]
    priority: str
    limits: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    previous_expires_at: datetime | None = Field(description="When the secret before the last rotation dies")


class CreatedKey(ShownKey):
    """A key just made or rotated, with its text: the only time that it is shown."""

    key: str = Field(repr=False)


class KeyQuery(Model):
    """Which caller keys to list."""

    limit: int = Field(default=1000, ge=1, le=1000, description="How many at most")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before")


class KeyPage(Model):
    """Some caller keys, the oldest first; ``next_cursor`` is null on the last page."""

    items: list[ShownKey]
    next_cursor: str | None


class NewPause(Model):
    """Calls to be stopped for a time: those to which all applies that is named. At least one of environment, customer and element is."""

    environment: Key | None = Field(default=None, description="A configured environment; absent: whichever")
    customer: Customer | None = Field(default=None, description="As `Gateway-Customer` names it; absent: whichever, also none")
    element: Key | None = Field(default=None, description="The element key; `platform`: calls for no customer; absent: whichever")
    for_: Duration = Field(alias="for", description="From now, such as `10m`; `30d` at most")
    reason: Reason = Field(description="Why; callers are told")

    @field_validator("for_")
    @classmethod
    def _bounded(cls, value: float) -> float:
        if not 0 < value <= _LONGEST_PAUSE_S:
            raise ValueError("expected more than nothing and 30d at most")
        return value

    @model_validator(mode="after")
    def _narrowed(self) -> Self:
        if self.environment is None and self.customer is None and self.element is None:
            raise ValueError("expected at least one of environment, customer and element")
        return self


class ShownPause(Model):
    """A pause that is in force; null for what it does not name."""

    id: str
    environment: str | None
    customer: str | None
    element: str | None
    reason: str
    created_at: datetime
    ends_at: datetime


class PauseQuery(Model):
    """Which pauses to list."""

    limit: int = Field(default=1000, ge=1, le=1000, description="How many at most")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before")


class PausePage(Model):
    """Some of the pauses that are in force, the newest first; ``next_cursor`` is null on the last page."""

    items: list[ShownPause]
    next_cursor: str | None


M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], value: object) -> M:
    """``value``, or the JSON that it is if it is ``bytes``, as ``model``.

    JSON says of what type a value is, so nothing is converted there (``"5"`` is no number); options and queries are text.
    ``BadRequest`` with every mistake: ``errors=[{"path": "tags.0", "error": …}]``, never with what was found there.
    """
    try:
        return model.model_validate_json(value, strict=True) if isinstance(value, bytes) else model.model_validate(value)
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


class MasterKeyUse(Model):
    """What is under one master key."""

    id: str
    present: bool = Field(description="Whether the key ring holds it")
    encrypts: bool = Field(description="Whether what is written now is under it")
    secrets: int = Field(description="Tokens and signature keys of mappings under it")
    kept_answers: int = Field(description="Answers kept for an Idempotency-Key under it")


class VaultStatus(Model):
    """Which master keys are there and in use, the encrypting one first."""

    keys: list[MasterKeyUse]


class VaultRotation(Model):
    """What was encrypted anew, under the first master key."""

    id: str = Field(description="That master key's id")
    mappings: int = Field(description="How many mappings had a secret under another one")
    kept_answers: int = Field(description="How many kept answers were under another one")
    unreadable: int = Field(description="How many of both do not decrypt, and stayed as they were")
