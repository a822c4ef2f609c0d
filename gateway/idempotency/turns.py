"""Calls with the same key take turns, in the order in which they came: one at a time looks, sends and keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.idempotency.answer import Kept
from gateway.idempotency.bodies import Fingerprinted


class Turn:
    """What the calls with one key share while there are any. ``lock`` is held by the one whose turn it is.

    ``leader`` is the call that is being sent, ``kept`` the first answer once there is one: those who wait have it from here, so that a
    database that could not take it makes none of them send again.
    """

    __slots__ = ("holders", "kept", "leader", "lock")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.leader: Fingerprinted | None = None
        self.kept: Kept | None = None
        self.holders = 0

    @property
    def fingerprint(self) -> bytes | None:
        """That of the first call, if there is one and it is known yet."""
        if self.kept is not None:
            return self.kept.fingerprint
        return self.leader.fingerprint if self.leader is not None else None


class Turns:
    """The turns that somebody holds, by the digest of the key's owner."""

    def __init__(self) -> None:
        self._turns: dict[bytes, Turn] = {}

    def __len__(self) -> int:
        return len(self._turns)

    @contextmanager
    def held(self, digest: bytes) -> Iterator[Turn]:
        """The turn of this key; inside, nobody else gets another one."""
        turn = self._turns.get(digest)
        if turn is None:
            turn = self._turns[digest] = Turn()
        turn.holders += 1
        try:
            yield turn
        finally:
            turn.holders -= 1
            if not turn.holders:
                del self._turns[digest]
