"""What may stand in ``gateway.toml``: its sections, their defaults and descriptions, and the forms that values have (contract 3).

The descriptions are the documentation (``tools/docs.py``).
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from gateway.callers.certificates import name_of
from gateway.limits.quota import parse_quota
from gateway.origins import parse_origin

_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_UNITS_B = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
FIELD_NAME = r"^[A-Za-z0-9-]{1,64}$"


class Unquoted(str):
    """A value from the environment, where a number cannot be told from a text: the field decides which it is."""


def parse_duration(value: object) -> float:
    """Seconds from ``"60s"``, ``"500ms"``, ``"10m"``, ``"1h"``, ``"90d"`` or a number of seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 and isfinite(value):
        return float(value)
    if isinstance(value, Unquoted) and re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)", value.strip()) if isinstance(value, str) else None
    if not match:
        raise ValueError('a duration such as "500ms", "60s", "10m", "1h" or "90d"')
    return float(match[1]) * _UNITS_S[match[2]]


def parse_size(value: object) -> int:
    """Octets from ``"256MiB"``, ``"64KiB"``, ``"1GB"`` or a number."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = re.fullmatch(r"(\d+)\s*([KMG]i?B|B|)", value.strip()) if isinstance(value, str) else None
    if not match:
        raise ValueError('a size such as "64KiB", "256MiB" or a number of octets')
    return int(match[1]) * _UNITS_B[match[2]]


def parse_address(value: object) -> tuple[str, int]:
    """(host, port) from ``"127.0.0.1:8080"`` or ``"[::1]:8080"``; port 0 lets the system choose."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]\s]+)):(\d{1,5})", value) if isinstance(value, str) else None
    if not match or int(match[3]) > 65535:
        raise ValueError('an address such as "127.0.0.1:8080" or "[::1]:8080"')
    return match[1] or match[2], int(match[3])


def _base_url(value: object) -> str:
    problem = 'a URL such as "https://api.cloud-elements.com/elements/api-v2", no user, query or fragment'
    match = _BASE_URL.fullmatch(value) if isinstance(value, str) else None
    if not match or not isinstance(value, str) or int(match["port"] or 1) not in range(1, 65536) or ".." in match["host"]:
        raise ValueError(problem)
    if match["host"].startswith("["):
        try:
            IPv6Address(match["host"][1:-1])
        except ValueError:
            raise ValueError(problem) from None
    return value.rstrip("/")


_BASE_URL = re.compile(
    r"https?://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::(?P<port>\d{1,5}))?(?:/[!\"$-+\--/0-9:;<=>A-Z\[-~]*)?"
)


def _collector(value: object) -> str:
    problem = 'a URL such as "http://127.0.0.1:4318", no user, query or fragment, and without /v1/traces, which is added'
    try:
        url = _base_url(value)
    except ValueError:
        raise ValueError(problem) from None
    if url.endswith("/v1/traces"):
        raise ValueError(problem)
    return url


def _certificate_name(value: object) -> str:
    text = value if isinstance(value, str) else ""
    name_of(text)
    return text


def _key_id(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9]{12}", value):
        raise ValueError("the id of a key, twelve small letters and digits (`gateway keys list` shows it)")
    return value


