"""The last calls, each decision with its reason, no secrets (contract 4, ``GET /exchanges``), to be looked through and followed.

Calls are numbered from 1 in the order in which they ended: whoever follows them says up to which number it has seen them. Nothing is
kept for a follower but the event for which it waits, so a slow or dead one costs nothing; if it comes too late, it is told how many
calls were forgotten meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, cast

from gateway.exchange import Exchange
from gateway.telemetry.repeated import Note, Notes

KEPT = 1000

Wanted = Callable[[Exchange], bool]


def everything(_: Exchange) -> bool:
    """Every call is wanted."""
    return True


@dataclass(frozen=True, slots=True)
class News:
    """What ended since a follower looked: ``calls``, the oldest first, up to call number ``seen``; ``missed`` calls, wanted or not,
    are forgotten already."""

    calls: list[Exchange]
    seen: int
    missed: int


class Recent:
    """A ring of finished exchanges. ``run`` tells this process from others that number their calls too."""

    def __init__(self, size: int = KEPT) -> None:
        self._ring: deque[Exchange | Note] = deque(maxlen=size)
        self.before_look: Callable[[], None] = lambda: None
        """Brings in what is not added yet."""
        self._added = 0
        self._waiting: asyncio.Event | None = None  # there while somebody waits for the next call
        self.run = secrets.token_hex(8)

    @property
    def added(self) -> int:
        """The number of the last call that ended; 0: none has."""
        self.before_look()
        return self._added

    def add(self, exchange: Exchange) -> None:
        self._ring.append(exchange)
        self._added += 1
        self._tell()

    def add_all(self, notes: Sequence[Note]) -> None:
        """Several calls, in the order in which they ended."""
        self._ring.extend(notes[-(self._ring.maxlen or 0) :])
        self._added += len(notes)
        self._tell()

    def _tell(self) -> None:
        if self._waiting is not None:
            self._waiting.set()
            self._waiting = None

    def _kept(self) -> deque[Exchange]:
        """All that is kept, each a whole record."""
        self.before_look()
        for place, record in enumerate(self._ring):
            if isinstance(record, tuple):
                self._ring[place] = cast("Notes", record[0]).whole(record)
        return cast("deque[Exchange]", self._ring)

    def last(self, limit: int) -> list[dict[str, Any]]:
        """The last ``limit`` calls, the newest first."""
        return self.page(limit)[0]

    def page(self, limit: int, before: int | None = None, wanted: Wanted = everything) -> tuple[list[dict[str, Any]], int | None]:
        """At most ``limit`` ``wanted`` calls, the newest first, of those that ended before number ``before`` (None: of all), and the
        number of the last of them, None if no older one is kept."""
        kept = self._kept()
        newest = self._added if before is None else max(0, min(self._added, before - 1))
        older = islice(reversed(kept), self._added - newest, None)
        found = list(islice((numbered for numbered in zip(range(newest, 0, -1), older, strict=False) if wanted(numbered[1])), limit + 1))
        shown = found[:limit]
        return [as_json(exchange) for _, exchange in shown], shown[-1][0] if len(found) > limit and shown else None

    def newest(self, limit: int, wanted: Wanted = everything) -> list[Exchange]:
        """The last ``limit`` ``wanted`` calls, the oldest first."""
        return list(islice(filter(wanted, reversed(self._kept())), limit))[::-1]

    def since(self, seen: int, limit: int, wanted: Wanted = everything) -> News:
        """At most ``limit`` ``wanted`` calls of those that ended after number ``seen``."""
        kept = self._kept()
        oldest = self._added - len(kept)
        missed = max(0, oldest - max(0, seen))
        seen = min(max(seen, oldest), self._added)
        calls = []
        for exchange in list(islice(reversed(kept), self._added - seen))[::-1]:
            seen += 1
            if wanted(exchange):
                calls.append(exchange)
                if len(calls) == limit:
                    break
        return News(calls, seen, missed)

    async def wait(self, seen: int, seconds: float) -> bool:
        """Until a call with a number above ``seen`` has ended, for ``seconds`` at most; whether one has."""
        if self.added <= seen and seconds > 0:
            if self._waiting is None:
                self._waiting = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._waiting.wait()
        return self._added > seen


def as_json(exchange: Exchange) -> dict[str, Any]:
    """One call for people: durations in milliseconds, what is unknown left out.

    ``own_ms`` is what the gateway itself took until its answer began; what is missing from ``ms`` then is the body on its way.
    """
    own = exchange.answering - exchange.started - exchange.upstream_seconds - exchange.queue_seconds if exchange.answering else 0.0
    record: dict[str, Any] = {
        "time": datetime.fromtimestamp(exchange.time, UTC).isoformat(timespec="milliseconds"),
        "request_id": exchange.request_id,
        "trace_id": exchange.traceparent[3:35],
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
        "problem": exchange.problem,
        "outcome": exchange.outcome,
        "phase": exchange.phase,
        "caller": exchange.caller,
        "environment": exchange.environment,
        "customer": exchange.customer,
        "element": exchange.element,
        "instance": exchange.handle,
        "resource": exchange.resource,
        "cache": exchange.cache,
        "limited": exchange.limited,
        "upstream_status": exchange.upstream_status,
        "upstream_calls": exchange.upstream_calls,
        "elements_request_id": exchange.elements_request_id,
        "provider_message": exchange.provider_message,
        "ms": round(exchange.total_seconds * 1000, 3),
        "own_ms": max(0.0, round(own * 1000, 3)),
        "queue_ms": round(exchange.queue_seconds * 1000, 3),
        "upstream_ms": round(exchange.upstream_seconds * 1000, 3),
        "bytes_up": exchange.bytes_up,
        "bytes_down": exchange.bytes_down,
        "background": exchange.background,
    }
    record = {name: value for name, value in record.items() if value not in ("", 0) or name in ("status", "ms")}
    record["decisions"] = [{"room": room, "decision": decision, "reason": reason} for room, decision, reason in exchange.decisions]
    return record
