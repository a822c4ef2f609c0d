"""Whose secret is bad? The environment's pairs of secrets, and what follows from each 401 of an upstream (threats 28, 41).

An instance's bad token withdraws its mapping, or brings its new token; a bad pair of an environment is replaced by its other one, or
raises an alarm, and no instance is to blame. What a probe cannot tell changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from gateway.errors import GatewayError
from gateway.exchange import Environment, Exchange, Instance, SecretPair, Target
from gateway.secret import Secret
from gateway.upstream.classifier import Asked, Finding
from gateway.upstream.examining import Case, Examiner, InstanceBook
from gateway.upstream.rotation import Ask, Clock, Rotation
from gateway.upstream.shared_tasks import SharedTasks
from gateway.upstream.trials import Strikes, Trials

__all__ = ["Ask", "Asked", "Credentials", "Finding", "InstanceBook"]

_SAYS_NOTHING = frozenset({401, 403, 408, 429})


class Credentials:
    """The room's one object. ``ask`` makes the probes, none longer than ``timeout_s``, and nobody waits longer for a finding; next pairs
    are tried every ``interval_s``. The clocks tell seconds; ``monotonic`` is that of ``Exchange.started``.

    ``watch`` is to run as a task, ``close`` at the end.
    """

    def __init__(
        self,
        environments: Mapping[str, Environment],
        ask: Ask,
        instances: InstanceBook,
        monotonic: Clock,
        wall: Clock,
        *,
        log: Any = None,
        interval_s: float = 30.0,
        timeout_s: float = 10.0,
    ) -> None:
        self._log = structlog.get_logger("gateway.upstream") if log is None else log
        self._rotation = Rotation(environments, ask, monotonic, wall, timeout_s, self._log)
        self._rings = self._rotation.rings
        self._instances = instances
        self._monotonic = monotonic
        self._interval_s = interval_s
        self._trials, self._strikes, self._tasks = Trials(), Strikes(), SharedTasks()
        self._examiner = Examiner(self._rotation, instances, self._trials, self._strikes, self._tasks, monotonic, timeout_s, self._log)

    def pair(self, environment: str) -> SecretPair:
        """The pair that calls carry now."""
        return self._rings[environment].in_use

    def pairs(self, environment: str) -> tuple[SecretPair, ...]:
        """All that are configured: echoes of any of them are masked."""
        return self._rings[environment].pairs

    def alarm(self, environment: str) -> bool:
        """Whether no pair of the environment works."""
        return self._rings[environment].alarm

    def degraded(self) -> str | None:
        """A reason to be degraded, or None."""
        names = [name for name, ring in self._rings.items() if ring.alarm]
        return f"Cloud Elements refuses the secrets of {', '.join(names)}" if names else None

    def describe(self) -> list[dict[str, Any]]:
        """For people: ``{"environment", "pair" (1 or 2), "pairs", "since" (seconds since the epoch), "alarm"}`` of each environment."""
        return [ring.describe() for ring in self._rings.values()]

    def admits(self, instance: Instance) -> float:
        """0.0: the call may go; else the seconds until one may. A mapping that needs authorization gets one trial a minute, and a call
        that may go has taken it: ask for those that really leave."""
        return self._trials.admit(instance.handle, self._monotonic()) if instance.needs_authorization else 0.0

    def heard(self, target: Target, status: int) -> None:
        """An upstream answered with ``status``. A trial that was not refused ends the need of authorization; 408, 429 and 5xx say
        nothing of it."""
        instance = target.instance
        if instance is None:
            return
        if status < 400 and self._strikes:
            self._strikes.forget(instance.handle)
        if instance.needs_authorization and status < 500 and status not in _SAYS_NOTHING:
            self._tasks.start(("restore", instance.environment, instance.handle), lambda: self._restore(instance))

    async def examine(self, target: Target, used: SecretPair, token: Secret | None, provider_message: bool, exchange: Exchange) -> Finding:
        """What the 401 to a call with the pair ``used`` and the instance's ``token`` means, and what follows is done.

        ``provider_message``: the provider refused it, so Cloud Elements itself did not. Whoever leaves meanwhile disturbs nobody. The
        exchange learns the finding and its reason. On REPEAT, send to ``renewed(target)`` with ``pair``, once.
        """
        case = Case(self._rings[target.environment.name], used, target.instance, token, exchange.started)
        finding, reason = await self._examiner.examine(case, by_provider=provider_message)
        exchange.note("authorization", finding.value, reason)
        return finding

    async def renewed(self, target: Target) -> Target:
        """``target`` with the mapping as it is now."""
        instance = await self._examiner.latest(target.instance) if target.instance else None
        return target if instance is None else replace(target, instance=instance)

    async def watch(self) -> None:
        """Endless: try the next pairs, and all of them in an alarm."""
        await self._rotation.watch(self._interval_s)

    async def close(self) -> None:
        """End the probes that are on their way."""
        await self._tasks.close()

    async def _restore(self, instance: Instance) -> None:
        try:
            await self._instances.withdraw(instance.handle, unauthorized=False)
        except GatewayError:
            return  # the next trial tries it again
        self._trials.forget(instance.handle)
        self._log.info("mapping is authorized again", handle=instance.handle, element=instance.element, environment=instance.environment)
