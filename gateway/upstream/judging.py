"""What the end of an attempt teaches, and whether the call is made once more.

An answer may teach the limits (its provider's own limit is spent), the breaker (the upstream fails), or whose secret is bad (401). A call
is repeated only where that can do no harm, and where it helps: after a failure within the retry budget and after a pause, after a spent
limit if its caller has time, after a 401 if another secret is good.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from gateway.bodies import gathered
from gateway.errors import GatewayError, UpstreamUnreachable
from gateway.exchange import Response, SecretPair
from gateway.limits import Limits
from gateway.limits.refusal_text import MOST_OCTETS, provider_said
from gateway.limits.retry_after import stay_away
from gateway.limits.signals import Signal, looked_at, signalled
from gateway.upstream.call import Call
from gateway.upstream.credentials import Credentials, Finding
from gateway.upstream.guards import Lesson, Passage
from gateway.upstream.protocol import StaleConnection
from gateway.upstream.retry import RETRIED_STATUSES, may_repeat, pause_before

_NOT_OURS_TO_JUDGE = frozenset({501, 505})  # what an upstream never does, it need not be spared
_MOST_SIGNALS = 3  # a call whose provider refuses it as often will not be better received
_LONGEST_PAUSE_S = 1.0


class Judge:
    """Looks at each answer once. ``clock`` is monotonic, ``wall`` the wall clock."""

    def __init__(self, limits: Limits, credentials: Credentials, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._limits = limits
        self._credentials = credentials
        self._clock = clock
        self._wall = wall

    def is_well(self, call: Call, passage: Passage, answer: Response) -> bool:
        """Whether there is nothing to say of an answer but that it is well; it is taught, then. The way of most answers."""
        status = answer.status
        if status >= 400 or looked_at(call.guard.settings.signals, status) == "body":
            return False
        self._teach(call, passage, answer, "success")
        return True

    async def judged(self, call: Call, passage: Passage, answer: Response, used: SecretPair) -> tuple[Response, float | None]:
        """An answer to an attempt that carried the secrets ``used`` and is not plainly well; in how many seconds to make the call again
        (None: not)."""
        status, signals = answer.status, call.guard.settings.signals
        look = looked_at(signals, status)
        answer = replace(answer, body=await gathered(answer.body, MOST_OCTETS))
        body = answer.body if isinstance(answer.body, bytes) else None
        if look != "no" and (signal := signalled(signals, status, answer.headers, body)) is not None:
            self._teach(call, passage, answer, "nothing")
            return answer, self._after_signal(call, passage, answer, body, signal)
        failed = status >= 500 and status not in _NOT_OURS_TO_JUDGE
        self._teach(call, passage, answer, "failure" if failed else "nothing" if status == 429 else "success")
        if status == 401:
            return answer, await self._after_401(call, body, used)
        if status in RETRIED_STATUSES and body is not None:
            away = stay_away(answer.headers, "", self._wall())
            return answer, self._after_error(call, away.seconds if away is not None else 0.0, f"status {status}")
        return answer, None

    def after_failure(self, call: Call, error: GatewayError) -> float | None:
        """In how many seconds to make a call again that had no answer (None: not)."""
        if not isinstance(error, UpstreamUnreachable):
            return None
        stale = isinstance(error, StaleConnection)
        call.fresh = call.fresh or stale
        reason = "a kept connection was closed by the upstream" if stale else "the upstream could not be reached"
        return self._after_error(call, 0.0, reason, never_left=error.never_left, at_once=stale)

    def _teach(self, call: Call, passage: Passage, answer: Response, lesson: Lesson) -> None:
        now = self._clock()
        passage.report(lesson, now)
        if isinstance(answer.body, bytes):
            passage.over(now)
        self._credentials.heard(call.target, answer.status)

    def _after_signal(self, call: Call, passage: Passage, answer: Response, body: bytes | None, signal: Signal) -> float | None:
        """The budget is closed now. Who has time waits for it: a call that was refused so was not carried out."""
        away = stay_away(answer.headers, provider_said(body), self._wall())
        seconds, source = (None, f"{answer.status}") if away is None else (away.seconds, f"{answer.status}, {away.source}")
        self._limits.refused(call.target, passage.started, seconds, source, until_midnight=signal.until == "day")
        call.exchange.limit_signal = True
        call.exchange.limit_signals += 1
        call.exchange.note("limits", "refused by the provider", source)
        call.signals += 1
        patience = self._limits.patience(call.request, call.target, call.exchange)
        if patience <= 0 or body is None or call.signals > _MOST_SIGNALS or not call.replayable:
            return None
        call.exchange.note("upstream", "retry", "the provider's limit was spent")
        return 0.0

    async def _after_401(self, call: Call, body: bytes | None, used: SecretPair) -> float | None:
        """Whose secret is bad; where another one is good, the call is made once more."""
        if call.examined:
            return None
        call.examined = True
        target = call.target
        token = target.instance.token if target.instance is not None else None
        by_provider = body is None or b'"providerMessage"' in body
        finding = await self._credentials.examine(target, used, token, by_provider, call.exchange)
        if finding is not Finding.REPEAT or not call.replayable:
            return None
        call.target = await self._credentials.renewed(target)
        return 0.0

    def _after_error(self, call: Call, away_s: float, reason: str, *, never_left: bool = False, at_once: bool = False) -> float | None:
        """In how many seconds to make a failed call again; None where that is not safe, does not help, or is too much in all."""
        request, guard = call.request, call.guard
        keyed = "idempotency-key" in request.headers
        replayable = call.replayable or never_left
        if not may_repeat(request.method, has_idempotency_key=keyed, replayable_body=replayable, never_left=never_left):
            return None
        pause = 0.0 if at_once else max(away_s, pause_before(call.retried, random.random))
        now = self._clock()
        if call.retried >= guard.settings.retries or pause > _LONGEST_PAUSE_S or now + pause >= min(call.deadline, call.exchange.deadline):
            return None
        if not guard.retries.may(now):
            call.exchange.note("upstream", "no retry", "too many calls of this element are made again")
            return None
        call.retried += 1
        call.exchange.note("upstream", "retry", reason)
        return pause
