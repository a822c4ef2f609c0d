"""What look-ups remember of rows: the most used ones, and the most asked-for that are not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """A bounded memory of answers. Empty answers (None, an empty tuple) have room of their own: who asks for a million names
    that do not exist must not push out those that do (threat 44)."""

    def __init__(self, size: int, empty_size: int) -> None:
        self._found: LRUCache[K, V] = LRUCache(size)
        self._empty: LRUCache[K, V] = LRUCache(empty_size)
        self.generation = 0

    async def look_up(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        """What is remembered under ``key``, else what ``load`` tells."""
        for memory in (self._found, self._empty):
            try:
                return memory[key]
            except KeyError:
                pass
        generation = self.generation
        value = await load()
        # A read that began before forget() may have seen the row as it was before the change.
        if generation == self.generation:
            place = self._found if value else self._empty
            value = place.setdefault(key, value)  # of several that read at the same time, all get the same
        return value

    def forget(self) -> None:
        """Remember nothing, and nothing of what is being read right now."""
        self.generation += 1
        self._found.clear()
        self._empty.clear()

    def __len__(self) -> int:
        return len(self._found) + len(self._empty)
