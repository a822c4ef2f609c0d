"""Which answers on their way a write, a purge or a change overtook: they may be the old ones, so they are neither stored nor shared."""

from __future__ import annotations

from collections import deque

from gateway.cache.invalidation import Touched, place
from gateway.cache.key import Key, Owner

_REMEMBERED = 1024  # invalidations that answers still on their way are compared with


class Invalidations:
    """The invalidations so far, counted; the last of them remembered."""

    def __init__(self) -> None:
        self.count = 0
        self._forgotten = 0  # up to this invalidation, what was touched is no longer known
        self._recent: deque[tuple[int, Owner, Touched]] = deque(maxlen=_REMEMBERED)

    def add(self, owner: Owner, what: Touched) -> None:
        """``what`` of ``owner`` was touched."""
        self.count += 1
        if len(self._recent) == _REMEMBERED:
            self._forgotten = max(self._forgotten, self._recent[0][0])
        self._recent.append((self.count, owner, what))

    def add_everything(self) -> None:
        """Entries of several owners were removed."""
        self.count += 1
        self._forgotten = self.count

    def overtook(self, seen: int, key: Key) -> bool:
        """Whether what is at ``key`` was touched after the first ``seen`` invalidations."""
        if seen == self.count:
            return False
        if seen < self._forgotten:
            return True
        path = place(key.path, element_call=key.handle is not None)
        return any(number > seen and owner == key.owner and what.covers(path) for number, owner, what in reversed(self._recent))
