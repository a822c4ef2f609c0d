"""What answers to other methods than GET mean for what is stored (RFC 9111 §4.3.5, §4.4; RFC 9110 §9.3.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from gateway.cache.control import control_of
from gateway.cache.entry import Entry, Subject, draft, renewed, with_variant, without_variant
from gateway.cache.found import Bypass
from gateway.cache.freshness import ANYTHING, explicit_lifetime
from gateway.cache.invalidation import EVERYTHING, Segments, Touched, instance_number, is_write, may_have_happened, named_by, place, touched
from gateway.cache.key import Key, Owner, is_of_the_element, key_of, owner_of, path_of
from gateway.cache.looking import Looking, refused, wanted_by
from gateway.cache.overtaking import Invalidations
from gateway.cache.policy import Lifetimes
from gateway.cache.store import CacheStore
from gateway.errors import StoreUnavailable
from gateway.exchange import Exchange, Request, Response, Target

Numbered = Callable[[str, int], Awaitable[Sequence[str]]]
_GONE = frozenset({404, 410})


class Writing:
    """Stores, renews and drops entries. ``clock`` is wall time in seconds, ``max_object_bytes`` the largest body kept, ``numbered``
    tells which handles an environment has for an instance's number at Cloud Elements."""

    def __init__(self, looking: Looking, store: CacheStore, clock: Callable[[], float], max_object_bytes: int, numbered: Numbered) -> None:
        self._numbered = numbered
        self._looking = looking
        self._store = store
        self._clock = clock
        self._max_object_bytes = max_object_bytes
        self.invalidations = Invalidations()

    async def answered(self, request: Request, target: Target, found: Bypass, response: Response, exchange: Exchange) -> None:
        """``response`` came to a request that is no GET."""
        if request.method == "HEAD":
            await self._freshen(request, target, found, response)
        elif is_write(request.method) and may_have_happened(response.status):
            posted = self._posted(request, target, found, response) if request.method == "POST" else None
            await self.invalidate(request, target, response, exchange)
            if posted is not None:
                await self.keep(*posted, self.invalidations.count)

    async def invalidate(self, request: Request, target: Target, response: Response | None, exchange: Exchange) -> None:
        """Drop what the write touches; ``response`` is None where none came."""
        what = touched(request.method, path_of(request, target), element_call=target.instance is not None)
        if response is not None and response.status < 400:
            what = what.and_places(_named(request, target, response))
        gone = await self.drop(owner_of(target), what)
        number = instance_number(request.path)
        if number is not None:
            # Done to its end, though the caller may leave meanwhile.
            gone += await asyncio.shield(asyncio.ensure_future(self._drop_numbered(target.environment.name, number)))
        exchange.note("cache", "invalidated", f"{gone} entries")

    async def purge(self, environment: str | None, customer: str | None, element: str | None, what: Touched) -> int:
        """Remove what is touched of all owners that fit; how many entries went."""
        self.invalidations.add_everything()
        return await self._store.purge(environment, customer, element, what)

    async def _drop_numbered(self, environment: str, number: int) -> int:
        """The answers of an instance that was changed at Cloud Elements; of them all where it cannot be said which it is."""
        try:
            handles = await self._numbered(environment, number)
        except StoreUnavailable:
            return await self.purge(environment, None, None, EVERYTHING)
        return sum([await self.drop((environment, handle), EVERYTHING) for handle in handles])

    async def drop(self, owner: Owner, what: Touched) -> int:
        """Remove what is touched of ``owner``, and keep out what is on its way; how many entries went."""
        self.invalidations.add(owner, what)
        return await self._store.drop(owner, what)

    def draft(self, request: Request, target: Target, lifetimes: Lifetimes, asked: float, response: Response) -> Entry | str:
        """The entry for the answer to a call that left at ``asked``, its body yet to come; or why there is none."""
        size = len(response.body) if isinstance(response.body, bytes) else response.body.length or 0
        if size > self._max_object_bytes:
            return "too-large"
        whose = None if is_of_the_element(target) else target.instance
        subject = Subject(whose.customer, whose.element) if whose else Subject("", "platform")
        now = self._clock()
        return draft(response.status, response.headers, request.headers, asked, now, lifetimes, subject, response.reason)

    async def keep(self, key: Key, entry: Entry, seen: int) -> bool:
        """Store, unless something after the first ``seen`` invalidations overtook it."""
        if self.invalidations.overtook(seen, key):
            return False
        return await self._store.keep(key, with_variant(await self._store.find(key), entry))

    async def renew(self, key: Key, old: Entry, fresh: Entry | None, seen: int) -> None:
        """Have ``fresh`` in place of ``old``; None: ``old`` must not be kept. Not where something after the first ``seen`` invalidations
        overtook it."""
        if self.invalidations.overtook(seen, key):
            return
        others = without_variant(await self._store.find(key), old)
        await self._store.keep(key, others if fresh is None else with_variant(others, fresh))

    async def discard(self, key: Key, entry: Entry) -> None:
        """Forget one variant."""
        await self._store.keep(key, without_variant(await self._store.find(key), entry))

    async def _freshen(self, request: Request, target: Target, found: Bypass, response: Response) -> None:
        """RFC 9111 §4.3.5: a HEAD tells whether the stored GET still holds, and renews it if so."""
        decision = self._looking.decide(target)
        if response.status not in (200, *_GONE) or refused(request, target, ANYTHING, decision):
            return
        look = await self._looking.look(request, target, ANYTHING, decision)
        entry = look.entry
        if entry is None:
            return
        same = response.status == entry.status and _tells_of(entry, response)
        fresh = renewed(entry, response.headers, request.headers, found.asked, look.now, decision.lifetimes) if same else None
        await self.renew(look.key, entry, fresh, found.seen)

    def _posted(self, request: Request, target: Target, found: Bypass, response: Response) -> tuple[Key, Entry] | None:
        """RFC 9110 §9.3.3: an answer to POST that says how long it is fresh, and that it is what a GET here would give."""
        same = named_by(response.headers.get("content-location"), request.target, target.environment.base_url) == request.target
        if not same or explicit_lifetime(response.headers, control_of(response.headers), self._clock()) is None:
            return None
        as_get = replace(request, method="GET", body=b"", headers=request.headers.without({"content-length", "transfer-encoding"}))
        if refused(as_get, target, wanted_by(request), self._looking.decide(target)) or not isinstance(response.body, bytes):
            return None
        key = key_of(as_get, target)
        entry = self.draft(as_get, target, Lifetimes(), found.asked, response)
        if isinstance(entry, str) or self.invalidations.overtook(found.seen, key):
            return None
        return key, replace(entry, body=response.body)


def _named(request: Request, target: Target, response: Response) -> list[Segments]:
    """What ``Location`` and ``Content-Location`` name, of the same upstream (RFC 9111 §4.4)."""
    base = target.environment.base_url
    named = [named_by(response.headers.get(name), request.target, base) for name in ("location", "content-location")]
    return [place(one.partition("?")[0], element_call=target.instance is not None) for one in named if one]


def _tells_of(entry: Entry, response: Response) -> bool:
    """Whether the fields of a HEAD's answer fit the stored representation."""
    length, changed = response.headers.get("content-length"), response.headers.get("last-modified")
    return length in (None, str(len(entry.body))) and (None in (changed, entry.last_modified) or changed == entry.last_modified)
