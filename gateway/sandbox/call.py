"""One call to the sandbox and its answer, as values; and ``ApiError``, the error that it may end with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import parse_qs

from gateway.sandbox.authorization import Credentials

PREFIX = "/elements/api-v2"
MAX_JSON_BYTES = 8 * 1024 * 1024  # API page 8.1
_MAX_DEPTH = 64
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

Row = dict[str, Any]


class ApiError(Exception):
    """The call ends with ``status`` and the error object of API page 2.1."""

    def __init__(self, status: int, message: str, provider_message: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.provider_message = provider_message
        self.headers = headers or {}

    def answer(self, request_id: str) -> Answer:
        body = {"requestId": request_id, "message": self.message}
        if self.provider_message:
            body["providerMessage"] = self.provider_message
        return Answer(body, self.status, dict(self.headers))


def not_found() -> ApiError:
    return ApiError(404, "No resource found at this path")


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is anything that JSON can say; None is an empty body (what DELETE answers). ``raw`` goes out as it is instead: a file,
    whose type stands in ``headers``."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    def encoded(self) -> bytes:
        if self.raw is not None:
            return self.raw
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False, allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class Call:
    """``path`` is what follows the prefix: decoded segments, without empty ones and without ``hubs/{hub}``.

    ``headers`` have lower-case names. ``body`` is None where the request carried more than 8 MB that was no file, or a file beyond
    what is allowed in size or time; ``refused`` says which. ``target`` is path and query as they came.
    """

    method: str
    path: tuple[str, ...]
    raw_query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = b""
    credentials: Credentials | None = field(default_factory=Credentials)
    refused: str = ""
    target: str = ""

    def params(self, name: str) -> list[str]:
        """Every value of a query parameter; ``tags[]`` finds ``tags%5B%5D`` too."""
        return parse_qs(self.raw_query, keep_blank_values=True).get(name, [])

    def param(self, name: str) -> str:
        """The first value of a query parameter, ``""`` where there is none: an empty one means the same (API page 4.3)."""
        return (self.params(name) or [""])[0]

    def flag(self, *names: str) -> bool:
        """Whether one of these parameters is true; the Python SDK says ``True`` (API page 4.3)."""
        return any(self.param(name).lower() == "true" for name in names)

    def needs(self, name: str) -> str:
        """A query parameter that must be there; raises ``ApiError`` 400."""
        value = self.param(name)
        if not value:
            raise ApiError(400, f"Missing required parameter: {name}")
        return value

    def allow(self, *methods: str) -> None:
        """Raises ``ApiError`` 405 unless the call has one of ``methods``. HEAD comes in as GET."""
        if self.method not in methods:
            allowed = ", ".join(method for method in _METHODS if method in methods)
            raise ApiError(405, f"Request method '{self.method}' not supported", headers={"Allow": allowed})

    def json(self) -> Row:
        """The body as a JSON object; raises ``ApiError`` 415 or 400."""
        kind = self.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise ApiError(415, f"Content type '{kind}' not supported, expected application/json")
        try:
            value = json.loads(self.body or b"", parse_constant=_no_constant)
            # What cannot be written again (lone surrogates, 1e999) must not be stored.
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            raise ApiError(400, "Invalid JSON in the request body") from None
        if not isinstance(value, dict):
            raise ApiError(400, "Invalid JSON in the request body: expected an object")
        if _depth(value) > _MAX_DEPTH:
            raise ApiError(400, "Invalid JSON in the request body: nested too deeply")
        return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= _MAX_DEPTH:
        depth += 1
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list))]
        level = [value for values in inner for value in values]
    return depth
