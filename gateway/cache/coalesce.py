"""Collapsed forwarding (RFC 9111 §4): those who miss the same key at the same time wait for one call.

What the waiting may cost is bounded. An answer that cannot be shared lets every waiter go at once, and its key is remembered, so that
the next ones do not wait at all (hit-for-miss); nginx's lock, which lets one go after the other, made the slowest wait eighty times as
long. A leader whose caller leaves, or whose call fails, hands over to the waiter that came first; where the second one fails too, all
go their own way. Callers whose request could get another representation do not wait for one another: what they negotiate is part of
the key (``key.negotiated``), and a waiter whom the answer turns out not to fit goes at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.cache.entry import Entry
from gateway.cache.filling import Filling
from gateway.cache.key import Key, negotiated, secondary
from gateway.exchange import Headers

REMEMBERED_S = 120.0  # how long a key counts as one whose answers cannot be shared
FAILED_S = 5.0  # for how long what is given stale is not asked for again once that has failed
_REMEMBERED = 10_000
_LONGEST_VARY = 256
_FAILURES = 2

Negotiated = tuple[tuple[str, str | None], ...]
FlightKey = tuple[Key, tuple[tuple[str, str | None], ...]]


class Leader(Protocol):
    """A call that is made."""

    @property
    def phase(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Landed:
    """The answer that a flight brought: its entry, and its body where that is still arriving."""

    entry: Entry
    filling: Filling | None


class Flight:
    """A call on its way for a key. ``seen``: how many invalidations there had been when it left; ``leader``: the record of the call that
    is made, where one is."""

    __slots__ = ("_failures", "_flights", "_waiting", "key", "landed", "leader", "seen")

    def __init__(self, flights: Flights, key: FlightKey, seen: int) -> None:
        self._flights = flights
        self._waiting: dict[asyncio.Future[Landed | bool], None] = {}  # in the order in which they came
        self._failures = 0
        self.key = key
        self.seen = seen
        self.landed: Landed | None = None
        self.leader: Leader | None = None

    async def wait(self) -> Landed | bool:
        """What comes of it: the answer; True: you lead now; False: it cannot be shared, go your own way."""
        if self.landed is not None:
            return self.landed
        news: asyncio.Future[Landed | bool] = asyncio.get_running_loop().create_future()
        self._waiting[news] = None
        try:
            return await news
        except asyncio.CancelledError:
            self._waiting.pop(news, None)
            if news.done() and not news.cancelled() and news.result() is True:
                self.hand_over()  # it was handed over to one who is leaving
            raise

    def land(self, landed: Landed) -> None:
        """The answer can be shared. Who comes later may join for as long as its body arrives."""
        self.landed = landed
        self._flights.learn(self, landed.entry)
        self._tell(landed)
        if landed.filling is None:
            self._flights.end(self)

    def release(self) -> None:
        """The answer cannot be shared: all go at once, and the key is remembered where there was somebody to wait."""
        if self._waiting:
            self._flights.remember(self.key)
        self._flights.end(self)
        self._tell(False)

    def hand_over(self, *, failed: bool = False) -> None:
        """The leader left, or its call ``failed``: the first waiter leads; after a second failure each goes its own way."""
        self._failures += failed
        if failed:
            self._flights.fail(self.key)
        while self._waiting and self._failures < _FAILURES:
            news = next(iter(self._waiting))
            del self._waiting[news]
            if not news.done():
                news.set_result(True)
                return
        self._flights.end(self)
        self._tell(False)

    def _tell(self, what: Landed | bool) -> None:
        waiting, self._waiting = self._waiting, {}
        for news in waiting:
            if not news.done():
                news.set_result(what)


class _ForAWhile:
    """Keys that are remembered for some seconds, by hash, as they can be kilobytes long: two that share one wait, or do not, where they
    need not. Asked for every call, so it does as little as it can."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until: dict[int, float] = {}

    def add(self, key: FlightKey) -> None:
        _make_room(self._until)
        self._until[hash(key)] = self._clock() + self._seconds

    def discard(self, key: FlightKey) -> None:
        if self._until:
            self._until.pop(hash(key), None)

    def __contains__(self, key: FlightKey) -> bool:
        until = self._until.get(hash(key)) if self._until else None
        return until is not None and self._clock() < until


def _make_room(kept: dict[int, Any]) -> None:
    if len(kept) >= _REMEMBERED:
        del kept[next(iter(kept))]


class Flights:
    """The calls on their way, by key. ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._flying: dict[FlightKey, Flight] = {}
        self._unshared = _ForAWhile(REMEMBERED_S, clock)
        self._failed = _ForAWhile(FAILED_S, clock)
        self._varied: dict[int, tuple[str, ...]] = {}  # by the hash of the key, the oldest forgotten first

    def key(self, key: Key, wanted: Headers, entries: tuple[Entry, ...]) -> FlightKey:
        """What a request shares with those that may wait for its answer: the key, what it negotiates, and its values of the fields by
        which answers of that key were seen to vary."""
        learned = self._varied.get(hash(key), ()) if self._varied else ()
        if not entries and not learned:
            return key, negotiated(wanted)
        names = {name for entry in entries for name, _ in entry.varies}.union(learned)
        return key, negotiated(wanted) + secondary(tuple(sorted(names)), wanted)

    @property
    def varied(self) -> bool:
        """Whether answers of some key were seen to vary."""
        return bool(self._varied)

    def find(self, key: FlightKey) -> Flight | None:
        """The flight that one more may wait for."""
        return self._flying.get(key)

    def lead(self, key: FlightKey, seen: int) -> Flight:
        """A new flight, in place of one that is there; nobody will wait for it where answers of this key cannot be shared."""
        flight = Flight(self, key, seen)
        if key not in self._unshared:
            self._flying[key] = flight
        return flight

    def learn(self, flight: Flight, entry: Entry) -> None:
        """Answers of this key can be shared, among those whose fields agree in what ``entry`` varies by."""
        self.forget(flight.key)
        if entry.varies and sum(len(name) for name, _ in entry.varies) <= _LONGEST_VARY:
            _make_room(self._varied)
            self._varied[hash(flight.key[0])] = tuple(name for name, _ in entry.varies)

    def remember(self, key: FlightKey) -> None:
        """Answers of this key cannot be shared."""
        self._unshared.add(key)

    def fail(self, key: FlightKey) -> None:
        """A call for this key failed: it is not asked for again in the background at once."""
        self._failed.add(key)

    def failed(self, key: FlightKey) -> bool:
        """Whether a call for this key failed a moment ago."""
        return key in self._failed

    def forget(self, key: FlightKey) -> None:
        """They can, after all."""
        self._unshared.discard(key)

    def end(self, flight: Flight) -> None:
        """Nobody can join ``flight`` any more."""
        if self._flying.get(flight.key) is flight:
            del self._flying[flight.key]
