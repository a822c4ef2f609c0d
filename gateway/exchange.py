"""The vocabulary of the corridor: what came in, for whom it is, what goes back, and the record of the walk.

``Request``, ``Response`` and ``Target`` are values, never changed (not frozen, as that triples what making them costs); only their
bodies move. ``Exchange`` is the record of one call: rooms write
their decision and its reason into it, only telemetry reads it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container, Iterable
from copy import copy
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from gateway.callers.certificates import Certificate
    from gateway.callers.keys import CallerKey
    from gateway.secret import Secret

Pair = tuple[str, str]


class Headers:
    """The fields of one message, in the order and spelling in which they came.

    Values are latin-1 text, so that octets beyond ASCII survive unchanged (RFC 9110 §5.5). Names given to the look-ups are
    lower-case. Several lines of one name read as one value joined by ``", "`` (RFC 9110 §5.3).
    """

    __slots__ = ("_index", "_lowered", "pairs")

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self.pairs: tuple[Pair, ...] = tuple(pairs)
        self._index: dict[str, str] | None = None
        self._lowered: list[str] | None = None

    @property
    def names(self) -> list[str]:
        """The lower-case name of each line, in order."""
        lowered = self._lowered
        if lowered is None:
            lowered = self._lowered = [name.lower() for name, _ in self.pairs]
        return lowered

    @property
    def index(self) -> dict[str, str]:
        """The combined value by lower-case name."""
        index = self._index
        if index is None:
            index = self._index = {}
            for name, (_, value) in zip(self.names, self.pairs, strict=True):
                index[name] = f"{index[name]}, {value}" if name in index else value
        return index

    def get(self, name: str, default: str | None = None) -> str | None:
        """The combined value of the lines called ``name`` (lower-case), or ``default``."""
        # Asked for some forty times a call: the look at the index is written out.
        index = self._index
        return (self.index if index is None else index).get(name, default)

    def getall(self, name: str) -> tuple[str, ...]:
        """The value of each line called ``name`` (lower-case), in order."""
        if name not in self.index:
            return ()
        return tuple(value for key, (_, value) in zip(self.names, self.pairs, strict=True) if key == name)

    def __contains__(self, name: object) -> bool:
        index = self._index
        return name in (self.index if index is None else index)

    def without(self, names: Container[str]) -> Headers:
        """These fields but for those whose lower-case name is in ``names``."""
        return Headers([pair for name, pair in zip(self.names, self.pairs, strict=True) if name not in names])

    def plus(self, *pairs: Pair) -> Headers:
        """These fields and then ``pairs``."""
        return Headers(self.pairs + pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.pairs == other.pairs

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Names only: values may be secret."""
        return f"<Headers {', '.join(name for name, _ in self.pairs)}>"


class Stream(Protocol):
    """A body that is still arriving. Iterate once; an early end raises a ``GatewayError``, never looks complete."""

    @property
    def length(self) -> int | None:
        """Octets as the message's Content-Length states them; None where it is delimited otherwise."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None:
        """Stop reading and free what is held; harmless after the end."""


Interim = Callable[[int, Headers], None]

Body = bytes | Stream
"""A body that is wholly here, or one that streams. ``b""`` is no body."""


@dataclass(slots=True)
class Request:
    """One call as the gateway received it, its address prefix taken off.

    ``target`` is what stood behind ``/elements/api-v2``: path and query, byte for byte (``/hubs/crm/contacts?pageSize=5``).
    ``prefix`` holds (environment, customer, element) where the path named them (contract 2.2), ``certificate`` is the one that the
    caller's connection showed. ``interim`` takes interim answers (status and fields), where the caller can be told of them.
    """

    method: str
    target: str = field(repr=False)
    headers: Headers
    body: Body = field(default=b"", repr=False)
    prefix: tuple[str | None, str | None, str | None] = field(default=(None, None, None), repr=False)
    certificate: Certificate | None = field(default=None, repr=False)
    interim: Interim | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        """The path, raw, without the query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query, raw, without its question mark."""
        return self.target.partition("?")[2]


@dataclass(slots=True)
class Response:
    """An answer on its way down. ``headers`` are end-to-end ones only, without framing (Content-Length, Transfer-Encoding)
    where ``body`` is ``bytes``; a ``Stream`` states its own length."""

    status: int
    headers: Headers
    body: Body = field(default=b"", repr=False)
    reason: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SecretPair:
    """What every call to an environment carries: a user's secret and the organization's."""

    user: Secret
    organization: Secret


@dataclass(frozen=True, slots=True)
class Environment:
    """One Cloud Elements account that we call: ``base_url`` without a trailing slash, and its two secrets."""

    name: str
    base_url: str
    user_secret: Secret
    organization_secret: Secret
    next: SecretPair | None = None
    """What takes over from these two once Cloud Elements takes it."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A mapping: this customer's instance of this element in this environment, and its token."""

    handle: str
    environment: str
    customer: str
    element: str
    token: Secret
    instance_id: int | None = None
    hub: str | None = None
    name: str | None = None
    group: str | None = None
    disabled: bool = False
    changed_at: float = 0.0
    """When the mapping was last changed: what was cached before is not its answer any more."""
    needs_authorization: bool = False
    """Cloud Elements refuses its token."""


