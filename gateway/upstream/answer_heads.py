"""The head of an answer as aiohttp's parser found it: what a gateway must not accept, and its fields.

aiohttp's parser of answers is lenient by design; a gateway that passes answers on may not be.
"""

from __future__ import annotations

import re
from typing import Protocol

from multidict import CIMultiDictProxy

from gateway.exchange import Headers

READ_BUFFER = 64 * 1024
MAX_INTERIM = 100
MAX_LINE, MAX_FIELDS = 32 * 1024, 256

_NAMES = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z,]+")  # token characters, and the comma that joins names here
_VALUE_OCTETS = bytes({*range(0x20, 0x7F), 0x09, *range(0x80, 0x100)})
_NOT_IN_REASON = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class AnswerHead(Protocol):
    """What aiohttp's parser finds. By aiohttp's own types it were a tuple, which what its compiled parser makes is not."""

    @property
    def version(self) -> tuple[int, int]: ...
    @property
    def code(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def headers(self) -> CIMultiDictProxy[str]: ...
    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]: ...
    @property
    def should_close(self) -> bool: ...


def fields_of(message: AnswerHead) -> Headers:
    """The fields of an answer."""
    return Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.raw_headers])


def reason_of(message: AnswerHead) -> str:
    """The reason of an answer, as latin-1 text."""
    return message.reason.encode("utf-8", "surrogateescape").decode("latin-1")


def objection_to(message: AnswerHead) -> str | None:
    """What is wrong with the head of an answer, or None (RFC 9112 §4, §5, §6.3; RFC 9110 §15)."""
    code = message.code
    if message.version not in ((1, 0), (1, 1)):
        return "the answer is not HTTP/1.1"
    if code == 101 or not 100 <= code <= 599:
        return "the answer has a status that was not asked for or does not exist"
    if _NOT_IN_REASON.search(message.reason or ""):
        return "the answer has control characters in its reason"
    raw = message.raw_headers
    if raw and not _NAMES.fullmatch(b",".join([name for name, _ in raw])):
        return "the answer has a field name that cannot be"
    if b"".join([value for _, value in raw]).translate(None, _VALUE_OCTETS):
        return "the answer has control characters in a field"
    return _framing_objection(message)


def _framing_objection(message: AnswerHead) -> str | None:
    headers = message.headers
    lengths = headers.getall("Content-Length", ())
    codings = headers.getall("Transfer-Encoding", ())
    if len(lengths) > 1 or not all(length.isascii() and length.isdigit() for length in lengths):
        return "the answer has a Content-Length that cannot be"
    if codings:
        if lengths:
            return "the answer has both Content-Length and Transfer-Encoding"
        if len(codings) > 1 or codings[0].strip().lower() != "chunked" or message.version == (1, 0):
            return "the answer has a Transfer-Encoding that cannot be undone"
    return None
