"""What a look in the cache comes to."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.cache.conditional import conditions
from gateway.cache.entry import Entry
from gateway.cache.key import Key
from gateway.exchange import Pair, Response


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``settle`` needs in order to store an answer: the key, the configured lifetime in seconds, the wall time of the look, and how
    many invalidations there had been by then (an answer that one of them overtook is not stored)."""

    key: Key
    ttl: float
    asked: float
    seen: int


@dataclass(frozen=True, slots=True)
class Fresh:
    """The answer, from the store: nothing needs to be sent."""

    response: Response

    @property
    def conditions(self) -> tuple[Pair, ...] | None:
        return None


@dataclass(frozen=True, slots=True)
class Stale:
    """An entry that the origin must confirm: send ``conditions`` instead of the caller's own conditional fields."""

    entry: Entry
    reason: str
    plan: Plan

    @property
    def conditions(self) -> tuple[Pair, ...] | None:
        return conditions(self.entry)


@dataclass(frozen=True, slots=True)
class Miss:
    """Nothing to be used; the answer may be stored. ``reason`` is RFC 9211's ``fwd``."""

    reason: str
    plan: Plan

    @property
    def conditions(self) -> tuple[Pair, ...] | None:
        return None


@dataclass(frozen=True, slots=True)
class Bypass:
    """The call goes past the cache, and its answer too."""

    reason: str

    @property
    def conditions(self) -> tuple[Pair, ...] | None:
        return None


Found = Fresh | Stale | Miss | Bypass
