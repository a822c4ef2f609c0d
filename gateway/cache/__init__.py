"""Have we answered this before? The cache between callers and Cloud Elements (RFC 9111, contract 2.3, 2.4).

One object, two steps of the corridor: ``look_up`` before a call would leave, ``settle`` when its answer comes; ``failed`` where none
comes. Rules are in the files beside this one, entries in a store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.cache.coalesce import Flight, Flights, Landed, Leader, Negotiated
from gateway.cache.conditional import answer
from gateway.cache.entry import Entry, renewed
from gateway.cache.explain import explain
from gateway.cache.filling import Filling
from gateway.cache.found import Bypass, Found, Fresh, Miss, Plan, Stale
from gateway.cache.freshness import ANYTHING, Wishes
from gateway.cache.invalidation import EVERYTHING, Touched, is_write, place, segments, touched_by
from gateway.cache.joining import GIVEN, Joining
from gateway.cache.key import Key, Owner
from gateway.cache.looking import Looking, refused, wanted_by
from gateway.cache.policy import CachePolicy, Decision, Lifetimes, Rule, uniform
from gateway.cache.repeating import Repeatable
from gateway.cache.store import CacheStore
from gateway.cache.writing import Numbered, Writing
from gateway.errors import CircuitOpen, GatewayError, Overloaded, RateLimited, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Exchange, Headers, Pair, Request, Response, Target

__all__ = ["Bypass", "Cache", "CachePolicy", "CacheStore", "Found", "Fresh", "Lifetimes", "Miss", "Rule", "Stale"]

_GONE = frozenset({404, 410})
_ERRORS = frozenset({500, 502, 503, 504})  # RFC 5861 §4
_RESCUED = (CircuitOpen, UpstreamUnreachable, UpstreamTimeout, UpstreamProtocolError, RateLimited, Overloaded)
_RANGES = frozenset({"range", "if-range"})


async def _nobody(_: str, __: int) -> tuple[str, ...]:
    return ()


class Cache:
    """The room's one object.

    ``policy`` gives an element's policy by its key (``platform`` for platform calls), ``clock`` wall time in seconds;
    ``max_object_bytes`` is the largest body kept; ``numbered`` tells which handles an environment has for an instance's number at Cloud
    Elements, whose answers go when that instance is changed there through us.
    """

    def __init__(
        self,
        policy: Callable[[str], CachePolicy],
        store: CacheStore,
        clock: Callable[[], float],
        max_object_bytes: int,
        numbered: Numbered = _nobody,
    ) -> None:
        self._store = store
        self._clock = clock
        self._max_object_bytes = max_object_bytes
        self._looking = Looking(policy, store, clock)
        self._writing = Writing(self._looking, store, clock, max_object_bytes, numbered)
        self._invalidations = self._writing.invalidations
        self._flights = Flights(clock)
        self._joining = Joining(self._looking, self._flights, self._invalidations)

    async def look_up(self, request: Request, target: Target, exchange: Exchange) -> Found:
        """Whether a stored answer will do, or one that another call is about to bring. Raises ``UpstreamTimeout`` where the caller wants
        none but a stored one and there is none (RFC 9111 §5.2.1.7 asks for 504)."""
        wanted = wanted_by(request)
        if request.method != "GET":
            return self._past(request.method, "gateway; fwd=method", wanted if request.method == "HEAD" else ANYTHING, exchange)
        decision = self._looking.decide(target)
        reason = refused(request, target, wanted, decision)
        if reason:
            return self._past(reason, f"gateway; fwd=bypass; detail={reason}", wanted, exchange)
        look = await self._looking.look(request, target, wanted, decision)
        if look.entry is not None and look.reason in GIVEN:
            return self._joining.given(look, look.entry, request, exchange)
        if not _RANGES.isdisjoint(request.headers.index):
            # What a part of an answer says of the whole is not worth keeping (RFC 9111 §3.3 allows not to).
            return self._past("range", "gateway; fwd=bypass; detail=range", wanted, exchange)
        exchange.cache, exchange.cache_status = "miss", f"gateway; fwd={look.reason}"
        self._insist(wanted, exchange)
        return await self._joining.join(look, request, target, wanted, exchange)

    async def repeatable(self, request: Request, target: Target) -> Repeatable | None:
        """What is stored for ``request`` where it would be a hit now, to be given again without looking; only looked at."""
        wanted, decision = wanted_by(request), self._looking.decide(target)
        if request.method != "GET" or wanted is not ANYTHING or refused(request, target, wanted, decision):
            return None
        look = await self._looking.look(request, target, wanted, decision, use=False)
        held = self._store.held(look.key)
        if look.reason != "hit" or look.entry is None or held is None or held.entries is not look.entries:
            return None
        return Repeatable(look, look.entry, held, request, self._store, self._joining)

    def lead(self, key: Key, wanted: Headers, negotiates: Negotiated, leader: Leader) -> Flight | None:
        """The flight of ``leader``, a call with the fields ``wanted`` (of which ``negotiates`` tells what it negotiates), where nothing is
        stored at ``key`` and no call for it is under way; others may wait for it. None where that is not so; then nothing was done."""
        if self._store.held(key) is not None:
            return None
        flights = self._flights
        flight_key = flights.key(key, wanted, ()) if flights.varied else (key, negotiates)
        if flights.find(flight_key) is not None:
            return None
        flight = flights.lead(flight_key, self._invalidations.count)
        flight.leader = leader
        return flight

    async def wrote(self, owner: Owner, method: str, path: str) -> int:
        """A write by ``method`` to ``path`` (raw, without hub, no instance's own) for ``owner`` was done; how many entries went."""
        return await self._writing.drop(owner, touched_by(method, path))

    def past(self, request: Request, target: Target) -> Bypass | None:
        """Why ``request`` goes past the cache whatever is stored; None where it need not, or wants none but a stored answer."""
        wanted = wanted_by(request)
        if wanted is not ANYTHING or not _RANGES.isdisjoint(request.headers.index):
            return None
        reason = request.method if request.method != "GET" else refused(request, target, wanted, self._looking.decide(target))
        return Bypass(reason) if reason else None

    @property
    def overtaken(self) -> int:
        """How many invalidations there have been."""
        return self._invalidations.count

    def decide(self, element: str, resource: str) -> Decision:
        """What policy holds for a raw path without hub, spelled as everybody spells it."""
        return self._looking.policy(element).decide(resource)

    def uniform(self, element: str, first: str) -> Decision | None:
        """The same, where it holds for all such paths whose first part is ``first``; None where a rule may tell them apart."""
        return uniform(self._looking.policy(element), first)

    def unstored(self, request: Request, target: Target, response: Response) -> str | None:
        """Why an answer with these fields to ``request`` is not stored, whenever it comes; None where that is not certain."""
        lifetimes = self._looking.decide(target).lifetimes
        if "date" in response.headers and "expires" not in response.headers and "age" not in response.headers:
            drafts = [self._writing.draft(request, target, lifetimes, asked, response) for asked in (0.0, self._clock())]
            undated = replace(response, headers=response.headers.without({"date"}))
            drafts.append(self._writing.draft(request, target, lifetimes, self._clock(), undated))
            if all(isinstance(draft, str) for draft in drafts) and len(set(map(str, drafts))) == 1:
                return str(drafts[0])
        return None

    @property
    def max_object_bytes(self) -> int:
        """The largest body kept."""
        return self._max_object_bytes

    async def explain(self, request: Request, target: Target) -> tuple[dict[str, Any], tuple[Pair, ...] | None]:
        """What ``look_up`` would come to, for people, and the conditions that would go up; see ``explain.py``."""
        return await explain(self._looking, request, target)

    async def settle(self, request: Request, target: Target, found: Found, response: Response, exchange: Exchange) -> Response:
        """What the caller gets for the upstream's ``response``: itself, being stored as it is read, the entry that a 304 confirmed, or a
        stale one where the upstream failed. After a write, what it touches is dropped."""
        if request.method != "GET" and isinstance(found, Bypass):
            await self._writing.answered(request, target, found, response, exchange)
        if not isinstance(found, (Stale, Miss)):
            return response
        try:
            if isinstance(found, Stale) and response.status == 304 and found.conditions:
                return await self._confirmed(request, found, response, exchange)
            if response.status in _ERRORS and (stale := self._stale(found, request, f"{response.status}", exchange)):
                await _close(response)
                self._lost(found, failed=True)
                return stale
            return await self._received(request, target, found, response, exchange)
        except BaseException:
            self._lost(found, failed=True)
            raise

    async def failed(self, request: Request, target: Target, found: Found, error: BaseException, exchange: Exchange) -> Response | None:
        """No answer came: an error, or the caller left. A stale answer where policy allows it; those who wait for this call go on. A write
        may have happened if it left, so what it touches is dropped."""
        self._lost(found, failed=isinstance(error, GatewayError))
        if exchange.upstream_calls and is_write(request.method):
            await self._writing.invalidate(request, target, None, exchange)
        return self._stale(found, request, error.slug, exchange) if isinstance(error, _RESCUED) else None

    async def purge(
        self, environment: str | None = None, customer: str | None = None, element: str | None = None, path: str | None = None
    ) -> int:
        """Remove the entries that fit all that is given; ``path`` (with or without hub) stands for itself and all below. How many went."""
        below = EVERYTHING if path is None else Touched(frozenset(), frozenset({segments(path), place(path, element_call=True)}))
        return await self._writing.purge(environment, customer, element, below)

    def report(self) -> dict[str, int]:
        """How much is held, and how much may be."""
        held = {"entries": self._store.entries, "bytes": self._store.bytes, "max_bytes": self._store.max_bytes}
        return held | {"max_object_bytes": self._max_object_bytes}

    async def drop_instance(self, environment: str, handle: str) -> int:
        """Remove all of one instance: its mapping, token or configuration changed. How many entries went."""
        return await self._writing.drop((environment, handle), EVERYTHING)

    def _stale(self, found: Found, request: Request, why: str, exchange: Exchange) -> Response | None:
        """The stale entry, where it may stand in for the answer that could not be had (RFC 5861 §4)."""
        if not isinstance(found, Stale) or found.reason != "stale":
            return None
        entry, now = found.entry, self._clock()
        age = entry.age(now)
        if age >= entry.lifetime + entry.if_error or not wanted_by(request).allow_stale(age):
            return None
        if self._invalidations.overtook(found.plan.seen, found.plan.key):
            return None
        exchange.cache, exchange.cache_status = "stale", f"gateway; fwd=stale; detail={why}"
        exchange.note("cache", "stale", f"stale-if-error: {why}")
        return answer(entry, request.headers, now)

    def _past(self, reason: str, status: str, wanted: Wishes, exchange: Exchange) -> Found:
        exchange.cache, exchange.cache_status = "bypass", status
        exchange.note("cache", "bypass", reason)
        self._insist(wanted, exchange)
        return Bypass(reason, self._clock(), self._invalidations.count)

    def _insist(self, wanted: Wishes, exchange: Exchange) -> None:
        if wanted.only_if_cached:
            # RFC 9211 §2: without fwd, since nothing is forwarded.
            exchange.cache_status = "gateway; detail=only-if-cached"
            raise UpstreamTimeout("only-if-cached and nothing fresh is stored")

    async def _confirmed(self, request: Request, found: Stale, response: Response, exchange: Exchange) -> Response:
        """RFC 9111 §4.3.3: a 304 to our own conditions."""
        await _close(response)
        now = self._clock()
        plan = found.plan
        entry = renewed(found.entry, response.headers, request.headers, plan.asked, now, plan.lifetimes)
        await self._writing.renew(plan.key, found.entry, entry, plan.seen)
        self._share(plan, entry, None, now)
        exchange.cache = "revalidated"
        exchange.cache_status = f"gateway; fwd={found.reason}; fwd-status=304"
        if entry is None:
            exchange.note("cache", "revalidated", "confirmed, no longer kept")
            return answer(found.entry, request.headers, now)
        exchange.cache_status += f"; ttl={int(entry.lifetime - entry.age(now))}"
        exchange.note("cache", "revalidated", "confirmed")
        return answer(entry, request.headers, now)

    async def _received(self, request: Request, target: Target, found: Stale | Miss, response: Response, exchange: Exchange) -> Response:
        """A full answer: store it if it may be; what it contradicts is not kept either."""
        plan = found.plan
        entry = self._writing.draft(request, target, plan.lifetimes, plan.asked, response)
        contradicted = not isinstance(entry, str) or response.status == 200 or response.status in _GONE
        if isinstance(found, Stale) and contradicted:
            await self._writing.discard(plan.key, found.entry)
        if isinstance(entry, str):
            exchange.note("cache", "not stored", entry)
            if response.status in _ERRORS or response.status == 429:
                self._lost(found, failed=True)
            else:
                self._share(plan, None, None, plan.asked)
            return response
        filling: Filling | None = None
        if isinstance(response.body, bytes):
            entry = replace(entry, body=response.body)
            stored = await self._writing.keep(plan.key, entry, plan.seen)
        else:
            stored, filling = True, self._filling(plan, entry, response)
            response = replace(response, body=filling.reader())
        self._share(plan, entry, filling, self._clock())
        if stored:
            exchange.cache_status += "; stored"
            exchange.note("cache", "stored", f"fresh for {max(0, int(entry.lifetime - entry.initial_age))} s")
        else:
            exchange.note("cache", "not stored", "store")
        return response

    def _filling(self, plan: Plan, entry: Entry, response: Response) -> Filling:
        async def store(whole: bytes) -> None:
            await self._writing.keep(plan.key, replace(entry, body=whole), plan.seen)

        def ended() -> None:
            if plan.flight is not None:
                self._flights.end(plan.flight)

        if isinstance(response.body, bytes):
            raise TypeError("a body that is wholly here needs no filling")
        return Filling(response.body, self._max_object_bytes, store, ended)

    def _share(self, plan: Plan, entry: Entry | None, filling: Filling | None, now: float) -> None:
        """Let those who wait have the answer, or go: one that is stale as it comes cannot be shared."""
        if plan.flight is None:
            return
        if entry is None or not entry.is_fresh(now):
            plan.flight.release()
            return
        plan.flight.land(Landed(entry, filling))

    def abandon(self, found: Found) -> None:
        """The call that was planned will not be made: another may."""
        self._lost(found, failed=False)

    def _lost(self, found: Found, *, failed: bool) -> None:
        if isinstance(found, (Stale, Miss)) and found.plan.flight is not None:
            found.plan.flight.hand_over(failed=failed)


async def _close(response: Response) -> None:
    if not isinstance(response.body, bytes):
        await response.body.aclose()
