"""What the cache needs of a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.cache.entry import Entry
from gateway.cache.invalidation import Touched
from gateway.cache.key import Key, Owner


class Held(Protocol):
    """What a store holds in this process under one key: ``entries``, all of them and no others for as long as it is ``alive``."""

    @property
    def alive(self) -> bool: ...

    @property
    def entries(self) -> tuple[Entry, ...]: ...

    @property
    def gone(self) -> dict[bytes, Callable[[bytes], None]]:
        """Whom to tell, and of what, when it is alive no more."""


class CacheStore(Protocol):
    """Where entries are kept: all variants of a key together, the newest first. A store may lose any of them at any time."""

    @property
    def entries(self) -> int:
        """How many keys are held."""

    @property
    def bytes(self) -> int:
        """What is held, in octets."""

    @property
    def max_bytes(self) -> int:
        """What may be held."""

    async def find(self, key: Key, *, use: bool = True) -> tuple[Entry, ...]:
        """The entries of ``key`` that are of use still. Without ``use`` they are only looked at: it keeps them no longer."""

    def held(self, key: Key) -> Held | None:
        """What is at hand under ``key`` without asking anybody; it counts as used. None says nothing of what there may be elsewhere."""

    async def keep(self, key: Key, entries: tuple[Entry, ...]) -> bool:
        """Have ``entries``, and nothing else, under ``key``; False where the store does not want them (none are kept then)."""

    async def drop(self, owner: Owner, touched: Touched) -> int:
        """Remove what of ``owner`` is touched; how many entries went. Costs what it removes."""

    async def purge(self, environment: str | None, customer: str | None, element: str | None, touched: Touched) -> int:
        """Remove what is touched wherever the other arguments fit (None: any); how many entries went."""
