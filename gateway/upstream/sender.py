"""The attempt loop: every call that leaves passes its element's guards, spends one token of its budgets, and carries our credentials,
never the caller's.

What comes back is judged once: it may teach the limits (the provider's own limit is spent), the breaker (it fails), or whose secret is
bad (401). A call is made again only where that can do no harm, and where it helps: what comes of the last try that was answered is what
the caller gets.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import inf
from typing import Any

from gateway.errors import (
    GatewayError,
    InstanceNeedsAuthorization,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.exchange import Body, Environment, Exchange, Headers, Interim, Pair, Request, Response, Target
from gateway.limits import Limits
from gateway.limits.refusal_text import provider_said
from gateway.limits.retry_after import stay_away
from gateway.limits.signals import looked_at, signalled
from gateway.upstream.bodies import Tracked, gathered
from gateway.upstream.client import Client, StaleConnection
from gateway.upstream.credentials import Credentials, Finding
from gateway.upstream.deadline import deadline_of
from gateway.upstream.guards import Guard, Guards, Passage
from gateway.upstream.headers import downward
from gateway.upstream.injection import Injection, Injections, head_of
from gateway.upstream.masking import Masked, Needle, mask, mask_text
from gateway.upstream.pool import Origin
from gateway.upstream.provider_message import overheard
from gateway.upstream.retry import RETRIED_STATUSES, may_repeat, pause_before

_TEXT = ("json", "text/", "xml", "javascript", "x-www-form-urlencoded")
_SHAPE = re.compile(r"(User|Organization|Element) [^,]+")
_NOT_OURS_TO_JUDGE = frozenset({501, 505})  # what an upstream never does, it need not be spared
_MOST_SIGNALS = 3  # a call whose provider refuses it as often will not be better received
_LONGEST_PAUSE_S = 1.0


@dataclass(slots=True)
class _Call:
    """One call on its way, as all of its attempts see it."""

    request: Request
    target: Target
    conditions: Sequence[Pair] | None
    exchange: Exchange
    sealed: bool
    guard: Guard
    deadline: float
    fresh: bool = False
    retried: int = 0
    signals: int = 0
    examined: bool = False


class Sender:
    """The room's one object. ``clock`` is the monotonic clock, ``wall`` the wall clock."""

    def __init__(
        self,
        client: Client,
        limits: Limits,
        guards: Guards,
        credentials: Credentials,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._client = client
        self._limits = limits
        self._guards = guards
        self._credentials = credentials
        self._clock = clock
        self._wall = wall
        self._origins: dict[str, Origin] = {}
        self._injections = Injections(credentials)

    async def send(
        self, request: Request, target: Target, conditions: Sequence[Pair] | None, exchange: Exchange, *, sealed: bool = False
    ) -> Response:
        """The upstream's answer, end-to-end fields only, echoed secrets masked, its body still streaming.

        ``conditions`` stand in for the caller's conditional fields. ``sealed``: the body will be sealed, so it is asked for in a
        form that can be read, and left for ``masked`` to do afterwards.
        Raises ``RateLimited``, ``CircuitOpen``, ``Overloaded``, ``InstanceNeedsAuthorization``, ``BadRequest`` and what
        ``Client.send`` raises.
        """
        guard = self._guards.of(target)
        now = self._clock()
        deadline = deadline_of(request.headers, exchange.started, now, guard.settings.timeouts.call)
        call = _Call(request, target, conditions, exchange, sealed, guard, deadline)
        guard.retries.call(now)
        before: Response | GatewayError | None = None
        while True:
            try:
                passage = await self._admitted(call)
            except GatewayError:
                if isinstance(before, Response):
                    return self._down(call, before)
                if before is not None:
                    raise _told(before) from None
                raise
            answer: Response | None = None
            try:
                answer = await self._attempt(call, passage)
                answer, again_in = await self._judged(call, passage, answer)
            except GatewayError as error:
                if answer is not None:
                    raise  # it broke while it was read
                again_in = self._after_failure(call, error)
                if again_in is None:
                    raise _told(error) from None
                before = error
            else:
                if again_in is None:
                    return self._down(call, answer)
                before = answer
            await self._pause(call, again_in)

    def preview(
        self, request: Request, target: Target, conditions: Sequence[Pair] | None, exchange: Exchange, *, sealed: bool = False
    ) -> dict[str, Any]:
        """What ``send`` would send, its secrets masked: method, path and query below the base URL, fields."""
        origin, injection = self._origin(target.environment), self._injections.of(target)
        head = head_of(request, origin, injection, conditions, exchange, sealed).decode("latin-1")
        head = mask_text(head.replace(injection.authorization, _SHAPE.sub(r"\1 ***", injection.authorization)), injection.secrets)
        lines = head.split("\r\n")[2:-2]  # behind the request line and Host
        fields = [list(line.partition(": ")[::2]) for line in lines]
        return {"method": request.method, "target": request.target, "fields": fields, **self._guards.peek(target, self._clock())}

    def masked(self, response: Response, target: Target) -> Response:
        """A sealed ``response`` with echoed secrets in its body masked."""
        return _masked(response, self._injections.of(target).secrets)

    async def _admitted(self, call: _Call) -> Passage:
        """All that an attempt needs to leave, whatever it takes of the time that the call has."""
        exchange, target = call.exchange, call.target
        exchange.phase = "limits"
        now = self._clock()
        call.guard.require_closed(now)
        longest = None if call.deadline == inf else call.deadline - now
        permit = await self._limits.acquire(call.request, target, exchange, longest)
        passage = self._guards.enter(call.guard, permit, target.caller, self._clock())
        if target.instance is not None and target.instance.needs_authorization:
            wait = self._credentials.admits(target.instance)
            if wait:
                passage.over(self._clock(), left=False)
                raise InstanceNeedsAuthorization("Cloud Elements refuses this instance's token: authorize it again, or store its new token")
            exchange.note("authorization", "trial", "the mapping needs authorization, and is tried once a minute")
        return passage

    async def _attempt(self, call: _Call, passage: Passage) -> Response:
        """The answer to one attempt; its body gives the passage back."""
        exchange, request, target = call.exchange, call.request, call.target
        origin, injection = self._origin(target.environment), self._injections.of(target)
        # Made anew each time: a traced attempt has an id of its own, and the secrets may be others.
        head = head_of(request, origin, injection, call.conditions, exchange, call.sealed)
        exchange.phase = "upstream"
        exchange.upstream_calls += 1
        started = self._clock()
        try:
            answer = await self._asked(call, origin, head, _interim(request.interim, injection))
        except BaseException as error:  # a caller who left gets no answer either
            now = self._clock()
            exchange.upstream_failures += 1
            exchange.upstream_seconds += now - started
            passage.report("failure" if _is_failure(error, call, now) else "nothing", now)
            passage.over(now, left=not getattr(error, "never_left", False))
            raise
        now = self._clock()
        exchange.upstream_seconds += now - started
        exchange.upstream_status = answer.status
        exchange.phase = "answer"
        passage.heard(now)
        if isinstance(answer.body, bytes):
            return answer
        return replace(answer, body=Tracked(answer.body, partial(self._over, call, passage), call.deadline, self._clock))

    async def _asked(self, call: _Call, origin: Origin, head: bytes, interim: Interim | None) -> Response:
        request = call.request
        body: Body = request.body
        if isinstance(body, bytes) and "transfer-encoding" in request.headers:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"  # it came chunked, it goes chunked
        sending = self._client.send(
            origin,
            head,
            body,
            head_only=request.method == "HEAD",
            fresh=call.fresh,
            interim=interim,
            timeouts=call.guard.settings.timeouts,
        )
        if call.deadline == inf:
            return await sending
        try:
            async with asyncio.timeout(call.deadline - self._clock()):
                return await sending
        except TimeoutError:
            raise UpstreamTimeout("the time for the whole call is over") from None

    async def _judged(self, call: _Call, passage: Passage, answer: Response) -> tuple[Response, float | None]:
        """What an answer teaches; the answer, and in how many seconds the call is to be made again (None: it is not)."""
        status, settings = answer.status, call.guard.settings
        look = looked_at(settings.signals, status)
        if status < 400 and look != "body":
            self._taught(call, passage, answer, "success")
            return answer, None
        answer = await gathered(answer)
        body = answer.body if isinstance(answer.body, bytes) else None
        if look != "no" and (signal := signalled(settings.signals, status, answer.headers, body)) is not None:
            self._taught(call, passage, answer, "nothing")
            away = stay_away(answer.headers, provider_said(body), self._wall())
            said = (away.seconds, f"{status}, {away.source}") if away is not None else (None, f"{status}")
            self._limits.refused(call.target, passage.started, *said, until_midnight=signal.until == "day")
            call.exchange.limit_signal = True
            call.exchange.note("limits", "refused by the provider", said[1])
            return answer, self._after_signal(call, body)
        failed = status >= 500 and status not in _NOT_OURS_TO_JUDGE
        self._taught(call, passage, answer, "failure" if failed else "nothing" if status == 429 else "success")
        if status == 401:
            return answer, await self._after_401(call, body)
        if status in RETRIED_STATUSES and body is not None:
            away = stay_away(answer.headers, "", self._wall())
            return answer, self._after_error(call, away.seconds if away is not None else 0.0, f"status {status}")
        return answer, None

    def _taught(self, call: _Call, passage: Passage, answer: Response, lesson: Any) -> None:
        now = self._clock()
        passage.report(lesson, now)
        if isinstance(answer.body, bytes):
            passage.over(now)
        self._credentials.heard(call.target, answer.status)

    def _after_signal(self, call: _Call, body: bytes | None) -> float | None:
        """Where the caller has time, it waits for the budget that is closed now: a call that was refused so was not carried out."""
        call.signals += 1
        patience = self._limits.patience(call.request, call.target, call.exchange)
        if patience <= 0 or body is None or call.signals > _MOST_SIGNALS or not isinstance(call.request.body, bytes):
            return None
        call.exchange.note("upstream", "retry", "the provider's limit was spent")
        return 0.0

    async def _after_401(self, call: _Call, body: bytes | None) -> float | None:
        """Whose secret is bad; where another one is good, the call is made once more."""
        if call.examined:
            return None
        call.examined = True
        target, injection = call.target, self._injections.of(call.target)
        token = target.instance.token if target.instance is not None else None
        by_provider = body is None or b'"providerMessage"' in body
        finding = await self._credentials.examine(target, injection.pair, token, by_provider, call.exchange)
        if finding is not Finding.REPEAT or not isinstance(call.request.body, bytes):
            return None
        call.target = await self._credentials.renewed(target)
        return 0.0

    def _after_failure(self, call: _Call, error: GatewayError) -> float | None:
        if not isinstance(error, UpstreamUnreachable):
            return None
        stale = isinstance(error, StaleConnection)
        call.fresh = call.fresh or stale
        reason = "a kept connection was closed by the upstream" if stale else "the upstream could not be reached"
        return self._after_error(call, 0.0, reason, never_left=error.never_left, at_once=stale)

    def _after_error(self, call: _Call, away_s: float, reason: str, *, never_left: bool = False, at_once: bool = False) -> float | None:
        """In how many seconds to make a failed call again; None where that is not safe, does not help, or is too much in all."""
        request, guard = call.request, call.guard
        keyed = "idempotency-key" in request.headers
        replayable = isinstance(request.body, bytes) or never_left
        if not may_repeat(request.method, has_idempotency_key=keyed, replayable_body=replayable, never_left=never_left):
            return None
        pause = 0.0 if at_once else max(away_s, pause_before(call.retried, random.random))
        now = self._clock()
        if call.retried >= guard.settings.retries or pause > _LONGEST_PAUSE_S or now + pause >= call.deadline or not guard.retries.may(now):
            return None
        call.retried += 1
        call.exchange.note("upstream", "retry", reason)
        return pause

    async def _pause(self, call: _Call, seconds: float) -> None:
        """Between two attempts. What the first was answered is counted; the second is what the caller sees."""
        exchange = call.exchange
        if exchange.upstream_calls - exchange.upstream_failures > len(exchange.repeated):
            before = sum([took for _, took in exchange.repeated])
            exchange.repeated += ((exchange.upstream_status, exchange.upstream_seconds - before),)
        if seconds:
            await asyncio.sleep(seconds)

    def _down(self, call: _Call, answer: Response) -> Response:
        """``answer`` as it goes down."""
        secrets = self._injections.of(call.target).secrets
        exchange, sealed = call.exchange, call.sealed
        keep_length = (call.request.method == "HEAD" and not sealed) or answer.status == 304
        headers = downward(answer.headers, secrets, keep_length=keep_length)
        response = Response(answer.status, headers, answer.body, mask_text(answer.reason, secrets))
        if not sealed:
            response = _masked(response, secrets)
            if answer.status >= 400 and call.target.instance is not None:
                response = overheard(response, call.request, secrets, exchange)
        exchange.elements_request_id = (response.headers.get("elements-request-id") or "")[:64]
        return response

    def _over(self, call: _Call, passage: Passage, error: GatewayError | None) -> None:
        now = self._clock()
        if error is not None and _is_failure(error, call, now):
            passage.broke(now)
        passage.over(now)

    def _origin(self, environment: Environment) -> Origin:
        origin = self._origins.get(environment.name)
        if origin is None:
            origin = self._origins[environment.name] = Origin.of(environment.base_url)
        return origin


def _told(error: GatewayError) -> GatewayError:
    """That a connection was a kept one is no caller's business."""
    return UpstreamUnreachable(error.detail) if isinstance(error, StaleConnection) else error


def _is_failure(error: BaseException, call: _Call, now: float) -> bool:
    """Whether an upstream is to blame; not for a caller who has no time, or left."""
    return isinstance(error, (UpstreamUnreachable, UpstreamProtocolError)) or (isinstance(error, UpstreamTimeout) and now < call.deadline)


def _interim(interim: Interim | None, injection: Injection) -> Interim | None:
    """Interim answers go down as the final one does: end-to-end fields only, echoed secrets masked (RFC 9110 §15.2)."""
    if interim is None:
        return None
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
