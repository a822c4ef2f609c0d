"""What may be stored at all: the operator's rules by element and path, and what is never stored whatever they say (API page 4.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from gateway.cache.invalidation import segments
from gateway.exchange import Request
from gateway.globs import compiled
from gateway.paths import families

# Live figures, secrets, jobs: first segments of the canonical path (API page 4.7, 3.6, 5).
_NEVER = frozenset({"ping", "bulk", "usage", "metrics", "events", "storage", "instances", "users", "organizations", "authentication"})
# With an Element token these are the vendor's own resources (API page 0.2 #3); without one they carry secrets.
_NEVER_PLATFORM = frozenset({"customers"})
# Such a request asks for a part, for work to be done, or for a decision that only the origin can make (API page 2.5, RFC 9111 §4.3.2).
_BYPASSING = (
    "if-match",
    "if-unmodified-since",
    "elements-async-request",
    "elements-async-callback-url",
    "elements-schedule-request",
    "elements-formula-instance-id",
    "elements-formula-step",
    "elements-session",
)


_BYPASSING_SET = frozenset(_BYPASSING)


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for the paths that match ``path``: a glob on the raw path without hub.

    ``*`` stays in a segment, ``**`` crosses slashes; ``/**`` at the end also matches the path above it (``/objects/**``:
    ``/objects`` and all below). Durations are in seconds; None: this rule does not say.
    """

    path: str
    enabled: bool | None = None
    ttl: float | None = None
    stale_while_revalidate: float | None = None
    stale_if_error: float | None = None
    negative_ttl: float | None = None
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", compiled(self.path))

    def matches(self, path: str) -> bool:
        return self._pattern.match(path) is not None


class Lifetimes(NamedTuple):
    """The operator's word on answers that state nothing themselves, in seconds; 0: not at all.

    ``ttl``: how long fresh. ``stale_while_revalidate`` and ``stale_if_error``: how long after that given stale, while it is being asked
    for anew, or where that fails (RFC 5861). ``negative_ttl``: how long fresh where the answer is a 404, 405, 410, 414 or 501.
    """

    ttl: float = 0.0
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    negative_ttl: float = 0.0


_SILENT = Lifetimes()


class Decision(NamedTuple):
    """What holds for a path: whether its answers are cached, how long, and by which rule (its glob; None: by no rule)."""

    enabled: bool
    lifetimes: Lifetimes
    rule: str | None


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """An element's cache: whether, for how long, and the rules that say otherwise for some paths. ``metadata``: whether what is said of
    metadata by default holds behind these rules."""

    enabled: bool = True
    lifetimes: Lifetimes = _SILENT
    rules: tuple[Rule, ...] = ()
    metadata: bool = True

    def decide(self, path: str) -> Decision:
        """What holds for the raw ``path`` without hub: each value from the first matching rule that says it, else the element's."""
        said: dict[str, float] = {}
        enabled: bool | None = None
        by: str | None = None
        for rule in (*self.rules, *METADATA) if self.metadata and path.startswith(_METADATA_BEGINS) else self.rules:
            if not rule.matches(path):
                continue
            by = by or rule.path
            enabled = rule.enabled if enabled is None else enabled
            for name in Lifetimes._fields:
                value = getattr(rule, name)
                if value is not None:
                    said.setdefault(name, value)
        return Decision(self.enabled if enabled is None else enabled, self.lifetimes._replace(**said) if said else self.lifetimes, by)


def uniform(policy: CachePolicy, first: str) -> Decision | None:
    """What holds for all raw paths without hub that begin with the part ``first``, where that is the same; None where a rule may tell them
    apart."""
    if f"/{first}".startswith(_METADATA_BEGINS) or any(rule.path.split("/")[1:2] in ([first], []) for rule in policy.rules):
        return None
    return None if any(_WILD.search(rule.path.split("/")[1]) for rule in policy.rules) else policy.decide(f"/{first}")


def plain(path: str) -> str:
    """The raw ``path`` as an operator would write it: decoded once, single slashes; a rule is not got around by another spelling."""
    if "%" not in path and "//" not in path:
        return path
    return "/" + "/".join(part for part in unquote(path).split("/") if part)


def refusal(request: Request) -> str | None:
    """Why this GET goes past the cache, as a token; None where it need not."""
    headers = request.headers
    if not _BYPASSING_SET.isdisjoint(headers.index):
        return next(name for name in _BYPASSING if name in headers)
    return "body" if _has_body(request) else None


def _has_body(request: Request) -> bool:
    body = request.body
    if isinstance(body, bytes):
        if body:
            return True
        stated = request.headers.get("content-length")
        return (stated is not None and stated.strip("0 ") != "") or "transfer-encoding" in request.headers
    return body.length != 0


def never_stored(path: str, platform: bool) -> bool:
    """Whether answers at the raw ``path`` must not be kept, judged on its canonical form, so that no spelling gets around it."""
    first, *below = families(path)
    if first in _NEVER or (platform and first in _NEVER_PLATFORM):
        return True
    if first == "files":
        # The bytes themselves, and links that expire; what is said about a file may stay.
        parts = segments(path)
        return "links" in below or len(parts[2:] if parts[0] == "hubs" else parts) <= 2
    if first == "elements":
        return not {"instances", "oauth"}.isdisjoint(below[1:2])
    if first in ("formulas", "jobs"):
        return "executions" in below
    return platform and first == "accounts" and not {"users", "instances"}.isdisjoint(below)


_HOUR_S, _DAY_S = 3600.0, 86_400.0
# What an administrator changes, not the day's work (API page 4.7): kept long, renewed in the background. The operator's rules go first.
METADATA = tuple(
    Rule(path, ttl=_HOUR_S, stale_while_revalidate=_DAY_S, stale_if_error=_DAY_S)
    for path in ("/objects", "/objects/*/metadata", "/elements/**", "/hubs/**")
)
_WILD = re.compile(r"[^A-Za-z0-9_-]")
_METADATA_BEGINS = ("/objects", "/elements", "/hubs")
