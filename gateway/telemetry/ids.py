"""Ids that the gateway draws for calls that bring none."""

from __future__ import annotations

import random

_AT_ONCE = 256
_NOT_ZERO = 1 << 64 | 1  # neither a trace nor a span is numbered zero


def new_id() -> str:
    """A request id: 32 hexadecimal digits."""
    return f"{random.getrandbits(128):032x}"


class Drawn:
    """Ids drawn many at once, which costs less: as octets, for calls that take a fast path."""

    def __init__(self) -> None:
        self._ids: list[bytes] = []
        self._traceparents: list[bytes] = []

    def id(self) -> bytes:
        """As ``new_id``."""
        if not self._ids:
            drawn = random.randbytes(16 * _AT_ONCE).hex().encode()  # noqa: S311 - nobody is harmed who guesses it
            self._ids += [drawn[at : at + 32] for at in range(0, len(drawn), 32)]
        return self._ids.pop()

    def traceparent(self) -> bytes:
        """As ``new_traceparent``."""
        if not self._traceparents:
            self._traceparents += [new_traceparent().encode() for _ in range(_AT_ONCE)]
        return self._traceparents.pop()


def new_traceparent() -> str:
    """A ``traceparent`` of a trace that nobody keeps (W3C Trace Context)."""
    drawn = f"{random.getrandbits(192) | _NOT_ZERO:048x}"
    return f"00-{drawn[:32]}-{drawn[32:]}-00"
