"""What stands between the gateway and one element of one environment: breaker, bulkhead, retry budget; and what one call holds of them.

A ``Passage`` is all that an attempt was given: a permit of the limits, a place in the bulkheads of its element and its caller, and the
breaker's leave. It is given back as a whole, once, whatever happened; nothing can leak that does not leak all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from gateway.callers.keys import CallerKey
from gateway.errors import CircuitOpen, Overloaded
from gateway.exchange import Target
from gateway.limits import Permit
from gateway.limits.signals import Signal
from gateway.upstream.breaker import Breaker, BreakerSettings
from gateway.upstream.bulkhead import Bulkhead
from gateway.upstream.gradient import Gradient
from gateway.upstream.protocol import Timeouts
from gateway.upstream.retry import RetryBudget

log = structlog.get_logger("gateway.upstream")

_LEAST_ADAPTIVE = 4
_STATES = ("closed", "half-open", "open")

Lesson = Literal["success", "failure", "nothing"]


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """How one element is called. ``bulkhead`` calls at once, fewer where ``adaptive`` finds that its latency grows; at most
    ``retries`` of one call, and ``retry_ratio`` of all; ``signals`` are the forms in which it says that the provider's limit is
    spent."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    bulkhead: int = 256
    adaptive: bool = False
    retries: int = 1
    retry_ratio: float = 0.2
    signals: tuple[Signal, ...] = (Signal(429),)


class Guard:
    """The state of one element in one environment."""

    __slots__ = ("breaker", "bulkhead", "element", "environment", "retries", "settings", "told")

    def __init__(self, environment: str, element: str, settings: GuardSettings) -> None:
        self.environment = environment
        self.element = element
        self.settings = settings
        self.breaker = Breaker(settings.breaker)
        gradient = Gradient(min(_LEAST_ADAPTIVE, settings.bulkhead), settings.bulkhead) if settings.adaptive else None
        self.bulkhead = Bulkhead(settings.bulkhead, gradient)
        self.retries = RetryBudget(settings.retry_ratio)
        self.told = 0

    def require_closed(self, now: float) -> None:
        """``CircuitOpen`` where no call may go."""
        wait = self.breaker.refusal(now)
        if wait:
            detail = f"too many calls of {self.element} failed in {self.environment}, or were slow"
            raise CircuitOpen(detail, retry_after=wait)

    def tell(self) -> None:
        """Have the log say where the breaker's state is another one."""
        state = self.breaker.state
        if state != self.told:
            self.told = state
            say = log.info if state == 0 else log.warning
            reason = self.breaker.reason
            say("circuit breaker", state=_STATES[state], environment=self.environment, element=self.element, reason=reason)


class Passage:
    """What one attempt was given. ``started`` is on the monotonic clock."""

    __slots__ = ("_callers", "_generation", "_guard", "_over", "_permit", "_reported", "_seconds", "_whose", "started")

    def __init__(self, guard: Guard, permit: Permit, callers: dict[str, Bulkhead], whose: str, generation: int, started: float) -> None:
        self._guard = guard
        self._permit = permit
        self._callers = callers
        self._whose = whose
        self._generation = generation
        self._seconds: float | None = None
        self._reported = self._over = False
        self.started = started

    def written(self, now: float) -> None:
        """The call has left."""
        self._permit.written(now)

    def heard(self, now: float) -> None:
        """The head of the answer came."""
        self._seconds = now - self.started
        self._permit.heard(now)

    def report(self, lesson: Lesson, now: float) -> None:
        """What the breaker learns, once."""
        if self._reported:
            return
        self._reported = True
        guard, generation = self._guard, self._generation
        if lesson == "success":
            guard.breaker.success(generation, now, self._seconds or 0.0)
        elif lesson == "failure":
            guard.breaker.failure(generation, now)
        else:
            guard.breaker.nothing(generation, now)
        if guard.breaker.state != guard.told:
            guard.tell()

    def broke(self, now: float) -> None:
        """The body of the answer broke off: a failure more, beside what was said of its head."""
        breaker = self._guard.breaker
        if not self._over and not breaker.state_at(now):  # a probe that was answered is not taken back
            breaker.failure(breaker.enter(now), now)

    def over(self, now: float, *, left: bool = True) -> None:
        """The call has ended, its body too; one that never ``left`` has cost nothing. Harmless when it is said again."""
        if self._over:
            return
        self._over = True
        if not self._reported:
            self.report("nothing", now)
        self._guard.bulkhead.leave(now, self._seconds)
        leave_own(self._callers, self._whose, now)
        self._permit.over(left=left)


