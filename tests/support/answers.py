"""The grammar of HTTP/1.1 messages, and an answer as it was read (RFC 9112). Nothing here forgives."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

Field = tuple[str, str]
Framing = Literal["none", "length", "chunked", "close"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_STATUS = re.compile(r"HTTP/1\.1 ([1-5]\d\d) ([\t \x21-\x7e\x80-\xff]*)")


class MalformedError(AssertionError):
    """The peer sent octets that are not the HTTP/1.1 message they should be."""


def parse_fields(section: bytes) -> tuple[Field, ...]:
    """(name, value) of each line of a header section given without its final empty line; ``MalformedError`` (RFC 9110 5.1, 5.5)."""
    fields = []
    for line in section.decode("latin-1").split("\r\n") if section else ():
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise MalformedError(f"not a header field: {line[:200]!r}")
        fields.append((name, value))
    return tuple(fields)


def values_of(fields: tuple[Field, ...], name: str) -> list[str]:
    """The values of the lines called ``name`` (any case), in order."""
    return [value for key, value in fields if key.lower() == name.lower()]


@dataclass(frozen=True)
class Answer:
    """One final answer. ``complete`` is False where the connection ended inside of it; ``interim`` are the 1xx before it."""

    status: int
    reason: str
    fields: tuple[Field, ...]
    body: bytes
    complete: bool
    framing: Framing
    trailers: tuple[Field, ...] = ()
    interim: tuple[int, ...] = ()

    def values(self, name: str) -> list[str]:
        return values_of(self.fields, name)

    def value(self, name: str) -> str:
        """The only value of ``name``; fails unless there is exactly one."""
        values = self.values(name)
        assert len(values) == 1, f"{name}: {values}"
        return values[0]

    @property
    def closing(self) -> bool:
        """Whether this answer says that the connection ends with it."""
        return self.framing == "close" or any("close" in value.lower() for value in self.values("connection"))

    def json(self) -> Any:
        return json.loads(self.body)


def framing_of(method: str, status: int, fields: tuple[Field, ...]) -> Framing:
    """How the body ends (RFC 9112 6.3); ``MalformedError`` where that is in doubt."""
    lengths, codings = values_of(fields, "content-length"), values_of(fields, "transfer-encoding")
    if len(lengths) + len(codings) > 1 or any(not re.fullmatch(r"\d+", length) for length in lengths):
        raise MalformedError(f"framing in doubt: Content-Length {lengths}, Transfer-Encoding {codings}")
    if codings and codings != ["chunked"]:
        raise MalformedError(f"Transfer-Encoding {codings}")
    if status == 204 and (lengths or codings):
        raise MalformedError("204 with framing fields (RFC 9110 8.6)")
    if method == "HEAD" or status in (204, 304):
        return "none"
    if lengths:
        return "length"
    return "chunked" if codings else "close"


def status_line(line: bytes) -> tuple[int, str]:
    """(status, reason) of an HTTP/1.1 status line; ``MalformedError``."""
    match = _STATUS.fullmatch(line.decode("latin-1"))
    if not match:
        raise MalformedError(f"not a status line: {line[:200]!r}")
    return int(match[1]), match[2]
