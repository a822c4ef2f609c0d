"""Giving what is stored, and joining calls that are on their way (RFC 9111 §4, RFC 5861 §3): what a look comes to before a call leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.cache.coalesce import Flight, FlightKey, Flights, Landed
from gateway.cache.conditional import answer
from gateway.cache.entry import Entry, fits
from gateway.cache.found import Found, Fresh, Miss, Plan, Stale
from gateway.cache.freshness import Wishes
from gateway.cache.looking import Look, Looking
from gateway.cache.overtaking import Invalidations
from gateway.exchange import Exchange, Request, Target
from gateway.limits.preference import wait_preferred

GIVEN = frozenset({"hit", "stale-while-revalidate"})
"""The reasons of a look whose entry can be given at once."""
_CONDITIONS = frozenset({"if-none-match", "if-modified-since"})


class Joining:
    """Decides whether a caller is given an answer, waits for somebody else's, or sends a call of its own."""

    def __init__(self, looking: Looking, flights: Flights, invalidations: Invalidations) -> None:
        self._looking = looking
        self._flights = flights
        self._invalidations = invalidations

    def given(self, look: Look, entry: Entry, request: Request, exchange: Exchange) -> Fresh:
        """A stored answer for the caller, fresh or within its stale-while-revalidate window."""
        response = answer(entry, request.headers, look.now)
        ttl = int(entry.lifetime - entry.age(look.now))
        if look.reason == "hit":
            exchange.cache, exchange.cache_status = "hit", f"gateway; hit; ttl={ttl}"
            exchange.note("cache", "hit", "fresh")
            return Fresh(response)
        exchange.cache, exchange.cache_status = "stale", f"gateway; hit; ttl={ttl}; detail=stale-while-revalidate"
        exchange.note("cache", "stale", "stale-while-revalidate")
        key = self._flights.key(look.key, request.headers, look.entries)
        if self._flying(look, key) is not None or self._flights.failed(key):
            return Fresh(response)  # it is being asked for already, or that has just failed
        self._flights.forget(key)
        return Fresh(response, Stale(entry, "stale", self._plan(look, self._flights.lead(key, self._invalidations.count))))

    async def join(self, look: Look, request: Request, target: Target, wanted: Wishes, exchange: Exchange) -> Found:
        """Nothing stored will do. Another call may be about to bring it; otherwise this one leaves, and others may wait for it."""
        flight: Flight | None = None
        reason = look.reason
        own_word = wanted.no_cache or wanted.max_age <= 0  # this caller wants the origin's, given after it asked
        while not own_word and look.reason != "request" and _CONDITIONS.isdisjoint(request.headers.index):
            key = self._flights.key(look.key, request.headers, look.entries)
            flying = self._flying(look, key)
            if flying is None:
                flight = self._flights.lead(key, self._invalidations.count)
                flight.leader = exchange
                break
            exchange.note("cache", "waiting", "a call for the same is on its way")
            landed = await _landed(flying, request)
            try:
                # What was stored before the wait may be gone by now, or something new may be there.
                look = await self._looking.look(request, target, wanted, look.decision)
            except BaseException:
                if landed is True:
                    flying.hand_over()
                raise
            if landed is True and look.reason not in GIVEN:
                flight, flying.seen, flying.leader = flying, self._invalidations.count, exchange
                break
            if landed is True:
                flying.hand_over()  # somebody else was faster
            shared = self._shared(landed, flying, look._replace(reason=reason), request, wanted, exchange)
            if shared is not None:
                return shared
            if look.entry is not None and look.reason in GIVEN:
                return self.given(look, look.entry, request, exchange)
            if not self._invalidations.overtook(flying.seen, look.key):
                break  # it cannot be shared; where a write overtook it, those who wait want another, and one of them goes
        exchange.cache_status = f"gateway; fwd={look.reason}"
        exchange.note("cache", "miss", look.reason)
        plan = self._plan(look, flight)
        return Stale(look.entry, look.reason, plan) if look.entry else Miss(look.reason, plan)

    def _shared(
        self, landed: Landed | bool, flying: Flight, look: Look, request: Request, wanted: Wishes, exchange: Exchange
    ) -> Fresh | None:
        """The answer that another call brought, if it brought one and this request may have it."""
        if not isinstance(landed, Landed):
            return None
        entry, filling = landed.entry, landed.filling
        age = entry.age(look.now)
        if not fits(entry, request.headers) or age >= entry.lifetime or not wanted.allow(age, entry.lifetime):
            return None
        if self._invalidations.overtook(flying.seen, look.key) or (filling is not None and not filling.joinable):
            return None
        response = answer(entry, request.headers, look.now)
        if filling is not None:
            response = replace(response, body=filling.reader())
        exchange.cache, exchange.cache_status = "hit", f"gateway; fwd={look.reason}; collapsed"
        exchange.note("cache", "hit", "collapsed")
        return Fresh(response)

    def _flying(self, look: Look, key: FlightKey) -> Flight | None:
        """A call on its way whose answer this request may have; not one that a write overtook."""
        flight = self._flights.find(key)
        return None if flight is None or self._invalidations.overtook(flight.seen, look.key) else flight

    def _plan(self, look: Look, flight: Flight | None) -> Plan:
        return Plan(look.key, look.decision.lifetimes, look.now, self._invalidations.count, flight)


async def _landed(flying: Flight, request: Request) -> Landed | bool:
    """What comes of another's call; False, as where it cannot be shared, if that one stands in the line for its budget for longer than
    this caller cares to."""
    prefer = request.headers.get("prefer")
    patience = wait_preferred(prefer) if prefer is not None else None
    if patience is None or flying.leader is None or flying.leader.phase != "limits":
        return await flying.wait()
    try:
        async with asyncio.timeout(patience):
            return await flying.wait()
    except TimeoutError:
        return False
