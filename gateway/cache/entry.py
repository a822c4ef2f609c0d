"""A stored answer: whether one may be stored, how it ages, how a 304 renews it (RFC 9111 §3, §4.2, §4.3.4). Times are wall seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate

from gateway.cache.freshness import FOREVER_S, directives, explicit_lifetime, initial_age
from gateway.cache.key import secondary, varying
from gateway.exchange import Headers, Pair

STALE_KEPT_S = 86_400.0  # how long a stale answer that has a validator waits to be asked for again
MAX_VARIANTS = 8  # of one key; callers choose the values of secondary keys, so their number is bounded
_CLOCK_JITTER_S = 1.0

# RFC 9111 §3.1: meant for one hop, or for this one message. The server writes Content-Length from the body.
_NOT_STORED = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "age",
        "set-cookie",
        "set-cookie2",
    }
)
# RFC 9111 §3.2: what says how the stored octets are to be read stays theirs.
_NOT_RENEWED = _NOT_STORED | frozenset({"content-encoding", "content-type", "content-range"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored 200.

    ``varies`` is its secondary key, ``received`` when it came, ``initial_age`` how old it was then, ``lifetime`` how old it may get.
    ``etag`` and ``last_modified`` are its validators, ``customer`` and ``element`` whose it is (for purges).
    """

    fields: tuple[Pair, ...]
    body: bytes
    varies: tuple[tuple[str, str | None], ...]
    received: float
    initial_age: float
    lifetime: float
    etag: str | None
    last_modified: str | None
    customer: str
    element: str

    def age(self, now: float) -> float:
        """The current age (RFC 9111 §4.2.3); infinite where the clock went back behind the answer, since then nobody knows."""
        resident = now - self.received
        return math.inf if resident < -_CLOCK_JITTER_S else self.initial_age + max(resident, 0.0)

    def is_fresh(self, now: float) -> bool:
        return self.age(now) < self.lifetime

    @property
    def has_validator(self) -> bool:
        return self.etag is not None or self.last_modified is not None

    @property
    def keep_until(self) -> float:
        """When it is of no more use: at the end of its freshness, or some time later where it can be asked for again."""
        stale_from = self.received + max(0.0, self.lifetime - self.initial_age)
        return stale_from + STALE_KEPT_S if self.has_validator else stale_from


def draft(answer: Headers, wanted: Headers, asked: float, received: float, ttl: float, customer: str, element: str) -> Entry | str:
    """The entry for a 200 with the fields ``answer`` to a GET with the fields ``wanted``, its body yet to come; or why there is none.

    ``ttl`` is the configured lifetime in seconds, for answers that state none (RFC 9111 §4.2.2: the heuristic). It counts from when the
    answer came, less what ``Age`` says: an upstream's wrong clock must not spoil what the operator wrote.
    """
    control = directives(answer.get("cache-control"))
    names = varying(answer)
    if names is None:
        return "vary"
    reason = _forbidden(answer, control)
    if reason:
        return reason
    lifetime = explicit_lifetime(answer, control, received)
    heuristic = lifetime is None
    if lifetime is None:
        if not _is_text(answer.get("content-type")):
            return "content-type"
        lifetime = ttl
    if "no-cache" in control:
        # RFC 9111 §5.2.2.4: to be validated each time. The form with field names is taken as the one without.
        lifetime = 0.0
    etag, last_modified = answer.get("etag"), answer.get("last-modified")
    mute = etag is None and last_modified is None
    if lifetime <= 0 and mute:
        return "no-freshness"
    old, explained = initial_age(answer, asked, received)
    if heuristic and lifetime > 0:
        lifetime += old - explained
    if lifetime <= old and mute:
        return "no-freshness"
    fields = _storable(answer, received)
    return Entry(fields, b"", secondary(names, wanted), received, old, lifetime, etag, last_modified, customer, element)


def _forbidden(answer: Headers, control: Mapping[str, str | None]) -> str | None:
    """Why the answer's own fields do not let it be stored here (RFC 9111 §3; several callers share an instance's cache)."""
    for name in ("no-store", "private"):
        if name in control:
            return name
    for name in ("set-cookie", "content-disposition"):
        if name in answer:
            return name
    return None


def _is_text(content_type: str | None) -> bool:
    """JSON, XML or text; anything else may be a file's bytes (API page 4.6)."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in ("application/json", "application/xml") or kind.endswith(("+json", "+xml"))


def _storable(answer: Headers, received: float) -> tuple[Pair, ...]:
    named = {name.strip().lower() for name in (answer.get("connection") or "").split(",")}
    fields = tuple(pair for pair in answer.pairs if (name := pair[0].lower()) not in _NOT_STORED and name not in named)
    if "date" in answer:
        return fields
    # RFC 9110 §6.6.1: who stores an answer without a Date says when it came.
    return (*fields, ("Date", formatdate(received, usegmt=True)))


def renewed(entry: Entry, answer: Headers, asked: float, received: float, ttl: float) -> Entry | None:
    """``entry`` with its fields updated from a 304's (RFC 9111 §3.2, §4.3.4); None where it must not be kept: the 304 speaks of another
    representation, or says that this one is no longer to be stored."""
    said = answer.get("etag")
    if said is not None and entry.etag is not None and said.removeprefix("W/") != entry.etag.removeprefix("W/"):
        return None
    update = [pair for pair in answer.pairs if pair[0].lower() not in _NOT_RENEWED]
    # A 304 that gives no date is as old as its arrival, not as the entry.
    replaced = {name.lower() for name, _ in update} | {"date"}
    merged = Headers([*(pair for pair in entry.fields if pair[0].lower() not in replaced), *update])
    age = answer.get("age")
    if age is not None:
        merged = merged.plus(("Age", age))
    fresh = draft(merged, Headers(), asked, received, ttl, entry.customer, entry.element)
    if isinstance(fresh, str) or "set-cookie" in answer:
        return None
    return replace(fresh, body=entry.body, varies=entry.varies)


def selected(entries: tuple[Entry, ...], wanted: Headers) -> Entry | None:
    """The newest of ``entries`` whose secondary key is the request's (RFC 9111 §4.1)."""
    for entry in entries:
        if not entry.varies or entry.varies == secondary(tuple(name for name, _ in entry.varies), wanted):
            return entry
    return None


def with_variant(entries: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    """``entries`` with ``entry`` as the newest, in place of the one with its secondary key."""
    return (entry, *without_variant(entries, entry))[:MAX_VARIANTS]


def without_variant(entries: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    """``entries`` but for the one with the secondary key of ``entry``."""
    return tuple(other for other in entries if other.varies != entry.varies)


def age_field(age: float) -> Pair:
    """The ``Age`` of an answer given from the store (RFC 9111 §5.1)."""
    return "Age", str(int(min(max(age, 0.0), FOREVER_S)))
