"""Giving one stored answer to one request again and again, without looking for it each time."""

from __future__ import annotations

from gateway.cache.entry import Entry
from gateway.cache.freshness import ANYTHING
from gateway.cache.joining import Joining
from gateway.cache.looking import Look, judged
from gateway.cache.store import CacheStore, Held
from gateway.exchange import Exchange, Request, Response


class Repeatable:
    """What ``request`` is answered for as long as it is ``held.alive`` and fresh. The request must be one that leaves the time of its
    answer to the cache: no ``Cache-Control``, no condition on a date."""

    __slots__ = ("_entry", "_joining", "_look", "_store", "held", "request")

    def __init__(self, look: Look, entry: Entry, held: Held, request: Request, store: CacheStore, joining: Joining) -> None:
        self.held = held
        self._look = look
        self._entry = entry
        self.request = request
        self._store = store
        self._joining = joining

    @property
    def octets(self) -> int:
        """Of the body."""
        return len(self._entry.body)

    def at(self, now: float, exchange: Exchange) -> tuple[Response, float] | None:
        """The answer at ``now`` (wall time, seconds), and until when it is the same to the octet: ``Age`` and ``ttl`` count seconds. None
        where it is not to be given any more. Counts as one use of the entry."""
        look, entry = self._look, self._entry
        if self._store.held(look.key) is not self.held or judged(look.entries, entry, ANYTHING, now) != "hit":
            return None
        age = entry.age(now)
        until = now + min(1.0 - age % 1.0, (entry.lifetime - age) % 1.0)
        return self._joining.given(look._replace(now=now), entry, self.request, exchange).response, until