@dataclass(slots=True)
class Target:
    """Where a call goes: an environment, and the instance for an element call (None: a platform call).

    ``resource`` is the raw path without ``/hubs/{hub}``: two spellings of one resource share it (API page 4.1).
    """

    environment: Environment
    instance: Instance | None
    resource: str
    caller: CallerKey | None = field(default=None, repr=False)
    """On whose behalf; None: the gateway's own."""

    @property
    def element(self) -> str:
        """The element key as metrics and limits name it; ``platform`` where no instance is meant."""
        return self.instance.element if self.instance else "platform"


CacheResult = Literal["hit", "stale", "revalidated", "miss", "bypass"]


class Exchange:
    """The record of one call. Times are seconds on the monotonic clock, durations seconds. It never holds a secret.

    ``path`` is the raw path without its query: query strings carry secrets (API page 7.1). What a call has not reached keeps the
    default of the class, so that beginning a record costs little: one is made for every call.
    """

    environment: str = ""
    customer: str = ""
    element: str = ""
    handle: str = ""
    caller: str = ""
    """The key's id."""
    batch: bool = False
    """The key is for work that may come second."""
    resource: str = ""
    """The path's shape."""
    cache: CacheResult = "bypass"
    cache_status: str = ""
    """The Cache-Status member, RFC 9211."""
    rate_limit: tuple[Pair, ...] = ()
    """RateLimit-Policy and RateLimit."""
    limited: str = ""
    """rejected | queued | shadow"""
    preference: str = ""
    """What was made of ``Prefer: wait`` (RFC 7240 §3)."""
    limit_signal: bool = False
    """Its answer is the provider's refusal because the provider's own limit is spent."""
    limit_signals: int = 0
    """How many of its attempts were refused so."""
    status: int = 0
    problem: str = ""
    """The slug of the error that we made."""
    outcome: str = "ok"
    phase: str = "identify"
    upstream_status: int = 0
    upstream_calls: int = 0
    """Attempts that left."""
    upstream_failures: int = 0
    """Of these, without an answer."""
    repeated: tuple[tuple[int, float], ...] = ()
    """Answers that were not passed on because the call was made again: (status, seconds) each."""
    upstream_seconds: float = 0.0
    """Until the head of the answer."""
    queue_seconds: float = 0.0
    deadline: float = inf
    """When its caller wants it to be over, on the monotonic clock."""
    answering: float = 0.0
    """When its answer began to be written, on the monotonic clock; 0: that never happened."""
    total_seconds: float = 0.0
    starts_trace: bool = False
    """The call is traced and no caller's trace goes on with it: a ``tracestate`` that came belongs to none."""
    bytes_up: int = 0
    bytes_down: int = 0
    elements_request_id: str = ""
    provider_message: str = ""
    """What the provider said of an error, masked."""
    background: bool = False
    """Nobody waits for this call: a stale answer was given, and is asked for again."""

    def __init__(self, request_id: str, method: str, path: str, started: float, time: float = 0.0, traceparent: str = "") -> None:
        """``started`` is on the monotonic clock; ``time`` is when that was by the wall clock, for people."""
        self.request_id = request_id
        self.method = method
        self.path = path
        self.started = started
        self.time = time
        self.traceparent = traceparent
        self.decisions: list[tuple[str, str, str]] = []

    def note(self, room: str, decision: str, reason: str = "") -> None:
        """Remember what a room decided and why."""
        self.decisions.append((room, decision, reason))

    def twin(self) -> Exchange:
        """A record that begins as this one and goes its own way: of a call that may outlast its caller."""
        other = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, list):
                setattr(other, name, list(value))
        return other

    def become(self, other: Exchange) -> None:
        """Be what ``other``, a twin, has become."""
        vars(self).update(vars(other))
