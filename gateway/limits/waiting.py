"""The calls that wait for their budgets: a line for each budget that is spent, one task that serves it, places bounded in number.

A line exists only while somebody waits in it. Whoever comes meanwhile joins it, so that nobody overtakes; who leaves, or waits too
long, frees its place at once. Where all places are taken, the newest call of the caller that waits with most of them goes, batch work
first: a noisy service pays itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from gateway.errors import RateLimited
from gateway.limits.queue import FairQueue, Waiter
from gateway.limits.store import Draw, Key, LimitStore, Verdict

_LONGEST_S = 3600.0
_SHORTEST_S = 0.0005  # timers are no finer than this, and a clock may not have moved when one is due


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """At most ``calls`` wait at once, with ``octets`` of request bodies in all; none longer than ``longest_s``. While interactive work
    waits, batch work gets ``batch_percent`` of a budget."""

    calls: int = 10_000
    octets: int = 256 * 1024**2
    longest_s: float = 300.0
    batch_percent: int = 10


class TurnedOut(RateLimited):
    """The element's budget is spent, and the gateway stops before it opens"""


@dataclass(slots=True, eq=False)
class _Place:
    """What a waiting call is granted, and of which budgets."""

    draws: Sequence[Draw]
    granted: asyncio.Future[Verdict]


@dataclass(slots=True, eq=False)
class Line:
    """Those who wait for one budget."""

    queue: FairQueue
    held: set[str] = field(default_factory=set)
    """Callers that something of their own held back when the line was last looked at."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def lets_by(self, caller: str) -> bool:
        """Whether a call of ``caller`` overtakes nobody who could go: all who wait are held back by something of their own."""
        return caller not in self.held and self.queue.first(self.held) is None


class QueueFull(RateLimited):
    """The element's budget is spent, and too many calls wait for it"""


class WaitingRoom:
    """All lines. ``store`` is where budgets are kept."""

    def __init__(self, store: LimitStore, settings: QueueSettings) -> None:
        self._store = store
        self._settings = settings
        self._lines: dict[Key, Line] = {}
        self._of_caller: dict[tuple[str, bool], dict[Waiter, Line]] = {}
        self._calls = 0
        self._octets = 0

    def line(self, key: Key) -> Line | None:
        """Those who wait for the budget ``key``, None if nobody does."""
        return self._lines.get(key)

    def changed(self, draws: Sequence[Draw]) -> None:
        """Something was given back: somebody may be able to go."""
        if self._lines:
            for key, _ in draws:
                line = self._lines.get(key)
                if line is not None:
                    line.changed.set()

    async def close(self) -> None:
        """Serve nobody any more."""
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def turn_out(self) -> None:
        """Nobody waits any longer: all are told."""
        for waiters in list(self._of_caller.values()):
            for waiter, line in list(waiters.items()):
                self._leave(line, waiter)
                if not waiter.place.granted.done():
                    waiter.place.granted.set_exception(TurnedOut())

    def waiting(self) -> dict[Key, int]:
        """How many wait for each budget."""
        return {key: len(line.queue) for key, line in self._lines.items()}

    async def wait(self, draws: Sequence[Draw], waiter: Waiter, seconds: float) -> Verdict | None:
        """What ``waiter`` was granted of its budgets, the first of which has the line; None if that took longer than ``seconds``.

        Raises ``QueueFull`` where there is no place, or it had to make room for others.
        """
        if not self._make_room(waiter):
            raise QueueFull
        granted: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        waiter.place = _Place(draws, granted)
        line = self._join(draws[0][0], waiter)
        try:
            async with asyncio.timeout(max(seconds, 0.0) + 2 * _SHORTEST_S):  # whose time is just enough is not refused for a tick
                return await granted
        except TimeoutError:
            return granted.result() if _has_result(granted) else None
        except asyncio.CancelledError:
            if _has_result(granted):
                self._store.give_back(draws, waiter.cost, granted.result(), left=False)
                self.changed(draws)
            raise
        finally:
            self._leave(line, waiter)

    def _join(self, key: Key, waiter: Waiter) -> Line:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(FairQueue(self._settings.batch_percent))
            line.task = asyncio.create_task(self._serve(key, line))
        line.queue.push(waiter)
        line.changed.set()
        self._of_caller.setdefault((waiter.caller, waiter.batch), {})[waiter] = line
        self._calls += 1
        self._octets += waiter.octets
        return line

    def _leave(self, line: Line, waiter: Waiter) -> None:
        whose = waiter.caller, waiter.batch
        waiting = self._of_caller.get(whose)
        if waiting is None or waiting.pop(waiter, None) is None:
            return  # it was made to
        if not waiting:
            del self._of_caller[whose]
        self._calls -= 1
        self._octets -= waiter.octets
        if line.queue.remove(waiter):
            line.changed.set()

    def _make_room(self, waiter: Waiter) -> bool:
        """Whether there is a place for ``waiter``, if need be that of another."""
        if waiter.octets > self._settings.octets:
            return False
        while self._calls >= self._settings.calls or self._octets + waiter.octets > self._settings.octets:
            whose = max(self._of_caller, key=lambda whose: (whose[1], len(self._of_caller[whose])), default=None)
            if whose is None:
                return False
            mine = len(self._of_caller.get((waiter.caller, waiter.batch), ()))
            if whose[1] < waiter.batch or (whose[1] == waiter.batch and len(self._of_caller[whose]) <= mine + 1):
                return False
            newest = next(reversed(self._of_caller[whose]))
            self._leave(self._of_caller[whose][newest], newest)
            if not newest.place.granted.done():
                newest.place.granted.set_exception(QueueFull())
        return True

    async def _serve(self, key: Key, line: Line) -> None:
        """Let those in ``line`` go, each when its budgets are open, until nobody waits."""
        try:
            while len(line.queue):
                line.changed.clear()
                pause = await self._let_go(key, line)
                if len(line.queue):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(min(max(pause, _SHORTEST_S), _LONGEST_S)):
                            await line.changed.wait()
        finally:
            del self._lines[key]

    async def _let_go(self, key: Key, line: Line) -> float:
        """Grant what can be granted now; seconds until more can."""
        pause, queue = inf, line.queue
        held: set[str] = set()
        line.held = held
        while (waiter := queue.first(held)) is not None:
            place: _Place = waiter.place
            verdict = await self._store.spend(place.draws, waiter.cost)
            if not verdict.allowed:
                if not verdict.places:
                    pause = min(pause, verdict.retry_after)
                if verdict.key == key:
                    break
                held.add(waiter.caller)  # it has spent what is its own: the others need not wait for that
            elif place.granted.done():
                self._store.give_back(place.draws, waiter.cost, verdict, left=False)
                queue.remove(waiter)
            else:
                queue.take(waiter, held)
                place.granted.set_result(verdict)
        return pause


def _has_result(granted: asyncio.Future[Verdict]) -> bool:
    return granted.done() and not granted.cancelled() and granted.exception() is None
