"""Page sizes, page numbers and next-page tokens (API page 4.3): a token is unpadded base64 of ``{"pageSize": 2, "page": 2}``."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from gateway.sandbox.call import ApiError, Call

DEFAULT_SIZE = 200
LARGEST_PAGE = 10**9


@dataclass(frozen=True, slots=True)
class Page:
    """``number`` counts from 1. ``remark`` is what the Elements-Error header says of a size that was cut."""

    number: int
    size: int
    remark: str = ""

    def cut(self, total: int) -> tuple[slice, str]:
        """Which of ``total`` rows this page holds, and the token of the next page (``""``: this is the last)."""
        start = (self.number - 1) * self.size
        more = start + self.size < total
        return slice(start, start + self.size), encode_token(self.number + 1, self.size) if more else ""


def requested_page(call: Call, largest: int, default: int = DEFAULT_SIZE) -> Page:
    """The page that ``nextPage``, else ``page`` and ``pageSize`` (``default``), ask for. Raises ``ApiError`` 400.

    A token's own size wins over ``pageSize``, an empty token is the first page, ``page=0`` (the Python SDK's default) too.
    """
    if token := call.param("nextPage"):
        return decode_token(token, largest)
    size = _number(call, "pageSize", default, least=1)
    remark = (
        f"The maximum page size of the provider is {largest}; {size} was reduced to it" if call.param("pageSize") and size > largest else ""
    )
    return Page(max(1, _number(call, "page", 1, least=0)), min(size, largest), remark)


def encode_token(number: int, size: int) -> str:
    return base64.b64encode(json.dumps({"pageSize": size, "page": number}, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_token(token: str, largest: int) -> Page:
    """Raises ``ApiError`` 400 for what is no token of ours. Takes both base64 alphabets, padded or not."""
    try:
        text = base64.b64decode(token.rstrip("=") + "=" * (-len(token.rstrip("=")) % 4), altchars=_altchars(token), validate=True)
        value = json.loads(text)
        number, size = value["page"], value["pageSize"]
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        number = size = None
    if type(number) is not int or type(size) is not int or not (1 <= number <= LARGEST_PAGE and 1 <= size <= largest):
        raise ApiError(400, "Invalid nextPage token")
    return Page(number, size)


def _altchars(token: str) -> bytes:
    return b"-_" if "-" in token or "_" in token else b"+/"


def _number(call: Call, name: str, default: int, least: int) -> int:
    text = call.param(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= least):
        raise ApiError(400, f"Invalid value for {name}: expected a number from {least}")
    return int(text)
