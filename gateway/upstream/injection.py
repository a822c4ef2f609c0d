"""What the gateway adds to a call on its way up: the credential of its instance, and the ids by which it is found again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cachetools import LRUCache

from gateway.authorization import build
from gateway.exchange import Exchange, Instance, Pair, Request, SecretPair, Target
from gateway.upstream.headers import VIA, request_head, upward
from gateway.upstream.masking import Needle, needles
from gateway.upstream.protocol import Origin

_SHORTEST_MASKED = 6


class Pairs(Protocol):
    """Which of its pairs of secrets an environment's calls carry."""

    def pair(self, environment: str) -> SecretPair: ...

    def pairs(self, environment: str) -> tuple[SecretPair, ...]: ...


@dataclass(frozen=True, slots=True, repr=False)
class Injection:
    """What an instance's calls carry, worked out once; ``secrets`` are masked where an upstream echoes them. Not shown: it is all
    secret."""

    pair: SecretPair
    instance: Instance | None
    authorization: str
    secrets: tuple[Needle, ...]


class Injections:
    """Those of the instances that were called last."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs
        self._known: LRUCache[tuple[str, str], Injection] = LRUCache(maxsize=10_000)

    def of(self, target: Target) -> Injection:
        """What a call to ``target`` carries now."""
        name, instance = target.environment.name, target.instance
        key = (name, instance.handle if instance else "")
        found = self._known.get(key)
        pair = self._pairs.pair(name)
        # A mapping may have been read twice: what was worked out for the one holds for the other.
        if found is None or found.pair is not pair or (found.instance is not instance and not _same(found.instance, instance)):
            secrets = [secret.reveal() for one in self._pairs.pairs(name) for secret in (one.user, one.organization)]
            if instance:
                secrets.append(instance.token.reveal())
            masked = needles(secret for secret in secrets if len(secret) >= _SHORTEST_MASKED)
            found = self._known[key] = Injection(pair, instance, build(pair, instance), masked)
        return found


def _same(one: Instance | None, other: Instance | None) -> bool:
    return one is not None and other is not None and one.token == other.token


def head_of(
    request: Request, origin: Origin, injection: Injection, conditions: Sequence[Pair] | None, exchange: Exchange, sealed: bool
) -> bytes:
    """The octets of the head that goes up."""
    fields = upward(request.headers, conditions)
    if sealed:
        fields = [pair for pair in fields if pair[0].lower() not in ("accept-encoding", "range", "if-range")]
    if exchange.starts_trace:
        fields = [pair for pair in fields if pair[0].lower() != "tracestate"]
    added = [("Authorization", injection.authorization), ("Via", VIA), ("X-Request-Id", exchange.request_id)]
    added.append(("traceparent", exchange.traceparent))
    body = request.body
    if not isinstance(body, bytes):
        added.append(("Transfer-Encoding", "chunked") if body.length is None else ("Content-Length", str(body.length)))
    elif "transfer-encoding" in request.headers:
        added.append(("Transfer-Encoding", "chunked"))
    elif body or "content-length" in request.headers:
        added.append(("Content-Length", str(len(body))))
    return request_head(request.method, origin.path + request.target, origin.authority, fields, added)
