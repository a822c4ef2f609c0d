"""Load that does not wait for answers: calls come when they come, as those of many services do, and what is late is counted.

``Arrivals`` are Poisson, in slots of a millisecond (timers are no finer). A call counts from the slot in which it was due: where no
connection is free, or the generator is late itself, that is part of what its caller waits. With ``rate`` None the load is a closed loop:
each connection asks again as soon as it is answered.
"""

from __future__ import annotations

import asyncio
import gc
import random
import re
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.peers import BenchError, pinned

_SLOT_S = 0.001
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_ANSWERS_S = 10.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """``rate`` calls a second (None: as soon as answered) for ``seconds``, on ``connections``; each is one of ``requests`` in turn."""

    rate: float | None
    seconds: float
    connections: int
    requests: Sequence[bytes]
    seed: int = 1

    def slots(self) -> list[int]:
        """How many calls come in each millisecond."""
        counts = [0] * round(self.seconds / _SLOT_S)
        draw, at = random.Random(self.seed), 0.0
        while self.rate is not None and (at := at + draw.expovariate(self.rate)) < self.seconds:
            counts[min(int(at / _SLOT_S), len(counts) - 1)] += 1
        return counts


@dataclass(slots=True)
class Answered:
    """What came back: by status how many and after how many seconds each, and by (number of the request in turn, status)."""

    seconds: float = 0.0
    took: dict[int, list[float]] = field(default_factory=dict)
    whose: Counter[tuple[int, int]] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    broken: int = 0
    unanswered: int = 0

    def count(self, status: int) -> int:
        return len(self.took.get(status, ()))

    def p(self, status: int, quantile: float) -> float:
        """The ``quantile`` of the seconds that calls took which were answered with ``status``; 0 if there were none."""
        return quantile_of(self.took.get(status, []), quantile)

    @property
    def calls(self) -> int:
        return sum(map(len, self.took.values()))


def quantile_of(values: Sequence[float], quantile: float) -> float:
    """The nearest-rank quantile; 0 of nothing."""
    return sorted(values)[min(int(len(values) * quantile), len(values) - 1)] if values else 0.0


def put(arrivals: Arrivals, url: str, core: int) -> Answered:
    """Put ``arrivals`` on ``url`` from ``core``. Raises ``BenchError`` where a connection broke or nothing was answered."""
    slots = arrivals.slots()
    gc.collect()
    gc.disable()  # a pause of ours would look like one of theirs
    try:
        with pinned(core):
            answered = uvloop.run(_Generator(arrivals, slots).run(url))
    finally:
        gc.enable()
    if answered.broken or not answered.calls:
        raise BenchError(f"{answered.broken} connections to {url} broke, {answered.calls} calls were answered")
    return answered


class _Generator:
    def __init__(self, arrivals: Arrivals, slots: list[int]) -> None:
        self._arrivals = arrivals
        self._slots = slots
        self._turn = 0
        self._due: deque[float] = deque()
        self._idle: deque[_Connection] = deque()
        self._asked = 0
        self.answered = Answered()
        self.over = False

    async def run(self, url: str) -> Answered:
        loop = asyncio.get_running_loop()
        at = urlsplit(url)
        connections = [
            (await loop.create_connection(lambda: _Connection(self), at.hostname or "", at.port or 80))[1]
            for _ in range(self._arrivals.connections)
        ]
        started = time.monotonic()
        if self._arrivals.rate is None:
            for one in connections:
                self.free(one, started)
            await asyncio.sleep(self._arrivals.seconds)
        else:
            self._idle.extend(connections)
            await self._come(started)
        self.answered.seconds = time.monotonic() - started
        self.over = True
        ends = time.monotonic() + _LAST_ANSWERS_S
        while self.answered.calls < self._asked and time.monotonic() < ends:
            await asyncio.sleep(0.01)
        self.answered.unanswered = self._asked - self.answered.calls + len(self._due)
        for one in connections:
            one.close()
        return self.answered

    async def _come(self, started: float) -> None:
        slot = 0
        while slot < len(self._slots):
            now = time.monotonic()
            while slot < len(self._slots) and (due := started + slot * _SLOT_S) <= now:
                for _ in range(self._slots[slot]):
                    self._send(due, now)
                slot += 1
            await asyncio.sleep(max(0.0, started + slot * _SLOT_S - time.monotonic()))

    def _send(self, due: float, now: float) -> None:
        if self._idle:
            self.answered.late.append(now - due)
            self._ask(self._idle.popleft(), due)
        else:
            self._due.append(due)

    def _ask(self, connection: _Connection, due: float) -> None:
        self._asked += 1
        self._turn = (self._turn + 1) % len(self._arrivals.requests)
        connection.ask(self._turn, self._arrivals.requests[self._turn], due)

    def free(self, connection: _Connection, now: float) -> None:
        """``connection`` has been answered: it takes the call that has been due for the longest."""
        if self._due:
            due = self._due.popleft()
            self.answered.late.append(now - due)
            self._ask(connection, due)
        elif self._arrivals.rate is None and not self.over:
            self._ask(connection, now)
        else:
            self._idle.append(connection)


class _Connection(asyncio.Protocol):
    """One connection, one call at a time."""

    def __init__(self, generator: _Generator) -> None:
        self._generator = generator
        self._buffer = b""
        self._turn = 0
        self._due = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, turn: int, request: bytes, due: float) -> None:
        self._turn, self._due = turn, due
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        stated = _LENGTH.search(self._buffer, 0, end + 2)
        if len(self._buffer) < end + 4 + (int(stated[1]) if stated else 0):
            return
        status, now = int(self._buffer[9:12]), time.monotonic()
        self._buffer = b""
        answered = self._generator.answered
        answered.took.setdefault(status, []).append(now - self._due)
        answered.whose[self._turn, status] += 1
        self._generator.free(self, now)

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if not self._generator.over:
            self._generator.answered.broken += 1

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
