"""Have we answered this before? The cache between callers and Cloud Elements (RFC 9111, contract 2.3, 2.4).

One object, two steps of the corridor: ``look_up`` before a call would leave, ``settle`` when its answer comes; ``unanswered`` where none
comes. Rules are in the files beside this one, entries in a store. Nothing stale is served yet, except after the origin confirmed it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from gateway.cache.conditional import answer
from gateway.cache.entry import Entry, draft, renewed, selected, with_variant, without_variant
from gateway.cache.filling import Filling
from gateway.cache.found import Bypass, Found, Fresh, Miss, Plan, Stale
from gateway.cache.freshness import ANYTHING, Wishes, wishes
from gateway.cache.invalidation import EVERYTHING, Touched, is_write, may_have_happened, segments, touched
from gateway.cache.key import Key, Owner, key_of, owner_of, path_of
from gateway.cache.policy import CachePolicy, Rule, never_stored, plain, refusal
from gateway.cache.store import CacheStore
from gateway.errors import UpstreamTimeout
from gateway.exchange import Exchange, Request, Response, Target

__all__ = ["Bypass", "Cache", "CachePolicy", "CacheStore", "Found", "Fresh", "Miss", "Rule", "Stale"]

_REMEMBERED = 1024  # invalidations that answers still on their way are compared with
_GONE = frozenset({404, 410})


class Cache:
    """The room's one object.

    ``policy`` gives an element's policy by its key (``platform`` for platform calls), ``clock`` wall time in seconds;
    ``max_object_bytes`` is the largest body kept.
    """

    def __init__(self, policy: Callable[[str], CachePolicy], store: CacheStore, clock: Callable[[], float], max_object_bytes: int) -> None:
        self._policy = policy
        self._store = store
        self._clock = clock
        self._max_object_bytes = max_object_bytes
        self._seen = 0
        self._forgotten = 0  # up to this invalidation, what was touched is no longer known
        self._recent: deque[tuple[int, Owner, Touched]] = deque(maxlen=_REMEMBERED)

    async def look_up(self, request: Request, target: Target, exchange: Exchange) -> Found:
        """Whether a stored answer will do. Raises ``UpstreamTimeout`` where the caller wants none but a stored one and there is none
        (RFC 9111 §5.2.1.7 asks for 504)."""
        wanted = wishes(request.headers) if "cache-control" in request.headers or "pragma" in request.headers else ANYTHING
        if request.method != "GET":
            return self._past(request.method, "gateway; fwd=method", wanted if request.method == "HEAD" else ANYTHING, exchange)
        enabled, ttl = self._policy(target.element).decide(plain(target.resource))
        reason = self._refused(request, target, wanted, enabled=enabled)
        if reason:
            return self._past(reason, f"gateway; fwd=bypass; detail={reason}", wanted, exchange)
        key = key_of(request, target)
        now = self._clock()
        entries = await self._store.find(key)
        plan = Plan(key, ttl, now, self._seen)
        if not entries:
            return self._missed(Miss("uri-miss", plan), wanted, exchange)
        entry = selected(entries, request.headers)
        if entry is None:
            return self._missed(Miss("vary-miss", plan), wanted, exchange)
        age = entry.age(now)
        if age >= entry.lifetime or not wanted.allow(age, entry.lifetime):
            why = "stale" if age >= entry.lifetime else "request"
            return self._missed(Stale(entry, why, plan) if entry.has_validator else Miss(why, plan), wanted, exchange)
        exchange.cache, exchange.cache_status = "hit", f"gateway; hit; ttl={int(entry.lifetime - age)}"
        exchange.note("cache", "hit", "fresh")
        return Fresh(answer(entry, request.headers, now))

    async def settle(self, request: Request, target: Target, found: Found, response: Response, exchange: Exchange) -> Response:
        """What the caller gets for the upstream's ``response``: itself, being stored as it is read, or the entry that a 304 confirmed.
        After a write, what it touches is dropped."""
        if request.method != "GET":
            if is_write(request.method) and may_have_happened(response.status):
                await self._invalidate(request, target, exchange)
            return response
        if isinstance(found, Stale) and response.status == 304:
            return await self._confirmed(request, found, response, exchange)
        if isinstance(found, (Stale, Miss)):
            return await self._received(request, target, found, response, exchange)
        return response

    async def unanswered(self, request: Request, target: Target, exchange: Exchange) -> None:
        """The call left and no answer came (an error, or the caller went): a write may have happened, so what it touches is dropped."""
        if is_write(request.method):
            await self._invalidate(request, target, exchange)

    async def purge(
        self, environment: str | None = None, customer: str | None = None, element: str | None = None, path: str | None = None
    ) -> int:
        """Remove the entries that fit all that is given; ``path`` (without hub) stands for itself and all below. How many went."""
        self._seen += 1
        self._forgotten = self._seen
        below = EVERYTHING if path is None else Touched(frozenset(), frozenset({segments(path)}))
        return await self._store.purge(environment, customer, element, below)

    async def drop_instance(self, environment: str, handle: str) -> int:
        """Remove all of one instance: its mapping, token or configuration changed. How many entries went."""
        return await self._drop((environment, handle), EVERYTHING)

    def _refused(self, request: Request, target: Target, wanted: Wishes, *, enabled: bool) -> str | None:
        if wanted.no_store:
            return "no-store"
        if not enabled:
            return "policy"
        if never_stored(request.path, target.instance is None):
            return "never-stored"
        return refusal(request)

    def _past(self, reason: str, status: str, wanted: Wishes, exchange: Exchange) -> Found:
        exchange.cache, exchange.cache_status = "bypass", status
        exchange.note("cache", "bypass", reason)
        self._insist(wanted, exchange)
        return Bypass(reason)

    def _missed(self, found: Stale | Miss, wanted: Wishes, exchange: Exchange) -> Found:
        exchange.cache, exchange.cache_status = "miss", f"gateway; fwd={found.reason}"
        exchange.note("cache", "miss", found.reason)
        self._insist(wanted, exchange)
        return found

    def _insist(self, wanted: Wishes, exchange: Exchange) -> None:
        if wanted.only_if_cached:
            # RFC 9211 §2: without fwd, since nothing is forwarded.
            exchange.cache_status = "gateway; detail=only-if-cached"
            raise UpstreamTimeout("only-if-cached and nothing fresh is stored")

    async def _confirmed(self, request: Request, found: Stale, response: Response, exchange: Exchange) -> Response:
        """RFC 9111 §4.3.3: a 304 to our own conditions."""
        if not isinstance(response.body, bytes):
            await response.body.aclose()
        now = self._clock()
        plan = found.plan
        entry = renewed(found.entry, response.headers, plan.asked, now, plan.ttl)
        if entry is None:
            await self._discard(plan.key, found.entry)
        elif not self._overtaken(plan):
            await self._keep(plan.key, entry)
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
        entry = self._drafted(request, target, plan, response)
        if isinstance(entry, str):
            exchange.note("cache", "not stored", entry)
            if response.status == 200 or response.status in _GONE:
                await self._outdated(request, found)
            return response
        await self._outdated(request, found)
        body = response.body
        if isinstance(body, bytes):
            if not await self._fill(plan, entry, body):
                exchange.note("cache", "not stored", "store")
                return response
        else:

            async def store(whole: bytes) -> None:
                await self._fill(plan, entry, whole)

            response = replace(response, body=Filling(body, self._max_object_bytes, store))
        exchange.cache_status += "; stored"
        exchange.note("cache", "stored", f"fresh for {max(0, int(entry.lifetime - entry.initial_age))} s")
        return response

    def _drafted(self, request: Request, target: Target, plan: Plan, response: Response) -> Entry | str:
        if response.status != 200:
            return "status"
        size = len(response.body) if isinstance(response.body, bytes) else response.body.length or 0
        if size > self._max_object_bytes:
            return "too-large"
        instance = target.instance
        return draft(
            response.headers, request.headers, plan.asked, self._clock(), plan.ttl, instance.customer if instance else "", target.element
        )

    async def _fill(self, plan: Plan, entry: Entry, body: bytes) -> bool:
        return not self._overtaken(plan) and await self._keep(plan.key, replace(entry, body=body))

    async def _keep(self, key: Key, entry: Entry) -> bool:
        return await self._store.keep(key, with_variant(await self._store.find(key), entry))

    async def _outdated(self, request: Request, found: Stale | Miss) -> None:
        """Forget the entry that was passed over, now that the origin says something else."""
        if isinstance(found, Stale):
            await self._discard(found.plan.key, found.entry)
        elif found.reason not in ("uri-miss", "vary-miss"):
            entry = selected(await self._store.find(found.plan.key), request.headers)
            if entry:
                await self._discard(found.plan.key, entry)

    async def _discard(self, key: Key, entry: Entry) -> None:
        await self._store.keep(key, without_variant(await self._store.find(key), entry))

    async def _invalidate(self, request: Request, target: Target, exchange: Exchange) -> None:
        what = touched(request.method, path_of(request, target), element_call=target.instance is not None)
        exchange.note("cache", "invalidated", f"{await self._drop(owner_of(target), what)} entries")

    async def _drop(self, owner: Owner, what: Touched) -> int:
        self._seen += 1
        if len(self._recent) == _REMEMBERED:
            self._forgotten = max(self._forgotten, self._recent[0][0])
        self._recent.append((self._seen, owner, what))
        return await self._store.drop(owner, what)

    def _overtaken(self, plan: Plan) -> bool:
        """Whether what the call asked for was invalidated while it was on its way: its answer may be the old one."""
        if plan.seen == self._seen:
            return False
        if plan.seen < self._forgotten:
            return True
        path = segments(plan.key.path)
        return any(number > plan.seen and owner == plan.key.owner and what.covers(path) for number, owner, what in reversed(self._recent))
