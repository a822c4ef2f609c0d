"""A stored answer: whether one may be stored, how it ages, how a 304 or a HEAD renews it (RFC 9111 §3, §4.2, §4.3.4, §4.3.5). Times are
wall seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import NamedTuple

from gateway.cache.control import FOREVER_S, Control, control_of
from gateway.cache.freshness import explicit_lifetime, initial_age
from gateway.cache.key import secondary, varying
from gateway.cache.policy import Lifetimes
from gateway.cache.storability import HEURISTIC, HEURISTIC_ERRORS, NOT_STORED, refusal_to_store, storable_fields
from gateway.exchange import Headers, Pair

STALE_KEPT_S = 86_400.0  # how long a stale answer that has a validator waits to be asked for again
MAX_VARIANTS = 8  # of one key; callers choose the values of secondary keys, so their number is bounded
_CLOCK_JITTER_S = 1.0
# RFC 9111 §3.2: what says how the stored octets are to be read stays theirs.
_NOT_RENEWED = NOT_STORED | frozenset({"content-encoding", "content-md5", "content-range"})


class Subject(NamedTuple):
    """Whose answer it is, for purges and reports: the customer's name and the element's key."""

    customer: str
    element: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored answer.

    ``varies`` is its secondary key, ``received`` when it came, ``initial_age`` how old it was then, ``lifetime`` how old it may get;
    for ``while_revalidating`` and ``if_error`` seconds more it may be given stale (RFC 5861), 0 where it must not.
    ``etag`` and ``last_modified`` are its validators.
    """

    fields: tuple[Pair, ...]
    body: bytes
    varies: tuple[tuple[str, str | None], ...]
    received: float
    initial_age: float
    lifetime: float
    etag: str | None
    last_modified: str | None
    subject: Subject
    status: int = 200
    reason: str = ""
    while_revalidating: float = 0.0
    if_error: float = 0.0

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
        """When it is of no more use: at the end of its freshness, or some time later where it may be given stale or asked for again."""
        stale_from = self.received + max(0.0, self.lifetime - self.initial_age)
        return stale_from + max(self.while_revalidating, self.if_error, STALE_KEPT_S if self.has_validator else 0.0)


def draft(
    status: int, answer: Headers, wanted: Headers, asked: float, received: float, lifetimes: Lifetimes, subject: Subject, reason: str = ""
) -> Entry | str:
    """The entry for an answer with the fields ``answer`` to a GET with the fields ``wanted``, its body yet to come; or why there is none.

    ``lifetimes`` are the configured ones, for answers that state none (RFC 9111 §4.2.2: the heuristic). They count from when the
    answer came, less what ``Age`` says: an upstream's wrong clock must not spoil what the operator wrote.
    """
    control = control_of(answer)
    names = varying(answer)
    refused = "vary" if names is None else refusal_to_store(status, answer, control)
    if refused or names is None:
        return refused or "vary"
    stated = explicit_lifetime(answer, control, received)
    lifetime = _configured(status, answer, control, lifetimes) if stated is None else stated
    if isinstance(lifetime, str):
        return lifetime
    if control.no_cache:
        lifetime = 0.0  # to be validated each time (RFC 9111 §5.2.2.4)
    etag, last_modified = answer.get("etag"), answer.get("last-modified")
    mute = etag is None and last_modified is None
    if lifetime <= 0 and mute:
        return "no-freshness"
    old, explained = initial_age(answer, asked, received)
    if stated is None and lifetime > 0:
        lifetime += old - explained
    if lifetime <= old and mute:
        return "no-freshness"
    fields = _dated(storable_fields(answer, control), answer, received)
    stale_while, stale_on_error = _windows(control, lifetimes)
    return Entry(
        fields,
        b"",
        secondary(names, wanted),
        received,
        old,
        lifetime,
        etag,
        last_modified,
        subject,
        status,
        reason,
        stale_while,
        stale_on_error,
    )


