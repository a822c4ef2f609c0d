"""What is stored for a request, and what that means for its caller: looked at without changing anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from gateway.cache.entry import Entry, selected
from gateway.cache.freshness import ANYTHING, Wishes, wishes
from gateway.cache.key import Key, key_of
from gateway.cache.policy import CachePolicy, Decision, never_stored, plain, refusal
from gateway.cache.store import CacheStore
from gateway.exchange import Request, Target

Reason = Literal["hit", "stale-while-revalidate", "uri-miss", "vary-miss", "stale", "request"]


class Look(NamedTuple):
    """The key, the policy, what is stored there, the one of it that fits, and what it comes to, by ``now`` (wall time, seconds).

    ``reason``: hit and stale-while-revalidate can be given at once; the others are RFC 9211's words for why the origin must be asked.
    """

    key: Key
    decision: Decision
    entries: tuple[Entry, ...]
    entry: Entry | None
    reason: Reason
    now: float


class Looking:
    """``policy`` gives an element's policy by its key (``platform`` for platform calls), ``clock`` wall time in seconds."""

    def __init__(self, policy: Callable[[str], CachePolicy], store: CacheStore, clock: Callable[[], float]) -> None:
        self.policy = policy
        self._store = store
        self._clock = clock

    def decide(self, target: Target) -> Decision:
        """What policy holds for this resource."""
        return self.policy(target.element).decide(plain(target.resource))

    async def look(self, request: Request, target: Target, wanted: Wishes, decision: Decision, *, use: bool = True) -> Look:
        """What is stored for this GET now; ``use`` as in ``CacheStore.find``."""
        key = key_of(request, target)
        entries = await self._store.find(key, use=use)
        entry = selected(entries, request.headers) if entries else None
        now = self._clock()
        return Look(key, decision, entries, entry, judged(entries, entry, wanted, now), now)


def wanted_by(request: Request) -> Wishes:
    """What the caller demands of a stored answer."""
    return wishes(request.headers) if "cache-control" in request.headers or "pragma" in request.headers else ANYTHING


def refused(request: Request, target: Target, wanted: Wishes, decision: Decision) -> str | None:
    """Why this GET goes past the cache, whatever is stored; None where it need not."""
    if wanted.no_store:
        return "no-store"
    if not decision.enabled:
        return "policy"
    if never_stored(request.path, target.instance is None):
        return "never-stored"
    return refusal(request)


def judged(entries: tuple[Entry, ...], entry: Entry | None, wanted: Wishes, now: float) -> Reason:
    """What ``entry``, the one of ``entries`` that fits, comes to for a caller who ``wanted`` (RFC 9111 §4, RFC 5861 §3)."""
    if entry is None:
        return "vary-miss" if entries else "uri-miss"
    age = entry.age(now)
    if age < entry.lifetime:
        return "hit" if wanted.allow(age, entry.lifetime) else "request"
    if age < entry.lifetime + entry.while_revalidating and wanted.allow_stale(age):
        return "stale-while-revalidate"
    return "request" if wanted.no_cache else "stale"