def leave_own(callers: dict[str, Bulkhead], whose: str, now: float) -> None:
    """Give back the place of a call in the bulkhead of its caller, ``whose`` key id that is ("": it has none)."""
    if whose:
        own = callers[whose]
        own.leave(now, None)
        if not own.in_flight:
            del callers[whose]


class Guards:
    """All of them. ``settings`` tells how an element is called; a caller may have ``caller_bulkhead`` calls under way (None: any
    number)."""

    def __init__(self, settings: Callable[[str], GuardSettings], caller_bulkhead: int | None = None) -> None:
        self._settings = settings
        self._caller_bulkhead = caller_bulkhead
        self._callers: dict[str, Bulkhead] = {}
        self._guards: dict[tuple[str, str], Guard] = {}

    def of(self, target: Target) -> Guard:
        """The guard of the element that is called."""
        key = target.environment.name, target.element
        guard = self._guards.get(key)
        if guard is None:
            guard = self._guards[key] = Guard(*key, self._settings(key[1]))
        return guard

    def enter_at_once(self, guard: Guard, caller: CallerKey, now: float) -> int | None:
        """As ``enter``, without a permit: the generation; None where the call may not go, or it must be said that something changed, and
        nothing was done. To be left (``leave``), or held by a ``Passage``."""
        batch = caller.priority == "batch"
        if guard.told or guard.breaker.state:
            return None
        if not guard.bulkhead.enter(batch):
            return None
        if self._caller_bulkhead is not None:
            own = self._callers.get(caller.id)
            if own is None:
                own = self._callers[caller.id] = Bulkhead(self._caller_bulkhead)
            if not own.enter(batch):
                guard.bulkhead.leave(now, None)
                return None
        return guard.breaker.enter(now)

    def leave_at_once(self, guard: Guard, caller: CallerKey, now: float) -> None:
        """A call that ``enter_at_once`` let go does not go after all."""
        guard.bulkhead.leave(now, None)
        if self._caller_bulkhead is not None:
            leave_own(self._callers, caller.id, now)

    def leave(self, guard: Guard, caller: CallerKey, generation: int, now: float, seconds: float) -> None:
        """A call that ``enter_at_once`` let go has ended well, ``seconds`` after it began."""
        guard.breaker.success(generation, now, seconds)
        if guard.breaker.state != guard.told:
            guard.tell()
        guard.bulkhead.leave(now, seconds)
        if self._caller_bulkhead is not None:
            leave_own(self._callers, caller.id, now)

    def passage(self, guard: Guard, permit: Permit, caller: CallerKey, generation: int, started: float) -> Passage:
        """What ``enter`` would have given for a call that ``enter_at_once`` let go."""
        return Passage(guard, permit, self._callers, caller.id if self._caller_bulkhead is not None else "", generation, started)

    def enter(self, guard: Guard, permit: Permit, caller: CallerKey | None, now: float) -> Passage:
        """What a call needs to leave. ``Overloaded`` or ``CircuitOpen`` where it may not; then the permit is given back."""
        batch = caller is not None and caller.priority == "batch"
        try:
            guard.require_closed(now)
            whose = self._enter_own(caller, batch)
        except BaseException:
            permit.over(left=False)
            raise
        if not guard.bulkhead.enter(batch):
            leave_own(self._callers, whose, now)
            permit.over(left=False)
            raise Overloaded(f"{guard.bulkhead.in_flight} calls of {guard.element} are under way in {guard.environment}", retry_after=1)
        generation = guard.breaker.enter(now)
        if guard.breaker.state != guard.told:
            guard.tell()
        return Passage(guard, permit, self._callers, whose, generation, now)

    def _enter_own(self, caller: CallerKey | None, batch: bool) -> str:
        if caller is None or self._caller_bulkhead is None:
            return ""
        own = self._callers.get(caller.id)
        if own is None:
            own = self._callers[caller.id] = Bulkhead(self._caller_bulkhead)
        if not own.enter(batch):
            raise Overloaded(f"{own.in_flight} calls of this caller key are under way", retry_after=1)
        return caller.id

    def peek(self, target: Target, now: float) -> dict[str, Any]:
        """What a call would meet, for people; nothing is changed."""
        guard = self.of(target)
        return {"breaker": guard.breaker.describe(now), "under_way": guard.bulkhead.in_flight, "bulkhead": guard.bulkhead.limit}

    def states(self, now: float) -> dict[tuple[str, str], int]:
        """By (environment, element): 0 closed, 1 half-open, 2 open."""
        return {key: guard.breaker.state_at(now) for key, guard in self._guards.items()}

    def under_way(self) -> int:
        """How many calls hold a place."""
        return sum(guard.bulkhead.in_flight for guard in self._guards.values())
