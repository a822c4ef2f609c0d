"""Which pauses hold a call back, and what its caller is told. Pure rules.

A pause names an environment, a customer or an element, or several of them; what it does not name is whatever it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.errors import Paused

MOST = 1000
"""How many may be in force at once."""

Scope = tuple[str | None, str | None, str | None]
"""(environment, customer, element) as a pause names them, None for whichever."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Calls of ``scope`` are held back until ``ends_at`` (seconds since the epoch); callers are told ``reason``."""

    id: str
    scope: Scope
    reason: str
    ends_at: float


def by_scope(pauses: Iterable[Pause]) -> dict[Scope, Pause]:
    """Of each scope the pause that ends last: while one is in force, it is that one that counts."""
    last: dict[Scope, Pause] = {}
    for pause in sorted(pauses, key=lambda pause: pause.ends_at):
        last[pause.scope] = pause
    return last


def in_force(last: Mapping[Scope, Pause], environment: str, customer: str, element: str, now: float) -> Pause | None:
    """Of the pauses that hold back such a call at ``now``, the one that ends last; None where the call may go on.

    ``last`` is what ``by_scope`` made. However many there are, at most seven of them can be meant.
    """
    found: Pause | None = None
    for scope in (
        (environment, None, None),
        (None, customer, None),
        (None, None, element),
        (environment, customer, None),
        (environment, None, element),
        (None, customer, element),
        (environment, customer, element),
    ):
        pause = last.get(scope)
        if pause is not None and pause.ends_at > now and (found is None or pause.ends_at > found.ends_at):
            found = pause
    return found


def refusal(pause: Pause, now: float) -> Paused:
    """How a call is refused that ``pause`` holds back: what is paused, until when, why; ``retry_after`` is what is left of it."""
    until = datetime.fromtimestamp(pause.ends_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Paused(f"{_what(pause.scope)} are paused until {until}: {pause.reason}", retry_after=pause.ends_at - now)


def _what(scope: Scope) -> str:
    environment, customer, element = scope
    calls = f"{element} calls" if element else "calls"
    return calls + (f" for {customer}" if customer else "") + (f" in {environment}" if environment else "")
