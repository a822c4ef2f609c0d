"""What the admin API shows of a running gateway and steers in it: budgets, calls, the cache, its health (contract 1 and 4)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from gateway.exchange import CacheResult
from gateway.models import Model
from gateway.settings import FIELD_NAME

_STATUSES = r"^[1-5](\d\d|[xX]{2})(,[1-5](\d\d|[xX]{2}))*$"


def _is_none(value: object) -> bool:
    return value is None


class Nothing(Model):
    """A query that holds nothing."""


class Purge(Model):
    """Which entries of the cache to drop; what is absent means all."""

    environment: str | None = None
    customer: str | None = None
    element: str | None = None
    path: str | None = Field(
        default=None, pattern=r"^/[^?#*]*$", description="This path, with or without its hub, and everything below; no query, no glob"
    )


class Purged(Model):
    """How many entries were dropped."""

    purged: int


class CacheReport(Model):
    """What the cache holds."""

    entries: int = Field(description="Keys; the variants of one count once")
    bytes: int = Field(description="Octets, by estimate, with what is around them")
    max_bytes: int
    max_object_bytes: int = Field(description="Largest answer that is kept")
    saved: dict[str, int] = Field(description="By environment/element, calls since the start that were answered without asking upstream")


class Question(Model):
    """A call that is not made, only explained."""

    method: str = Field(default="GET", pattern=r"^[A-Z][A-Z-]{0,31}$")
    path: str = Field(pattern=r"^/", max_length=8192, description="Behind `/elements/api-v2`, with its query")
    environment: str | None = Field(default=None, description="As `Gateway-Environment`")
    customer: str | None = Field(default=None, description="As `Gateway-Customer`")
    element: str | None = Field(default=None, description="As `Gateway-Element`")
    instance: str | None = Field(default=None, description="As `Gateway-Instance`")
    headers: dict[Annotated[str, Field(pattern=FIELD_NAME)], Annotated[str, Field(pattern=r"^[ -~]*$", max_length=4096)]] = Field(
        default={}, max_length=50, description="Further fields of the call"
    )
    key: str | None = Field(default=None, description="The id of the caller key; absent: of one that may do everything")


class Explained(Model):
    """What would happen to a call: for whom it would be, what the cache would do, whether the budget lets it leave, what would be sent."""

    call: dict[str, Any]
    cache: dict[str, Any]
    limits: dict[str, Any] | None = Field(description="Null where the cache would answer")
    upstream: dict[str, Any] | None = Field(description="Null where nothing would leave; its secrets are masked")


class BudgetQuery(Model):
    """Which budgets to show."""

    limit: int = Field(default=1000, ge=1, le=1000, description="How many at most")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before")


class Learned(Model):
    """What a provider taught by refusing calls because its own limit was spent."""

    state: Literal["closed", "reopening"] = Field(description="`closed`: nothing goes; `reopening`: more and more does")
    seconds: float = Field(description="How long it stays closed")
    pace: float = Field(description="Calls a second at which it opens, or goes now")
    refusals: int = Field(description="How many calls were refused")
    source: str = Field(description="What in the last such answer was read")


class Budget(Model):
    """One quota of one live budget. ``resets`` is in seconds, until ``remaining`` grows."""

    model_config = ConfigDict(extra="allow")

    environment: str | None = Field(description="null for the quota of a caller key")
    element: str | None = Field(description="null for the quota of a caller key")
    scope: str = Field(description="What shares the budget: instance, customer, element, group or caller")
    key: str | None = Field(
        description="The handle, customer, group or id of the caller key; null where all instances of the element share it"
    )
    quota: str = Field(description="As the configuration says it; `concurrency` for calls under way, `learned` where nothing else is known")
    limit: int = Field(description="How many calls it allows at once")
    used: int
    remaining: int
    resets: float = Field(description="Seconds until `remaining` grows")
    waiting: int = Field(description="Calls that queue for this budget")
    learned: Learned | None = Field(description="What answers of the provider said of this budget; null: nothing")

    @property
    def position(self) -> tuple[float, str, str, str, str, str]:
        """Where it stands in the list: the scarcest first."""
        return self.remaining / self.limit, self.environment or "", self.element or "", self.scope, self.key or "", self.quota


class BudgetPage(Model):
    """Some budgets, the scarcest first. They move while one reads: what is spent between two pages may show twice or not at all."""

    items: list[Budget]
    next_cursor: str | None


class ExchangeFilter(Model):
    """Which calls are meant: those to which all applies that is given."""

    customer: str | None = Field(default=None, description="Only of this customer")
    element: str | None = Field(default=None, description="Only of this element")
    environment: str | None = Field(default=None, description="Only of this environment")
    caller: str | None = Field(default=None, description="Only of the caller key with this id")
    status: str | None = Field(default=None, pattern=_STATUSES, description="Only with these statuses, such as `429` or `404,5xx`")
    cache: CacheResult | None = Field(default=None, description="Only those that the cache treated so")
    min_ms: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="Only those that took so many milliseconds")
    path: str | None = Field(
        default=None,
        pattern=r"^[/*]",
        max_length=1024,
        description="Only where this glob fits the path behind `/elements/api-v2`, with or without its hub; `**` crosses slashes",
    )


class ExchangeQuery(ExchangeFilter):
    """Which calls to show."""

    limit: int = Field(default=100, ge=1, le=1000, description="How many at most")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before")


class ExchangeFollow(ExchangeFilter):
    """From where to follow calls, and how long to wait for the next one."""

    cursor: str | None = Field(default=None, description="`next_cursor` of the answer before; absent: from now on")
    last: int = Field(default=0, ge=0, le=1000, description="Without a cursor: how many of the calls before now come first")
    wait: float = Field(default=0, ge=0, le=30, allow_inf_nan=False, description="How many seconds to wait while there is no call")
    limit: int = Field(default=100, ge=1, le=1000, description="How many at most")


class ExchangeFind(Model):
    """How many of the calls that carry an id to show."""

    limit: int = Field(default=100, ge=1, le=1000, description="How many at most")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before")


class Decision(Model):
    """What a step of the way decided, and why."""

    room: str
    decision: str
    reason: str


class ExchangeRecord(Model):
    """One call with every decision. Durations are in milliseconds; what is unknown is left out."""

    model_config = ConfigDict(extra="allow")

    time: str = Field(description="When it came, ISO 8601 in UTC")
    request_id: str
    trace_id: str | None = Field(default=None, exclude_if=_is_none, description="Of its `traceparent`")
    method: str | None = Field(default=None, exclude_if=_is_none, description="Absent where what came was no HTTP")
    path: str | None = Field(default=None, exclude_if=_is_none, description="Without its query, which may hold secrets")
    status: int
    problem: str | None = Field(default=None, exclude_if=_is_none, description="The slug of the problem that the gateway answered")
    outcome: str | None = Field(default=None, exclude_if=_is_none)
    phase: str | None = Field(default=None, exclude_if=_is_none, description="How far it came")
    caller: str | None = Field(default=None, exclude_if=_is_none, description="The id of the caller key")
    environment: str | None = Field(default=None, exclude_if=_is_none)
    customer: str | None = Field(default=None, exclude_if=_is_none)
    element: str | None = Field(default=None, exclude_if=_is_none)
    instance: str | None = Field(default=None, exclude_if=_is_none, description="The handle")
    resource: str | None = Field(default=None, exclude_if=_is_none, description="The shape of the path")
    cache: str | None = Field(default=None, exclude_if=_is_none)
    limited: str | None = Field(default=None, exclude_if=_is_none)
    upstream_status: int | None = Field(default=None, exclude_if=_is_none)
    upstream_calls: int | None = Field(default=None, exclude_if=_is_none)
    elements_request_id: str | None = Field(default=None, exclude_if=_is_none, description="What Cloud Elements calls it")
    provider_message: str | None = Field(
        default=None, exclude_if=_is_none, description="What the provider said of an error: secrets masked, 1,000 characters at most"
    )
    ms: float = Field(description="In all")
    own_ms: float | None = Field(default=None, exclude_if=_is_none, description="Of these, in the gateway, until the answer began")
    queue_ms: float | None = Field(default=None, exclude_if=_is_none, description="Of these, waiting for the element's budget")
    upstream_ms: float | None = Field(default=None, exclude_if=_is_none, description="Of these, until the head of the upstream's answer")
    bytes_up: int | None = Field(default=None, exclude_if=_is_none)
    bytes_down: int | None = Field(default=None, exclude_if=_is_none)
    background: bool | None = Field(default=None, exclude_if=_is_none, description="Nobody waited for it: a stale answer was renewed")
    decisions: list[Decision]


class ExchangePage(Model):
    """Some of the last calls, the newest first; ``next_cursor`` is null behind the oldest that is remembered."""

    items: list[ExchangeRecord]
    next_cursor: str | None


class ExchangeNews(Model):
    """What ended since the answer before, the oldest first. ``next_cursor`` is where to go on from, and never null."""

    items: list[ExchangeRecord]
    next_cursor: str
    missed: int = Field(description="So many calls, wanted or not, ended since then and are forgotten already")
    restarted: bool = Field(description="The gateway has started anew since then: what ended before that is forgotten")


class FoundExchange(ExchangeRecord):
    """One call with all that those need to know who are asked about it."""

    gateway: str = Field(description="The version of the gateway that served it")
    customer_alias: str | None = Field(
        default=None, exclude_if=_is_none, description="Stands for the customer where the name may not be told; always the same"
    )
    instance_id: int | None = Field(default=None, exclude_if=_is_none, description="The instance's number at Cloud Elements")


class FoundPage(Model):
    """The calls that carry an id, the newest first; ``next_cursor`` is null behind the oldest that is remembered."""

    items: list[FoundExchange]
    next_cursor: str | None


class Liveness(Model):
    """The process turns."""

    status: Literal["ok"]


class Readiness(Model):
    """Whether calls may be sent here."""

    status: Literal["ready", "degraded", "starting", "draining"]
    reasons: list[str] | None = Field(default=None, exclude_if=_is_none, description="Why it is degraded")


class FieldError(Model):
    """What is wrong with one field of a body or a query (``path``), or with one line of an import (``line``)."""

    path: str | None = None
    line: int | None = None
    error: str


class ProblemDocument(Model):
    """An error made by the gateway (RFC 9457), which a Cloud Elements client can read too."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(pattern=r"^urn:gateway:problem:[a-z-]+$")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    source: Literal["caller", "gateway", "upstream"]
    requestId: str  # noqa: N815 - as Cloud Elements spells it
    message: str
    retryAfter: int | None = Field(default=None, ge=1, description="Seconds")  # noqa: N815
    errors: list[FieldError] | None = None
