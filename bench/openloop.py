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
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.peers import BenchError, pinned

_SLOT_S = 0.001
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_ANSWERS_S = 10.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """``rate`` calls a second (None: as soon as answered) for ``seconds``, of several ``callers`` in turn, each with his requests, which
    are made one after the other, and ``connections`` of his own."""

    rate: float | None
    seconds: float
    connections: int
    callers: Sequence[Sequence[bytes]]
    seed: int = 1
    uncounted_s: float = 0.0
    """For how long at the start calls are made and not counted, so that what is seen is how it stands, not how it came to that."""

    def slots(self) -> list[int]:
        """How many calls come in each millisecond."""
        seconds = self.uncounted_s + self.seconds
        counts = [0] * round(seconds / _SLOT_S)
        draw, at = random.Random(self.seed), 0.0
        while self.rate is not None and (at := at + draw.expovariate(self.rate)) < seconds:
            counts[min(int(at / _SLOT_S), len(counts) - 1)] += 1
        return counts


@dataclass(slots=True)
class Answered:
    """What came back: by status how many and after how many seconds each, and by (number of the caller, status). ``late`` is how
    many seconds the generator itself was behind when each call was due; ``in_time`` counts what was answered before the last call was
    due, so that a backlog that is worked off afterwards does not look like work done."""

    seconds: float = 0.0
    took: dict[int, list[float]] = field(default_factory=dict)
    whose: Counter[tuple[int, int]] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    in_time: Counter[int] = field(default_factory=Counter)
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


class _Caller:
    """One caller: his connections that are free, and the calls that wait for one, by when they were due."""

    def __init__(self, number: int, requests: Sequence[bytes]) -> None:
        self.number = number
        self.due: deque[float] = deque()
        self.idle: deque[_Connection] = deque()
        self._requests = requests
        self._asked = 0

    def request(self) -> bytes:
        self._asked += 1
        return self._requests[self._asked % len(self._requests)]


class _Generator:
    def __init__(self, arrivals: Arrivals, slots: list[int]) -> None:
        self._arrivals = arrivals
        self._slots = slots
        self._callers = [_Caller(number, requests) for number, requests in enumerate(arrivals.callers)]
        self._asked = self._heard = 0
        self._all_heard = asyncio.Event()
        self._counts_from = 0.0
        self.answered = Answered()
        self.over = False

    async def run(self, url: str) -> Answered:
        loop = asyncio.get_running_loop()
        at = urlsplit(url)
        connections = []
        for caller in self._callers * self._arrivals.connections:
            _, made = await loop.create_connection(partial(_Connection, self, caller), at.hostname or "", at.port or 80)
            connections.append(made)
            caller.idle.append(made)
        await self._put(connections, time.monotonic())
        self.over = True
        if self._heard < self._asked:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_heard.wait(), _LAST_ANSWERS_S)
        self.answered.unanswered = self._asked - self._heard + sum(len(caller.due) for caller in self._callers)
        for one in connections:
            one.close()
        return self.answered

    async def _put(self, connections: Sequence[_Connection], started: float) -> None:
        self._counts_from = started + self._arrivals.uncounted_s
        if self._arrivals.rate is None:
            for one in connections:
                self.free(one, started)
            await asyncio.sleep(self._arrivals.uncounted_s + self._arrivals.seconds)
        else:
            await self._come(started)
        self.answered.seconds = time.monotonic() - self._counts_from

    async def _come(self, started: float) -> None:
        slot = 0
        turns = cycle(self._callers)
        while slot < len(self._slots):
            now = time.monotonic()
            while slot < len(self._slots) and (due := started + slot * _SLOT_S) <= now:
                for caller in islice(turns, self._slots[slot]):
                    self._send(caller, due, now)
                slot += 1
            await asyncio.sleep(max(0.0, started + slot * _SLOT_S - time.monotonic()))

    def _send(self, caller: _Caller, due: float, now: float) -> None:
        if due >= self._counts_from:
            self.answered.late.append(now - due)
        if caller.idle:
            self._ask(caller.idle.popleft(), due)
        else:
            caller.due.append(due)

    def _ask(self, connection: _Connection, due: float) -> None:
        self._asked += 1
        connection.ask(due)

    def heard(self, connection: _Connection, status: int, due: float, now: float) -> None:
        """``connection`` has been answered."""
        self._heard += 1
        if self.over and self._heard == self._asked:
            self._all_heard.set()
        if due >= self._counts_from:
            self.answered.took.setdefault(status, []).append(now - due)
            self.answered.whose[connection.caller.number, status] += 1
            self.answered.in_time[status] += not self.over
        self.free(connection, now)

    def free(self, connection: _Connection, now: float) -> None:
        """``connection`` takes the call that has been due for the longest."""
        caller = connection.caller
        if caller.due:
            self._ask(connection, caller.due.popleft())
        elif self._arrivals.rate is None and not self.over:
            self._ask(connection, now)
        else:
            caller.idle.append(connection)


class _Connection(asyncio.Protocol):
    """One connection, one call at a time."""

    def __init__(self, generator: _Generator, caller: _Caller) -> None:
        self.caller = caller
        self._generator = generator
        self._buffer = b""
        self._due = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, due: float) -> None:
        self._due = due
        if self._transport is not None:
            self._transport.write(self.caller.request())

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
        self._generator.heard(self, status, self._due, now)

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if not self._generator.over:
            self._generator.answered.broken += 1

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
