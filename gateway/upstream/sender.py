"""The attempt loop: every call that leaves passes its element's guards, spends one token of its budgets, and carries our credentials,
never the caller's. Whether there is another attempt is for ``judging.py`` to say; where that one may not leave, the caller gets what
came of the last.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError, InstanceNeedsAuthorization, UpstreamTimeout
from gateway.exchange import Body, Environment, Exchange, Interim, Pair, Request, Response, Target
from gateway.limits import Limits
from gateway.upstream.bodies import Tracked, closed
from gateway.upstream.call import Call, blames_upstream, told
from gateway.upstream.credentials import Credentials
from gateway.upstream.guards import Guards, Passage
from gateway.upstream.headers import downward
from gateway.upstream.injection import Injection, Injections, head_of
from gateway.upstream.judging import Judge
from gateway.upstream.masking import mask_text, masked
from gateway.upstream.prepared import Prepared
from gateway.upstream.protocol import Origin, UpstreamClient
from gateway.upstream.provider_message import overheard

if TYPE_CHECKING:
    from gateway.upstream.client import Client

_IN_TIME = 0.9  # of its time a call waits at most, so that there is some left to say why it did not go
_SHAPE = re.compile(r"(User|Organization|Element) [^,]+")


class Sender:
    """The room's one object. ``clock`` is monotonic, ``wall`` tells seconds since the epoch."""

    def __init__(
        self,
        client: UpstreamClient,
        limits: Limits,
        guards: Guards,
        credentials: Credentials,
        clock: Callable[[], float],
        wall: Callable[[], float],
        still_allowed: Callable[[Exchange], None] = lambda _: None,
        lean: Client | None = None,
    ) -> None:
        """``still_allowed`` raises where a call that has waited may not be made any more. ``lean`` is ``client`` where it is that one."""
        self._lean = lean
        self._client = client
        self._still_allowed = still_allowed
        self._limits = limits
        self._guards = guards
        self._credentials = credentials
        self._clock = clock
        self._origins: dict[str, Origin] = {}
        self._injections = Injections(credentials)
        self._judge = Judge(limits, credentials, clock, wall)

    async def send(
        self, request: Request, target: Target, conditions: Sequence[Pair] | None, exchange: Exchange, *, sealed: bool = False
    ) -> Response:
        """The upstream's answer, end-to-end fields only, echoed secrets masked, its body still streaming.

        ``conditions`` stand in for the caller's conditional fields. ``sealed``: the body will be sealed, so it is asked for in a
        form that can be read, and left for ``masked`` to do afterwards.
        Raises ``RateLimited``, ``CircuitOpen``, ``Overloaded``, ``Paused``, ``InstanceNeedsAuthorization``, ``VaultError`` and what
        ``Client.send`` raises.
        """
        guard = self._guards.of(target)
        now = self._clock()
        limit = guard.settings.timeouts.call
        call = Call(request, target, conditions, exchange, sealed, guard, now + limit if limit else inf)
        guard.retries.call(now)
        return await self.attempts(call, await self._admitted(call))

    async def attempts(self, call: Call, passage: Passage) -> Response:
        """As ``send``, for a call that was admitted, and may have left: ``call.sent``."""
        while True:
            end, again_in = await self._tried(call, passage)
            if again_in is None:
                return self._as_it_was(call, end)
            at_hand = await self._set_aside(call, end, again_in)
            limited = call.exchange.limited
            try:
                passage = await self._admitted(call)
            except GatewayError:
                if not at_hand:
                    raise
                call.exchange.limited = limited
                return self._as_it_was(call, end)

    async def _tried(self, call: Call, passage: Passage) -> tuple[Response | GatewayError, float | None]:
        """What came of one attempt, and in how many seconds to make another (None: not)."""
        try:
            call.injection = injection = self._injections.of(call.target)
            answer = await self._attempt(call, passage, injection)
        except GatewayError as error:
            passage.over(self._clock(), left=False)  # where the attempt did not come to give it back: a token may not decrypt
            return error, self._judge.after_failure(call, error)
        except BaseException:
            passage.over(self._clock(), left=False)
            raise
        call.exchange.limit_signal = False
        if self._judge.is_well(call, passage, answer):
            return answer, None
        try:
            return await self._judge.judged(call, passage, answer, injection.pair)
        except BaseException:
            await closed(answer.body)
            passage.over(self._clock())
            raise

    async def _set_aside(self, call: Call, end: Response | GatewayError, seconds: float) -> bool:
        """Between two attempts: what came of the first is counted, and, if it is not too large, at hand in case that there is no second;
        whether it is."""
        at_hand = True
        if isinstance(end, Response):
            call.repeats(end.status)
            await closed(end.body)
            at_hand = isinstance(end.body, bytes)
        if seconds:
            await asyncio.sleep(seconds)
        return at_hand

    def _as_it_was(self, call: Call, end: Response | GatewayError) -> Response:
        """What the last attempt came to, for the caller."""
        if isinstance(end, GatewayError):
            raise told(end) from None
        return self._down(call, end)

    def prepared(self, target: Target) -> Prepared | None:
        """What calls to ``target`` have in common; None where each must be looked at: it has an end, costs more than another, may not be
        made just now, or another client makes it."""
        instance, guard = target.instance, self._guards.of(target)
        if self._lean is None or target.caller is None or instance is None or instance.needs_authorization:
            return None
        if guard.settings.timeouts.call or not self._limits.is_uniform(target.element):
            return None
        injection = self._injections.of(target)
        origin = self._origin(target.environment)
        return Prepared(target, origin, injection, self._lean, self._limits, self._guards, self._credentials, target.caller)

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
        return masked(response, self._injections.of(target).secrets)

    async def _admitted(self, call: Call) -> Passage:
        """All that an attempt needs to leave, whatever it takes of the time that the call has."""
        exchange, target = call.exchange, call.target
        exchange.phase = "limits"
        now = self._clock()
        if call.guard.told:  # it was not closed when somebody looked last; the look that counts comes behind the queue
            call.guard.require_closed(now)
        if target.instance is not None and target.instance.needs_authorization:
            if self._credentials.admits(target.instance):
                raise InstanceNeedsAuthorization("Cloud Elements refuses this instance's token: authorize it again, or store its new token")
            exchange.note("authorization", "trial", "the mapping needs authorization, and is tried once a minute")
        deadline = min(call.deadline, exchange.deadline)
        permit = await self._limits.acquire(call.request, target, exchange, None if deadline == inf else (deadline - now) * _IN_TIME)
        now = self._clock()
        try:
            if now >= deadline:
                raise UpstreamTimeout("the time for the call was over before it could leave")
            if exchange.queue_seconds:
                self._still_allowed(exchange)
        except BaseException:
            permit.over(left=False)
            raise
        return self._guards.enter(call.guard, permit, target.caller, now)

    async def _attempt(self, call: Call, passage: Passage, injection: Injection) -> Response:
        """The answer to one attempt; its body gives the passage back."""
        exchange, request = call.exchange, call.request
        sent, call.sent = call.sent, None
        if sent is not None:
            return await self._answer(call, passage, sent.answer, sent.at)
        origin = self._origin(call.target.environment)
        # Made anew each time: a traced attempt has an id of its own, and the secrets may be others.
        head = head_of(request, origin, injection, call.conditions, exchange, call.sealed)
        exchange.phase = "upstream"
        exchange.upstream_calls += 1
        sending = self._client.send(
            origin,
            head,
            _chunked(request),
            head_only=request.method == "HEAD",
            fresh=call.fresh,
            interim=_interim(request.interim, injection),
            timeouts=call.guard.settings.timeouts,
            written=partial(self._written, passage),
        )
        return await self._answer(call, passage, sending, self._clock())

    async def _answer(self, call: Call, passage: Passage, sending: Awaitable[Response], started: float) -> Response:
        exchange = call.exchange
        try:
            answer = await (sending if call.deadline == inf else self._before(call.deadline, sending))
        except BaseException as error:  # a caller who left gets no answer either
            now = self._clock()
            exchange.upstream_failures += 1
            exchange.upstream_seconds += now - started
            passage.report("failure" if blames_upstream(error) else "nothing", now)
            passage.over(now, left=not getattr(error, "never_left", False))
            raise
        now = self._clock()
        call.took = now - started
        exchange.upstream_seconds += call.took
        exchange.upstream_status = answer.status
        exchange.phase = "answer"
        passage.heard(now)
        if isinstance(answer.body, bytes):
            return answer
        return replace(answer, body=Tracked(answer.body, partial(self._over, passage), call.deadline, self._clock))

    def _written(self, passage: Passage) -> None:
        passage.written(self._clock())

    async def _before(self, deadline: float, sending: Awaitable[Response]) -> Response:
        try:
            async with asyncio.timeout(deadline - self._clock()):
                return await sending
        except TimeoutError as over:
            error = UpstreamTimeout("the time for the whole call is over")
            error.never_left = getattr(over.__cause__, "never_left", False)
            raise error from None

    def _down(self, call: Call, answer: Response) -> Response:
        """``answer`` as it goes down."""
        secrets = call.injection.secrets if call.injection is not None else ()
        exchange, sealed = call.exchange, call.sealed
        keep_length = (call.request.method == "HEAD" and not sealed) or answer.status == 304
        headers = downward(answer.headers, secrets, keep_length=keep_length)
        response = Response(answer.status, headers, answer.body, mask_text(answer.reason, secrets))
        if not sealed:
            response = masked(response, secrets)
            if answer.status >= 400 and call.target.instance is not None:
                response = overheard(response, call.request, secrets, exchange)
        exchange.elements_request_id = (response.headers.get("elements-request-id") or "")[:64]
        return response

    def _over(self, passage: Passage, error: GatewayError | None) -> None:
        now = self._clock()
        if error is not None and blames_upstream(error):
            passage.broke(now)
        passage.over(now)

    def _origin(self, environment: Environment) -> Origin:
        origin = self._origins.get(environment.name)
        if origin is None:
            origin = self._origins[environment.name] = Origin.of(environment.base_url)
        return origin


def _chunked(request: Request) -> Body:
    """What came chunked goes chunked, also where it is wholly here."""
    body = request.body
    if not isinstance(body, bytes) or "transfer-encoding" not in request.headers:
        return body
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"


def _interim(interim: Interim | None, injection: Injection) -> Interim | None:
    """Interim answers go down as the final one does: end-to-end fields only, echoed secrets masked (RFC 9110 §15.2)."""
    if interim is None:
        return None
    return lambda status, headers: interim(status, downward(headers, injection.secrets))