def _configured(status: int, answer: Headers, control: Control, lifetimes: Lifetimes) -> float | str:
    """The operator's lifetime for an answer that states none; or why it has none."""
    if status in HEURISTIC_ERRORS:
        return lifetimes.negative_ttl or "status"
    if status not in HEURISTIC and not control.public:
        return "status"
    if status == 200 and not _is_text(answer.get("content-type")):
        return "content-type"
    return lifetimes.ttl if status == 200 else lifetimes.ttl or "status"


def _windows(control: Control, lifetimes: Lifetimes) -> tuple[float, float]:
    """For how long past its lifetime an answer may be given while it is being revalidated, and where that fails. The answer's own word
    goes before the configured one; what forbids stale answers forbids both."""
    if control.stale_forbidden:
        return 0.0, 0.0
    revalidating, on_error = control.stale_while_revalidate, control.stale_if_error
    return (
        lifetimes.stale_while_revalidate if revalidating is None else revalidating,
        lifetimes.stale_if_error if on_error is None else on_error,
    )


def _is_text(content_type: str | None) -> bool:
    """JSON, XML or text; anything else may be a file's bytes (API page 4.6)."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in ("application/json", "application/xml") or kind.endswith(("+json", "+xml"))


def _dated(fields: tuple[Pair, ...], answer: Headers, received: float) -> tuple[Pair, ...]:
    # RFC 9110 §6.6.1: who stores an answer without a Date says when it came.
    return fields if "date" in answer else (*fields, ("Date", formatdate(received, usegmt=True)))


def renewed(entry: Entry, answer: Headers, wanted: Headers, asked: float, received: float, lifetimes: Lifetimes) -> Entry | None:
    """``entry`` with its fields updated from those of a 304 to our conditions, or of a 200 to a HEAD, the request having the fields
    ``wanted`` (RFC 9111 §3.2, §4.3.4, §4.3.5); None where it must not be kept: ``answer`` speaks of another representation, or says that
    this one is no longer to be stored. It varies by what it says now."""
    if _another(entry, answer):
        return None
    update = [pair for lowered, pair in zip(answer.names, answer.pairs, strict=True) if lowered not in _NOT_RENEWED]
    # One that gives no date is as old as its arrival, not as the entry.
    replaced = {name.lower() for name, _ in update} | {"date"}
    merged = Headers([*(pair for pair in entry.fields if pair[0].lower() not in replaced), *update])
    age = answer.get("age")
    if age is not None:
        merged = merged.plus(("Age", age))
    fresh = draft(entry.status, merged, wanted, asked, received, lifetimes, entry.subject, entry.reason)
    if isinstance(fresh, str) or "set-cookie" in answer:
        return None
    return replace(fresh, body=entry.body)


def _another(entry: Entry, answer: Headers) -> bool:
    """Whether the validators of ``answer`` name a representation that is not the entry's (RFC 9111 §4.3.4)."""
    said = answer.get("etag")
    if said is not None and entry.etag is not None:
        return said.removeprefix("W/") != entry.etag.removeprefix("W/")
    return False


def selected(entries: tuple[Entry, ...], wanted: Headers) -> Entry | None:
    """The newest of ``entries`` whose secondary key is the request's (RFC 9111 §4.1)."""
    for entry in entries:
        if fits(entry, wanted):
            return entry
    return None


def fits(entry: Entry, wanted: Headers) -> bool:
    """Whether the entry's secondary key is that of a request with the fields ``wanted``."""
    return not entry.varies or entry.varies == secondary(tuple(name for name, _ in entry.varies), wanted)


def with_variant(entries: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    """``entries`` with ``entry`` as the newest, in place of the one with its secondary key."""
    return (entry, *without_variant(entries, entry))[:MAX_VARIANTS]


def without_variant(entries: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    """``entries`` but for the one with the secondary key of ``entry``."""
    return tuple(other for other in entries if other.varies != entry.varies)


def age_field(age: float) -> Pair:
    """The ``Age`` of an answer given from the store (RFC 9111 §5.1)."""
    return "Age", str(int(min(max(age, 0.0), FOREVER_S)))
