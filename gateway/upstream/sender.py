"""The attempt loop: every call that leaves spends one token of its element's budget and carries our credentials, never the caller's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

from cachetools import LRUCache

from gateway.authorization import build
from gateway.errors import RateLimited, UpstreamUnreachable
from gateway.exchange import Body, Environment, Exchange, Headers, Instance, Interim, Pair, Request, Response, Target
from gateway.limits.store import Verdict
from gateway.upstream.client import Client, StaleConnection
from gateway.upstream.headers import VIA, downward, request_head, upward
from gateway.upstream.masking import Masked, Needle, mask, mask_text, needles
from gateway.upstream.pool import Origin
from gateway.upstream.provider_message import overheard

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110 §9.2.2, without TRACE
_TEXT = ("json", "text/", "xml", "javascript", "x-www-form-urlencoded")
_SHORTEST_MASKED = 6
_SHAPE = re.compile(r"(User|Organization|Element) [^,]+")


class Budget(Protocol):
    """What the loop needs of the limits."""

    async def spend(self, target: Target, exchange: Exchange) -> Verdict: ...

    def detail(self, verdict: Verdict, target: Target) -> str: ...


@dataclass(frozen=True, slots=True, repr=False)
class _Injection:
    """What an instance's calls carry, worked out once. Not shown: it is all secret."""

    environment: Environment
    instance: Instance | None
    authorization: str
    secrets: tuple[Needle, ...]


class Sender:
    """The room's one object. ``clock`` is the monotonic clock."""

    def __init__(self, client: Client, budget: Budget, clock: Callable[[], float]) -> None:
        self._client = client
        self._budget = budget
        self._clock = clock
        self._origins: dict[str, Origin] = {}
        self._injections: LRUCache[tuple[str, str], _Injection] = LRUCache(maxsize=10_000)

    async def send(
        self, request: Request, target: Target, conditions: Sequence[Pair] | None, exchange: Exchange, *, sealed: bool = False
    ) -> Response:
        """The upstream's answer, end-to-end fields only, echoed secrets masked, its body still streaming.

        ``conditions`` stand in for the caller's conditional fields. ``sealed``: the body will be sealed, so it is asked for in a
        form that can be read, and left for ``masked`` to do afterwards.
        Raises ``RateLimited`` and what ``Client.send`` raises.
        """
        origin = self._origin(target.environment)
        injection = self._injection(target)
        head = _head(request, origin, injection, conditions, exchange, sealed)
        body = request.body
        if isinstance(body, bytes) and "transfer-encoding" in request.headers:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"  # it came chunked, it goes chunked
        head_only = request.method == "HEAD"
        interim = _passed_on(request.interim, injection) if request.interim is not None else None
        for attempt in (1, 2):
            verdict = await self._budget.spend(target, exchange)
            if not verdict.allowed:
                exchange.limited = "rejected"
                raise RateLimited(self._budget.detail(verdict, target), retry_after=verdict.retry_after)
            exchange.phase = "upstream"
            try:
                answer = await self._attempt(origin, head, body, head_only, attempt > 1, interim, exchange)
            except StaleConnection as error:
                # A kept connection that was closed under us: nothing was answered, and only what may be repeated is (RFC 9110 §9.2.2).
                if attempt > 1 or request.method not in _IDEMPOTENT or not isinstance(request.body, bytes):
                    raise UpstreamUnreachable(error.detail) from None
                exchange.note("upstream", "retry", "a kept connection was closed by the upstream")
                exchange.phase = "limits"
                head = _head(request, origin, injection, conditions, exchange, sealed)  # a traced attempt has an id of its own
                continue
            keep_length = (head_only and not sealed) or answer.status == 304
            headers = downward(answer.headers, injection.secrets, keep_length=keep_length)
            response = Response(answer.status, headers, answer.body, mask_text(answer.reason, injection.secrets))
            if not sealed:
                response = _masked(response, injection.secrets)
                if answer.status >= 400 and target.instance is not None:
                    response = overheard(response, request, injection.secrets, exchange)
            exchange.elements_request_id = (response.headers.get("elements-request-id") or "")[:64]
            return response
        raise AssertionError("the loop returns or raises")

    def preview(
        self, request: Request, target: Target, conditions: Sequence[Pair] | None, exchange: Exchange, *, sealed: bool = False
    ) -> dict[str, Any]:
        """What ``send`` would send, its secrets masked: method, path and query below the base URL, fields."""
        origin, injection = self._origin(target.environment), self._injection(target)
        head = _head(request, origin, injection, conditions, exchange, sealed).decode("latin-1")
        head = mask_text(head.replace(injection.authorization, _SHAPE.sub(r"\1 ***", injection.authorization)), injection.secrets)
        lines = head.split("\r\n")[2:-2]  # behind the request line and Host
        fields = [list(line.partition(": ")[::2]) for line in lines]
        return {"method": request.method, "target": request.target, "fields": fields}

    def masked(self, response: Response, target: Target) -> Response:
        """A sealed ``response`` with echoed secrets in its body masked."""
        return _masked(response, self._injection(target).secrets)

    async def _attempt(
        self, origin: Origin, head: bytes, body: Body, head_only: bool, fresh: bool, interim: Interim | None, exchange: Exchange
    ) -> Response:
        started = self._clock()
        exchange.upstream_calls += 1
        try:
            answer = await self._client.send(origin, head, body, head_only=head_only, fresh=fresh, interim=interim)
        except BaseException:  # a caller who left gets no answer either
            exchange.upstream_failures += 1
            raise
        finally:
            exchange.upstream_seconds += self._clock() - started
        exchange.upstream_status = answer.status
        exchange.phase = "answer"
        return answer

    def _origin(self, environment: Environment) -> Origin:
        origin = self._origins.get(environment.name)
        if origin is None:
            origin = self._origins[environment.name] = Origin.of(environment.base_url)
        return origin

    def _injection(self, target: Target) -> _Injection:
        environment, instance = target.environment, target.instance
        key = (environment.name, instance.handle if instance else "")
        found = self._injections.get(key)
        if found is None or found.instance is not instance or found.environment is not environment:
            secrets = [environment.user_secret.reveal(), environment.organization_secret.reveal()]
            if instance:
                secrets.append(instance.token.reveal())
            masked = needles(secret for secret in secrets if len(secret) >= _SHORTEST_MASKED)
            found = self._injections[key] = _Injection(environment, instance, build(environment, instance), masked)
        return found


def _head(
    request: Request, origin: Origin, injection: _Injection, conditions: Sequence[Pair] | None, exchange: Exchange, sealed: bool
) -> bytes:
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


def _passed_on(interim: Interim, injection: _Injection) -> Interim:
    """Interim answers go down as the final one does: end-to-end fields only, echoed secrets masked (RFC 9110 §15.2)."""
    return lambda status, headers: interim(status, downward(headers, injection.secrets))


def _masked(response: Response, secrets: tuple[Needle, ...]) -> Response:
    body = response.body
    if not secrets or body == b"" or not _is_text(response.headers):
        return response
    if not isinstance(body, bytes):
        return replace(response, body=Masked(body, secrets))
    masked = mask(body, secrets)
    return response if masked is body else replace(response, body=masked)


def _is_text(headers: Headers) -> bool:
    coding = headers.get("content-encoding")
    if coding is not None and coding.strip().lower() != "identity":
        return False
    return _is_text_media(headers.get("content-type") or "text/")


@lru_cache(maxsize=256)
def _is_text_media(media: str) -> bool:
    return any(part in media.lower() for part in _TEXT)
