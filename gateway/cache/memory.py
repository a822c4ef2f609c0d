"""Entries in this process: least recently used go first, bounded in bytes, indexed by owner and path.

What a key costs is estimated so that it is not below the truth: the octets of bodies, fields and path, and for the objects around them
the overheads below. They were measured by tracemalloc on CPython 3.11, 20,000 entries of 0, 5 and 20 fields at paths of 1, 3 and 6
parts that share nothing: the estimate was 1.2 to 1.6 times what was allocated. ``tests/cache/test_cache_memory.py`` measures again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cachetools import TLRUCache

from gateway.cache.entry import Entry
from gateway.cache.invalidation import Segments, Touched, place
from gateway.cache.key import Key, Owner
from gateway.cache.store import Held

KEY_BYTES = 1200  # key, its place in cachetools' four tables and in the index
SEGMENT_BYTES = 540  # a part of the path, as a node of the index
ENTRY_BYTES = 480
FIELD_BYTES = 180


class _Kept:
    """What is held under one key; ``alive`` until it leaves the shelf."""

    __slots__ = ("alive", "entries", "gone", "size", "until")

    def __init__(self, entries: tuple[Entry, ...], size: int, until: float) -> None:
        self.entries = entries
        self.size = size
        self.until = until
        self.alive = True
        self.gone: dict[bytes, Callable[[bytes], None]] = {}

    def end(self) -> None:
        self.alive = False
        gone, self.gone = self.gone, {}
        for what, tell in gone.items():
            tell(what)


class _Node:
    """A part of a path: the keys that end here, and the parts that follow."""

    __slots__ = ("following", "keys")

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.following: dict[str, _Node] = {}

    def below(self) -> Iterator[Key]:
        """Each key here and deeper; without recursion, as a path may have thousands of parts."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield from node.keys
            waiting.extend(node.following.values())


Tag = tuple[str, str | None]


def _tags_of(environment: str | None, customer: str | None, element: str | None) -> tuple[Tag, ...]:
    return ("environment", environment), ("customer", customer), ("element", element)


class _Index:
    """Which keys an owner has at a path: a tree of parts for each owner; and which owners belong to an environment, customer or element,
    so that a purge costs what it removes."""

    def __init__(self) -> None:
        self.roots: dict[Owner, _Node] = {}
        self._tags: dict[Owner, tuple[Tag, ...]] = {}
        self._tagged: dict[Tag, set[Owner]] = {}

    def add(self, key: Key, entry: Entry) -> None:
        node = self.roots.get(key.owner)
        if node is None:
            node = self.roots[key.owner] = _Node()
            self._tags[key.owner] = tags = _tags_of(key.environment, *entry.subject)
            for tag in tags:
                self._tagged.setdefault(tag, set()).add(key.owner)
        for part in _place(key):
            if part not in node.following:
                node.following[part] = _Node()
            node = node.following[part]
        node.keys.add(key)

    def remove(self, key: Key) -> None:
        root = self.roots.get(key.owner)
        if root is None:
            return
        parts = _place(key)
        way = [root]
        for part in parts:
            if part not in way[-1].following:
                return
            way.append(way[-1].following[part])
        way[-1].keys.discard(key)
        for part, node, parent in zip(reversed(parts), reversed(way), reversed(way[:-1]), strict=False):
            if node.keys or node.following:
                return
            del parent.following[part]
        if not root.keys and not root.following:
            del self.roots[key.owner]
            for tag in self._tags.pop(key.owner):
                self._tagged[tag].discard(key.owner)
                if not self._tagged[tag]:
                    del self._tagged[tag]

    def owners(self, environment: str | None, customer: str | None, element: str | None) -> set[Owner]:
        """Those that fit all that is given: found from the tag that the fewest have."""
        asked = [tag for tag in _tags_of(environment, customer, element) if tag[1] is not None]
        if not asked:
            return set(self.roots)
        fewest, *others = sorted((self._tagged.get(tag, set()) for tag in asked), key=len)
        return fewest.intersection(*others)

    def find(self, owner: Owner, touched: Touched) -> set[Key]:
        """The keys of ``owner`` that are touched."""
        found: set[Key] = set()
        for path in touched.exact:
            if node := self._node(owner, path):
                found |= node.keys
        for path in touched.below:
            if node := self._node(owner, path):
                found.update(node.below())
        return found

    def _node(self, owner: Owner, path: Segments) -> _Node | None:
        node = self.roots.get(owner)
        for part in path:
            if node is None:
                return None
            node = node.following.get(part)
        return node


