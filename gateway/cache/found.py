"""What a look in the cache comes to."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.cache.coalesce import Flight
from gateway.cache.conditional import conditions
from gateway.cache.entry import Entry
from gateway.cache.key import Key
from gateway.cache.policy import Lifetimes
from gateway.exchange import Pair, Response


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``settle`` needs in order to store an answer: the key, the configured lifetimes, the wall time of the look, how many
    invalidations there had been by then (an answer that one of them overtook is not stored), and the flight that this call leads."""

    key: Key
    lifetimes: Lifetimes
    asked: float
    seen: int
    flight: Flight | None = None


@dataclass(frozen=True, slots=True)
class Fresh:
    """The answer, from the store: nothing needs to be sent for it. ``refresh``: it is stale, and to be asked for anew in the background."""

    response: Response
    refresh: Stale | None = None

    @property
    def conditions(self) -> tuple[Pair, ...] | None:
        return None


@dataclass(frozen=True, slots=True)
class Stale:
    """An entry that may not be used as it is: the origin is asked, with ``conditions`` instead of the caller's own conditional fields
    where the entry has a validator. ``reason`` is RFC 9211's ``fwd``: stale, or request (the caller wants it so)."""

    entry: Entry
    reason: str
    plan: Plan

    @property
    def conditions(self) -> tuple[Pair, ...] | None:
        return conditions(self.entry) or None


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
    """The call goes past the cache, and its answer too. ``asked`` and ``seen`` as in ``Plan``: a HEAD or POST may tell of what is
    stored."""

    reason: str
    asked: float = 0.0
    seen: int = 0

    @property
    def conditions(self) -> tuple[Pair, ...] | None:
        return None


Found = Fresh | Stale | Miss | Bypass