def _quota(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError('a limit such as "100/10s", "250000/day" or "10/s burst 20"')
    parse_quota(value)
    return value


Duration = Annotated[float, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Address = Annotated[tuple[str, int], BeforeValidator(parse_address)]
BaseUrl = Annotated[str, BeforeValidator(_base_url)]
Collector = Annotated[str, BeforeValidator(_collector)]
QuotaText = Annotated[str, BeforeValidator(_quota)]
Origin = Annotated[str, BeforeValidator(parse_origin)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(_Section):
    """TLS on this listener, from PEM files, relative to the configuration file; read again when they change."""

    certificate: str = Field(description="File with the certificate and then its intermediates")
    key: str = Field(description="File with its private key, without a passphrase")
    client_ca: str | None = Field(default=None, description="File with the authorities of client certificates; absent: none are asked for")


class Listen(_Section):
    """Where the gateway listens, and what it puts up with there. Defaults that a public listener could live with."""

    data: Address = Field(default=("127.0.0.1", 8080), description="Where services call")
    admin: Address = Field(default=("127.0.0.1", 8081), description="Where operators and Prometheus call")
    data_tls: Tls | None = Field(default=None, description="The data listener speaks HTTPS")
    admin_tls: Tls | None = Field(default=None, description="The admin listener speaks HTTPS")
    header_timeout: Duration = Field(default=10.0, gt=0, description="How long a TLS handshake, then a request head may take to arrive")
    body_timeout: Duration = Field(default=30.0, gt=0, description="How long a request body may pause")
    keep_alive_timeout: Duration = Field(default=75.0, gt=0, description="How long a connection may be idle between calls")
    write_timeout: Duration = Field(default=30.0, gt=0, description="How long a caller may take nothing of an answer")
    drain_timeout: Duration = Field(default=30.0, ge=0, description="How long open calls may take to finish after SIGTERM")
    max_connections: int = Field(default=10_000, gt=0, description="Open connections a listener; more are answered 503")
    max_line_bytes: Size = Field(default=8192, gt=0, description="Longest request line or header field")
    max_head_bytes: Size = Field(default=65536, gt=0, description="Largest request head")
    max_fields: int = Field(default=100, gt=0, description="Most header fields in a request")
    max_body_bytes: Size = Field(default=6 * 1024**3, gt=0, description="Largest request body (Cloud Elements takes 6 GB)")
    overload_lag: Duration = Field(
        default=0.1,
        ge=0,
        description="How late the gateway's own work may be for a while before it answers some calls 503 at once; `0s`: any",
    )
    fast_path: bool = Field(
        default=True,
        description="Calls whose head is known are served without being parsed where that makes no difference but in speed",
    )


class Database(_Section):
    """Where mappings and keys are kept."""

    url: str = Field(default="sqlite:///gateway.db", description="`sqlite:///FILE`, relative to the configuration file")

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        if not re.fullmatch(r"sqlite:///.+", value):
            raise ValueError('"sqlite:///FILE" (this version keeps its rows in SQLite)')
        return value


class Vault(_Section):
    """Where the master keys are."""

    keys: str = Field(default="file:master.keys", description="`file:PATH` or `env:NAME`: a line a key, `id:base64 of 32 bytes`")

    @field_validator("keys")
    @classmethod
    def _known(cls, value: str) -> str:
        if not re.fullmatch(r"(file|env):.+", value):
            raise ValueError('"file:PATH" or "env:NAME"')
        return value


class Shared(_Section):
    """Stores that replicas share: none in this version, limits and cache live in the process."""


class EnvironmentConfig(_Section):
    """One Cloud Elements account."""

    base_url: BaseUrl = Field(description="Up to and with `/elements/api-v2`")
    user_secret: str = Field(repr=False, description="`env:NAME` or `file:PATH`")
    organization_secret: str = Field(repr=False, description="`env:NAME` or `file:PATH`")
    user_secret_next: str | None = Field(default=None, repr=False, description="What takes over once Cloud Elements takes it; as above")
    organization_secret_next: str | None = Field(default=None, repr=False, description="The same; where only one is given, the other stays")
    allow_plain_secrets: bool = Field(default=False, description="Let the two secrets stand here literally")


class CacheRule(_Section):
    """What holds for the paths that match; first match wins. Rules that you give take the place of all that the preset has."""

    path: str = Field(pattern=r"^/", description="Glob on the path without `/elements/api-v2` and `/hubs/{hub}`; `**` crosses slashes")
    enabled: bool | None = None
    ttl: Duration | None = None
    stale_while_revalidate: Duration | None = None
    stale_if_error: Duration | None = None
    negative_ttl: Duration | None = None


class ElementCache(_Section):
    """How long answers of an element stay fresh where they do not say so themselves."""

    enabled: bool = Field(default=True, description="Whether GETs are cached at all")
    ttl: Duration = Field(default=0.0, description="Freshness where the answer states none; `0s`: only what the answer itself allows")
    stale_while_revalidate: Duration = Field(default=0.0, description="How long after that an answer is given while it is asked for anew")
    stale_if_error: Duration = Field(default=0.0, description="How long after that an answer is given where the upstream fails")
    negative_ttl: Duration = Field(default=0.0, description="As `ttl`, for 404, 405, 410, 414 and 501; `0s`: these are not kept")
    rules: tuple[CacheRule, ...] = Field(default=(), description="By path, first match wins")


class LimitSignal(_Section):
    """A form in which an element says that the provider's limit is spent."""

    status: int = Field(ge=100, le=599, description="Status of the answer")
    contains: str | None = Field(default=None, min_length=1, description="What its body contains, case and white space aside; without: any")
    until: Literal["day"] | None = Field(default=None, description="`day`: the day's quota is spent, nothing goes before midnight")


class Cost(_Section):
    """What calls cost that are dearer than others."""

    path: str = Field(pattern=r"^/", description="Glob on the path without `/elements/api-v2` and `/hubs/{hub}`; `**` crosses slashes")
    methods: tuple[Annotated[str, Field(pattern=r"^[A-Z]{3,7}$")], ...] = Field(default=(), description="Of which methods; none: of all")
    cost: int = Field(gt=0, description="How many calls of the budget one such call takes")


class BreakerConfig(_Section):
    """When calls of an element are held back because too many of them fail, and how they are let go again."""

    enabled: bool = Field(default=True, description="Whether calls are ever held back")
    error_ratio: float = Field(
        default=0.5, gt=0, le=1, description="Share of failed calls that opens it: no answer, or 5xx but 501 and 505"
    )
    minimum_calls: int = Field(default=20, gt=0, description="Fewer calls in the window say nothing")
    window: Duration = Field(default=30.0, gt=0, description="Over which time calls are looked at")
    slow: Duration = Field(default=30.0, gt=0, description="How long a slow call takes until the head of its answer")
    slow_ratio: float = Field(default=0.9, gt=0, le=1, description="Share of slow calls that opens it")
    open: Duration = Field(default=10.0, gt=0, description="How long it stays open at first; doubled after each probe that fails")
    max_open: Duration = Field(default=300.0, gt=0, description="And at most")
    probes: int = Field(default=3, gt=0, description="Calls that go first then; all must succeed")
    ramp: Duration = Field(default=10.0, ge=0, description="Over which time a growing share of the calls goes, after the probes")


class ElementConfig(_Section):
    """Limits and cache of one element: its shipped preset, overridden by what the configuration says."""

    limits: tuple[QuotaText, ...] = Field(default=(), description='`"N/period"` or `"N/period burst B"`; all hold at once')
    concurrency: int | None = Field(default=None, gt=0, description="How many calls of one budget may be under way at once")
    scope: Literal["instance", "customer", "element", "group"] = Field(default="instance", description="What shares one budget")
    wait: Duration = Field(default=0.0, description="How long a call may queue for its budget whose caller does not say (`Prefer: wait`)")
    shadow: bool = Field(default=False, description="Count what the budget would refuse, and let it pass")
    costs: tuple[Cost, ...] = Field(default=(), description="Calls that cost more than one; first match wins")
    timezone: str = Field(default="UTC", description="Whose midnight ends a `day` or `month`")
    hubs: tuple[Annotated[str, Field(pattern=NAME)], ...] = Field(
        default=(), description="Where the element belongs in `/hubs/{hub}/…`, for mappings that do not say it themselves"
    )
    limit_signals: tuple[LimitSignal, ...] = Field(
        default=(LimitSignal(status=429),), description="In which forms it says that the provider's limit is spent"
    )
    bulkhead: int = Field(
        default=256, gt=0, description="Calls under way at once in an environment; beyond, 503 `overloaded`, batch work first"
    )
    adaptive: bool = Field(default=False, description="Let the bulkhead shrink while the element's latency grows")
    retries: int = Field(default=1, ge=0, le=5, description="How often a call is made again that failed, where that is safe")
    connect_timeout: Duration | None = Field(default=None, gt=0, description="As in `[upstream]`, for this element")
    response_timeout: Duration | None = Field(default=None, gt=0, description="As in `[upstream]`, for this element")
    body_timeout: Duration | None = Field(default=None, gt=0, description="As in `[upstream]`, for this element")
    call_timeout: Duration | None = Field(default=None, ge=0, description="As in `[upstream]`, for this element")
    breaker: BreakerConfig = BreakerConfig()
    cache: ElementCache = ElementCache()

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError('a time zone such as "UTC" or "America/Chicago"') from error
        return value

    @model_validator(mode="after")
    def _payable(self) -> ElementConfig:
        least = min((parse_quota(text).most for text in self.limits), default=None)
        dear = next((one for one in self.costs if least is not None and one.cost > least), None)
        if dear is not None:
            raise ValueError(f"costs that its limits ever let pass, at most {least}, not {dear.cost} for {dear.path}")
        return self


class CacheConfig(_Section):
    """How much memory the cache may take."""

    max_bytes: Size = Field(default=256 * 1024**2, description="In all")
    max_object_bytes: Size = Field(default=1024**2, description="Largest answer that is kept")


class Cors(_Section):
    """Pages of other origins, on both listeners."""

    allowed_origins: tuple[Origin, ...] = Field(
        default=(), description="Whose pages may call, each as `https://app.example.com`; empty: none, and CORS is off"
    )


class Upstream(_Section):
    """How the gateway behaves towards Cloud Elements."""

    connect_timeout: Duration = Field(default=5.0, gt=0, description="Name, TCP and TLS together")
    response_timeout: Duration = Field(default=120.0, gt=0, description="Until the head of the answer")
    body_timeout: Duration = Field(default=60.0, gt=0, description="How long an answer may pause")
    call_timeout: Duration = Field(default=0.0, ge=0, description="For the whole of a call that leaves, its answer and all; `0s`: no end")
    retry_ratio: float = Field(default=0.2, ge=0, le=1, description="Share of an element's calls that may be made again, in all")
    keep_alive: Duration = Field(default=20.0, ge=0, description="How long an idle connection is kept for the next call")
    max_connections: int = Field(default=512, gt=0, description="Open connections an environment")
    ca_file: str | None = Field(default=None, description="PEM file of authorities trusted instead of the system's")
    client: Literal["lean", "aiohttp"] = Field(
        default="lean", description="Which HTTP client calls: our own, or aiohttp's session, slower; the other is not loaded"
    )


class Tracing(_Section):
    """Spans of calls, sent to an OpenTelemetry collector over OTLP/HTTP. Needs the extra `tracing`."""

    enabled: bool = Field(default=False, description="Whether calls are traced")
    endpoint: Collector = Field(default="http://127.0.0.1:4318", description="Of the collector; `/v1/traces` is added")
    headers: dict[Annotated[str, Field(pattern=FIELD_NAME)], str] = Field(
        default_factory=dict, repr=False, description="Sent to the collector, each value as `env:NAME` or `file:PATH`"
    )
    sample_ratio: float = Field(
        default=1.0, ge=0, le=1, description="Share of the calls that are traced, of those that bring no trace with them"
    )
    service_name: str = Field(default="gateway", min_length=1, max_length=255, description="As which service the gateway appears")


class QueueConfig(_Section):
    """Calls that wait for a budget. Where all places are taken, the caller with most of them gives one up."""

    max_wait: Duration = Field(default=300.0, ge=0, description="The longest that a call may ask for")
    max_calls: int = Field(default=10_000, gt=0, description="Waiting at once")
    max_bytes: Size = Field(default=256 * 1024**2, gt=0, description="Of request bodies, held by those that wait")
    batch_percent: int = Field(default=10, ge=0, le=90, description="Of a budget, for batch work while interactive work waits, too")


class IdempotencyConfig(_Section):
    """First answers, kept for calls with an `Idempotency-Key`."""

    keep: Duration = Field(default=86400.0, gt=0, description="How long")
    max_bytes: Size = Field(default=64 * 1024**2, gt=0, description="In all; the oldest go")
    max_object_bytes: Size = Field(default=1024**2, gt=0, description="Largest answer that is kept; of a larger one only that it was given")


class CallersConfig(_Section):
    """Callers that are known by something else than a key of their own, and what one may take."""

    bulkhead: int = Field(default=256, gt=0, description="Calls of one key under way at once; beyond, 503 `overloaded`")
    certificates: dict[Annotated[str, BeforeValidator(_certificate_name)], Annotated[str, BeforeValidator(_key_id)]] = Field(
        default_factory=dict,
        description="By a name in a client certificate (DNS, URI or email, compared exactly), the id of the key that it stands for",
    )


class Config(_Section):
    """The whole of ``gateway.toml``."""

    default_environment: str | None = Field(default=None, description="Where a call goes that names no environment")
    allow_plain_secrets: bool = Field(default=False, description="Let secrets stand here literally (not for production)")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Of the log on standard error")
    access_log: bool = Field(default=True, description="One JSON line a call on standard output")
    inspectable: bool = Field(
        default=False, description="Let debuggers and profilers of the same user look into the process, secrets and all"
    )
    listen: Listen = Listen()
    database: Database = Database()
    vault: Vault = Vault()
    shared: Shared = Shared()
    callers: CallersConfig = CallersConfig()
    environments: dict[Annotated[str, Field(pattern=NAME)], EnvironmentConfig] = Field(default_factory=dict)
    elements: dict[Annotated[str, Field(pattern=NAME)], ElementConfig] = Field(default_factory=dict)
    cache: CacheConfig = CacheConfig()
    cors: Cors = Cors()
    upstream: Upstream = Upstream()
    queue: QueueConfig = QueueConfig()
    idempotency: IdempotencyConfig = IdempotencyConfig()
    tracing: Tracing = Tracing()
    folder: Path = Field(default=Path(), exclude=True, repr=False, init=False)

    def element(self, key: str) -> ElementConfig:
        """What holds for the element ``key``; no limits and no cache lifetimes where neither preset nor configuration knows it."""
        return self.elements.get(key) or ElementConfig()

    def database_path(self) -> Path:
        """The SQLite file."""
        return self.folder / self.database.url.removeprefix("sqlite:///")