def _place(key: Key) -> Segments:
    return place(key.path, element_call=key.handle is not None)


class _Shelf(TLRUCache[Key, _Kept]):
    """cachetools' cache, telling of each key that leaves it: dropped, evicted for room (both by ``__delitem__``), or expired."""

    def __init__(self, max_bytes: int, clock: Callable[[], float], left: Callable[[Key], None]) -> None:
        super().__init__(max_bytes, lambda _key, kept, _now: kept.until, clock, lambda kept: kept.size)
        self._left = left

    def __delitem__(self, key: Key) -> None:
        self._left(key)
        super().__delitem__(key)

    def expire(self, time: float | None = None) -> Any:
        expired = super().expire(time)
        for key, _ in expired:
            self._left(key)
        return expired


class MemoryStore:
    """A ``CacheStore`` of at most ``max_bytes``. ``clock`` is wall time in seconds, the one that entries are dated by."""

    def __init__(self, max_bytes: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[Key, _Kept] = {}
        self._index = _Index()
        self._shelf = _Shelf(max_bytes, clock, self._forget)

    @property
    def bytes(self) -> int:
        """What is held, by estimate (see above)."""
        return int(self._shelf.currsize)

    @property
    def max_bytes(self) -> int:
        """What may be held."""
        return int(self._shelf.maxsize)

    @property
    def entries(self) -> int:
        """How many keys are held; the variants of one count once."""
        return len(self._shelf)

    async def find(self, key: Key, *, use: bool = True) -> tuple[Entry, ...]:
        # Asking our own table first spares a miss the four tables of the shelf and the exception.
        known = self._known.get(key)
        if known is None:
            return ()
        kept = self._shelf.get(key) if use else known if known.until > self._clock() else None
        return kept.entries if kept else ()

    def held(self, key: Key) -> Held | None:
        return self._shelf.get(key) if key in self._known else None

    async def keep(self, key: Key, entries: tuple[Entry, ...]) -> bool:
        self._remove(key)
        depth = len(_place(key))
        # cachetools raises on what can never fit: look first. The newest goes before the others.
        for some in (entries, entries[:1]):
            kept = _Kept(some, size_of(key, depth, some), max((entry.keep_until for entry in some), default=0.0))
            if some and kept.size <= self._shelf.maxsize and kept.until > self._clock():
                self._shelf[key] = kept
                self._known[key] = kept
                self._index.add(key, some[0])
                return True
        return False

    async def drop(self, owner: Owner, touched: Touched) -> int:
        return sum(self._remove(key) for key in self._index.find(owner, touched))

    async def purge(self, environment: str | None, customer: str | None, element: str | None, touched: Touched) -> int:
        fitting = self._index.owners(environment, customer, element)
        return sum(self._remove(key) for owner in fitting for key in self._index.find(owner, touched))

    def _remove(self, key: Key) -> int:
        if key not in self._known:
            return 0
        kept = self._shelf.pop(key, None)
        return len(kept.entries) if kept else 0

    def _forget(self, key: Key) -> None:
        kept = self._known.pop(key, None)
        if kept is not None:
            kept.end()
        self._index.remove(key)


def size_of(key: Key, depth: int, entries: tuple[Entry, ...]) -> int:
    """Octets that ``entries`` take in memory under ``key``, whose path has ``depth`` parts; rather too many than too few."""
    size = KEY_BYTES + depth * SEGMENT_BYTES + 3 * len(key.path) + sum(len(part) for part in key if isinstance(part, str))
    for entry in entries:
        size += ENTRY_BYTES + len(entry.body) + len(entry.reason)
        size += sum(FIELD_BYTES + len(name) + len(value) for name, value in entry.fields)
        size += sum(FIELD_BYTES + len(name) + len(value or "") for name, value in entry.varies)
    return size
