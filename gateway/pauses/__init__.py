"""May such calls be made at all just now? An operator can stop them for a time (contract 4, ``/pauses``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from gateway.pauses.rules import Pause, Scope, by_scope, in_force, refusal
from gateway.pauses.store import PauseStore


class Pauses:
    """The room's one object. What it knows is as old as the last ``load()``; that pauses end it knows by itself."""

    def __init__(self, store: PauseStore, clock: Callable[[], float]) -> None:
        """``clock`` tells seconds since the epoch."""
        self._store = store
        self._clock = clock
        self.known: Mapping[Scope, Pause] = {}
        """All that had not ended when they were loaded; nothing is paused where it is empty."""
        self._loading = asyncio.Lock()

    def check(self, environment: str, customer: str, element: str) -> None:
        """Raise ``Paused`` where a call like this is held back. A platform call has no customer (``""``), and ``platform`` for its
        element."""
        if not self.known:
            return
        now = self._clock()
        pause = in_force(self.known, environment, customer, element, now)
        if pause is not None:
            raise refusal(pause, now)

    async def load(self) -> None:
        """Know what is stored from now on; ``StoreUnavailable`` leaves what was known."""
        # One after the other: a read that began earlier must not have the last word.
        async with self._loading:
            self.known = by_scope(await self._store.unended(self._clock()))
