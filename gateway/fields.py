"""The forms that single values of the admin API and the command line have: what is taken, and how OpenAPI says it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from gateway.limits.quota import parse_quota
from gateway.secret import Secret
from gateway.settings import NAME, parse_duration

_CENTURY_S = 36_525 * 86_400.0
_MOST_LIMITS = 8
_LONGEST_SECRET = 1024
_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})
LARGEST_ID = 2**63 - 1  # what SQLite can keep

Scope = Literal["hub", "platform:read", "platform:write", "admin"]
Priority = Literal["interactive", "batch"]
State = Literal["active", "disabled", "needs_authorization"]


def _printable(value: str) -> str:
    if any(unicodedata.category(character) in _BREAKS for character in value):
        raise ValueError("expected text without control characters")
    if value != value.strip():
        raise ValueError("expected text without blanks around it")
    return value


def _keyless(value: str) -> str:
    if "gwk_" in value.lower():
        raise ValueError("expected text without a caller key (gwk_…): callers are told it")
    return value


def _unslashed(value: str) -> str:
    if "/" in value:
        raise ValueError('expected a name without "/"')
    return value


def duration(value: object) -> float:
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise ValueError(f"expected {error}") from None
    if seconds > _CENTURY_S:
        raise ValueError("expected a century at most")
    return seconds


def _limit(value: str) -> str:
    """The canonical spelling of a quota; the error never quotes what it was given."""
    try:
        return parse_quota(value).text
    except ValueError:
        raise ValueError(
            'expected a limit such as "100/10s", "10/s burst 20" (units s, min, h), "250000/day" or "9/month", '
            "each number from 1 to 999999999"
        ) from None


def _each_once(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _secret(allowed: Callable[[str], bool], expected: str) -> PlainValidator:
    """A validator whose error never quotes what it was given."""

    def validate(value: object) -> Secret:
        text = value.reveal() if isinstance(value, Secret) else value
        if not isinstance(text, str) or not 1 <= len(text) <= _LONGEST_SECRET or not all(map(allowed, text)):
            raise ValueError(f"expected 1 to {_LONGEST_SECRET} characters, {expected}")
        return value if isinstance(value, Secret) else Secret(text)

    return PlainValidator(validate)


def _secret_schema(**more: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _LONGEST_SECRET, "writeOnly": True, **more})


def never_null(schema: dict[str, Any]) -> None:
    """For a field that may be absent but not ``null``: its JSON schema without ``null``."""
    (present,) = (form for form in schema.pop("anyOf") if form != {"type": "null"})
    schema.pop("default", None)
    schema.update(present)


# It goes into `Authorization: User …, Organization …, Element <token>`: a blank, comma or line break would end it there.
Token = Annotated[
    Secret,
    _secret(lambda one: "!" <= one <= "~" and one != ",", "visible ASCII without comma"),
    _secret_schema(pattern=r"^[!-+\--~]+$"),
]
SignatureKey = Annotated[
    Secret,
    _secret(lambda one: unicodedata.category(one) not in _BREAKS, "none of them control"),
    _secret_schema(pattern=r"^[^\x00-\x1f]+$"),
]
Label = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
Reason = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable), AfterValidator(_keyless)]
Customer = Annotated[Label, AfterValidator(_unslashed)]
Key = Annotated[str, Field(pattern=NAME)]
Tags = Annotated[list[Label], Field(max_length=64)]
Globs = Annotated[list[Label], Field(min_length=1, max_length=1000)]
Limit = Annotated[
    str,
    AfterValidator(_limit),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*[1-9][0-9]{0,8}/(([1-9][0-9]{0,8})?(s|min|h)( +burst +[1-9][0-9]{0,8})?|day|month)\s*$",
            "examples": ["100/10s", "10/s burst 20", "250000/day"],
        }
    ),
]
Limits = Annotated[list[Limit], Field(max_length=_MOST_LIMITS), AfterValidator(_each_once)]
Method = Annotated[str, Field(pattern=r"^(\*|[A-Z][A-Z-]{0,31})$")]
Duration = Annotated[
    float,
    PlainValidator(duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|min|m|h|d)$"},
                {"type": "number", "minimum": 0, "maximum": _CENTURY_S, "description": "Seconds"},
            ],
            "examples": ["24h", "90d"],
        }
    ),
]
