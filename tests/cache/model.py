"""What a cache must do, said naively: a list of answers for each place, and plain arithmetic on what the origin said.

It reads no header fields: an answer is made of a ``Said``, which the model keeps and the cache gets to see as fields. Times are whole
seconds. Where the real store may have lost an answer (for room, or since a clock ran ahead) its item is not ``certain``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from email.utils import formatdate
from math import inf

from gateway.cache import Lifetimes
from gateway.cache.entry import MAX_VARIANTS
from gateway.exchange import Pair

Owner = tuple[str, str | None]
Place = tuple[Owner, str, str]
"""Whose, path without hub, query."""

DAY = 86_400
FORBIDDING_STALE = {"no-cache", "must-revalidate", "proxy-revalidate"}


@dataclass(frozen=True)
class Control:
    """The directives of an answer."""

    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    flags: frozenset[str] = frozenset()

    def __str__(self) -> str:
        numbers = (("max-age", self.max_age), ("s-maxage", self.s_maxage), ("stale-while-revalidate", self.stale_while_revalidate))
        said = [f"{name}={value}" for name, value in (*numbers, ("stale-if-error", self.stale_if_error)) if value is not None]
        return ", ".join([*said, *sorted(self.flags)])


SILENT = Control()


@dataclass(frozen=True)
class Said:
    """What an answer says, field by field; None: not there. Moments are wall seconds."""

    control: Control | None = None
    expires: int | None = None
    date: int | None = None
    age: int | None = None
    etag: str | None = None
    modified: int | None = None
    vary: str | None = None
    cookie: str | None = None

    def pairs(self) -> tuple[Pair, ...]:
        """As header fields."""
        dated = (("Expires", self.expires), ("Date", self.date), ("Last-Modified", self.modified))
        plain = (("Cache-Control", self.control), ("Age", self.age), ("ETag", self.etag), ("Vary", self.vary), ("Set-Cookie", self.cookie))
        said = [(name, formatdate(value, usegmt=True)) for name, value in dated if value is not None]
        return (*said, *((name, str(value)) for name, value in plain if value is not None))

    def updated(self, by: Said) -> Said:
        """RFC 9111 §3.2: what ``by`` says goes before; how old it is, it says alone."""
        news = {one.name: getattr(by, one.name) for one in fields(by) if getattr(by, one.name) is not None}
        return replace(self, **news | {"date": by.date, "age": by.age})


@dataclass(frozen=True)
class Item:
    """A stored answer: for whom it may be used (``varies``), how old it was when it came, how old it may get."""

    body: bytes
    status: int
    said: Said
    varies: tuple[tuple[str, str | None], ...]
    received: int
    initial_age: int
    lifetime: float
    while_revalidating: float
    if_error: float
    certain: bool = True

    def age(self, now: int) -> float:
        return inf if now < self.received - 1 else self.initial_age + max(0, now - self.received)

    def left(self, now: int) -> float:
        """Seconds of freshness; none left from 0 on."""
        return self.lifetime - self.age(now)

    @property
    def of_no_use_from(self) -> float:
        """From when on a store need not have it."""
        validated = DAY if self.said.etag or self.said.modified is not None else 0
        return self.received + max(0, self.lifetime - self.initial_age) + max(self.while_revalidating, self.if_error, validated)


def item(body: bytes, status: int, said: Said, wanted: dict[str, str], asked: int, received: int, configured: Lifetimes) -> Item | None:
    """The answer as it is to be stored; None where it must not be, or would never be of use."""
    control = said.control or SILENT
    if status in (401, 304) or said.cookie or said.vary == "*" or control.flags & {"no-store", "private"}:
        return None
    way = (said.age or 0) + max(0, received - asked)
    old = max(way, received - said.date) if said.date is not None else way
    lifetime: float | None = control.max_age if control.s_maxage is None else control.s_maxage
    if lifetime is None and said.expires is not None:
        lifetime = max(0, said.expires - (received if said.date is None else said.date))
    if lifetime is None:
        by_status = {200: configured.ttl, 404: configured.negative_ttl, 410: configured.negative_ttl}
        if status != 200 and not by_status.get(status):
            return None
        lifetime = by_status[status] + (old - way if by_status[status] else 0)  # it counts from the arrival, whatever Date says
    lifetime = 0 if "no-cache" in control.flags else lifetime
    if lifetime <= old and said.etag is None and said.modified is None:
        return None
    forbidden = control.s_maxage is not None or control.flags & FORBIDDING_STALE
    revalidating = configured.stale_while_revalidate if control.stale_while_revalidate is None else control.stale_while_revalidate
    on_error = configured.stale_if_error if control.stale_if_error is None else control.stale_if_error
    varies = tuple((name, wanted.get(name)) for name in sorted((said.vary or "").lower().split(", ")) if name)
    return Item(body, status, said, varies, received, old, lifetime, 0 if forbidden else revalidating, 0 if forbidden else on_error)


class Model:
    """The answers stored at each place, the newest first. ``lossy``: the store is small, so any of them may be gone."""

    def __init__(self, *, lossy: bool) -> None:
        self.lossy = lossy
        self.items: dict[Place, list[Item]] = {}

    def fitting(self, place: Place, wanted: dict[str, str]) -> Item | None:
        """The newest that was asked for in the same words."""
        return next((one for one in self.items.get(place, ()) if all(wanted.get(name) == value for name, value in one.varies)), None)

    def keep(self, place: Place, new: Item, now: int, *, certain: bool = True) -> None:
        self.discard(place, new)
        certain = certain and not self.lossy and now < new.of_no_use_from
        self.items[place] = [replace(new, certain=certain), *self.items[place]][:MAX_VARIANTS]

    def discard(self, place: Place, old: Item) -> None:
        """Forget the variant."""
        self.items[place] = [one for one in self.items.get(place, ()) if one.varies != old.varies]

    def drop(self, doubtful: Callable[[Place], bool]) -> tuple[int, bool]:
        """How many went, and whether that is certain."""
        gone = [one for place, items in self.items.items() if doubtful(place) for one in items]
        self.items = {place: items for place, items in self.items.items() if not doubtful(place)}
        return len(gone), all(one.certain for one in gone)

    def pass_time(self, now: int) -> None:
        """A store may forget what has become useless, and a clock that goes back does not bring it back."""
        for place, items in self.items.items():
            self.items[place] = [replace(one, certain=False) if now >= one.of_no_use_from else one for one in items]


def touches(method: str, written: str, path: str) -> bool:
    """Whether a write on one path (without hub) makes what is at another doubtful."""
    here, there = written.split("/")[1:], path.split("/")[1:]
    if here == there:
        return True
    if len(there) < len(here):  # items that it belongs to, and the lists that each of them is on
        return here[: len(there)] == there
    below = there[: len(here)] == here
    return below and (len(here) % 2 == 0 or method != "POST")
