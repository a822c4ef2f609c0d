"""Shedding: when the gateway itself cannot keep up, it refuses some calls at once and for next to nothing, so that the others are served
as ever.

That it cannot keep up shows in the loop: work that is due comes late. A burst makes it late for a moment and is served; only lateness
that stands for a while (as CoDel tells a standing queue from a good one, RFC 8289 §3) is overload. Then the share of calls that are let
in shrinks by a part and grows by steps, fifty times a second. Batch work is refused first: all of it, before half of the
interactive work is.

A request that is refused so is not parsed. Nothing of it is passed on, so all that must be certain of it is where it ends.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from statistics import median
from typing import NamedTuple

PROBE_S = 0.02
_LOOKED_AT = 5  # the last probes, of which the median counts: how late one is depends on where in a turn of the loop it was due
_DECREASE = 0.9
_STEP = 0.02
_LEAST = 0.05

_HEAD_END = b"\r\n\r\n"
_MOST_OCTETS = 8192
_PARTICULAR = (b"\r\ncontent-length", b"\r\ntransfer-encoding", b"\r\nconnection", b"\r\nexpect", b"\r\nupgrade", b"\r\norigin")
_REQUEST_ID = re.compile(rb"\r\nx-request-id: ?([!-~]{1,128})\r\n", re.IGNORECASE)


class Shedder:
    """Which calls are let in. ``target_s``: how late work may be, seconds; 0: everything is let in, always."""

    def __init__(self, target_s: float, draw: Callable[[], float] = random.random) -> None:
        self._target_s = target_s
        self._draw = draw
        self._late: deque[float] = deque(maxlen=_LOOKED_AT)
        self.share = 1.0
        """Of the interactive calls, how many are let in (0 to 1)."""

    def observe(self, late_s: float) -> None:
        """Work was this much late."""
        self._late.append(late_s)
        if len(self._late) == _LOOKED_AT and median(self._late) > self._target_s > 0:
            self.share = max(_LEAST, self.share * _DECREASE)
        else:
            self.share = min(1.0, self.share + _STEP)

    def sheds(self, batch: bool) -> bool:
        """Whether a call that comes now is refused: by lot, since any order could hit the same caller each time."""
        share = self.share
        return share < 1.0 and self._draw() >= (2 * share - 1 if batch else share)

    async def watch(self, now: Callable[[], float]) -> None:
        """Endless: look how late the loop is."""
        if not self._target_s:
            return
        while True:
            due = now() + PROBE_S
            await asyncio.sleep(PROBE_S)
            self.observe(now() - due)

    def degraded(self) -> str | None:
        """A reason to be degraded, or None."""
        return f"overloaded: {1 - self.share:.0%} of the calls are refused" if self.share < 1.0 else None


def is_whole_and_plain(data: bytes) -> bool:
    """Whether ``data``, received on a connection that waits for a request, is one GET and nothing else.

    No field says that more than the head belongs to it, or that the answer must be another one: such requests are served the long way.
    """
    if len(data) > _MOST_OCTETS or not data.startswith(b"GET /") or data.find(_HEAD_END) != len(data) - 4:
        return False
    end = data.find(b"\r\n")
    if data[end - 9 : end] != b" HTTP/1.1" or data.find(b" ", 4) != end - 9:
        return False
    return not data.startswith(b"GET /healthz") and _fields_of(data[end:]).plain


class _Fields(NamedTuple):
    """What the fields of a head say: that nothing but the head belongs to the request, and its id."""

    plain: bool
    request_id: str | None


@lru_cache(maxsize=1024)  # most callers send the same ones each time
def _fields_of(fields: bytes) -> _Fields:
    lowered = fields.lower()
    found = _REQUEST_ID.search(fields) if b"\r\nx-request-id:" in lowered else None
    request_id = found[1].decode() if found is not None and b"gwk_" not in found[1] else None
    return _Fields(not any(name in lowered for name in _PARTICULAR), request_id)


def request_id_of(data: bytes) -> str | None:
    """The id that such a request has already, if it is one that we take over."""
    return _fields_of(data[data.find(b"\r\n") :]).request_id
