"""A chunked body that is here as a whole (RFC 9112 §7.1): it has a length, then, and goes on without its chunks."""

from __future__ import annotations

import re

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_NO_MORE = b"0\r\n\r\n"


def body_in(data: bytes) -> bytes | None:
    """The body whose chunks are ``data``, from its first to its last octet; None where they are not, or where anything is said beside them:
    extensions, trailers, blanks."""
    parts: list[bytes] = []
    start = 0
    while True:
        size = _SIZE.match(data, start)
        if size is None:
            return None
        if data.startswith(_NO_MORE, start):
            return b"".join(parts) if len(data) == start + len(_NO_MORE) else None
        begin = size.end()
        end = begin + int(size[1], 16)
        if end == begin or data[end : end + 2] != b"\r\n":
            return None
        parts.append(data[begin:end])
        start = end + 2
