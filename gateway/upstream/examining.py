"""Looking into a 401: one probe for all who ask about one mapping, and a few at most for one environment (threat 41).

While it is open whether the environment's pair of secrets is good, one probe at a time settles it for everybody. What a probe could not
tell is not asked again for some seconds, so that a storm of 401s makes no storm of probes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cachetools import LRUCache

from gateway.errors import GatewayError
from gateway.exchange import Instance, SecretPair
from gateway.secret import Secret
from gateway.upstream.classifier import Blame, Finding, Word, blame, probe_of, word
from gateway.upstream.rotation import Clock, Rotation
from gateway.upstream.secret_pairs import Ring
from gateway.upstream.shared_tasks import SharedTasks
from gateway.upstream.trials import Strikes, Trials

UNCLEAR_S = 5.0
_AT_ONCE = 4
_MOST = 10_000

Told = tuple[Finding, str]
"""A finding and its reason."""


class InstanceBook(Protocol):
    """What this room needs of the mappings; each may raise ``GatewayError``."""

    async def by_handle(self, handle: str) -> Instance | None: ...

    async def withdraw(self, handle: str, *, unauthorized: bool) -> None: ...

    async def replace_token(self, handle: str, token: Secret) -> None: ...


@dataclass(slots=True)
class _Gate:
    """``first``: one at a time while the pair may be bad; ``several``: a few once it is known to be good."""

    first: asyncio.Lock = field(default_factory=asyncio.Lock)
    several: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))


@dataclass(frozen=True, slots=True)
class Case:
    """A call that was answered 401: with which secrets, and when it began on the monotonic clock. ``token`` is None where
    ``instance`` is: a platform call."""

    ring: Ring
    used: SecretPair
    instance: Instance | None
    token: Secret | None
    started: float

    @property
    def name(self) -> str:
        return self.ring.environment.name

    @property
    def handle(self) -> str:
        return self.instance.handle if self.instance else ""


class Examiner:
    """Tells what a 401 means, and does what follows from it. Nobody waits longer than ``timeout_s`` for a finding."""

    def __init__(
        self,
        rotation: Rotation,
        instances: InstanceBook,
        trials: Trials,
        strikes: Strikes,
        tasks: SharedTasks,
        monotonic: Clock,
        timeout_s: float,
        log: Any,
    ) -> None:
        self._rotation = rotation
        self._instances = instances
        self._trials = trials
        self._strikes = strikes
        self._tasks = tasks
        self._monotonic = monotonic
        self._timeout_s = timeout_s
        self._log = log
        self._gates = {name: _Gate() for name in rotation.rings}
        self._remembered: LRUCache[tuple[str, str | None], tuple[float, Told]] = LRUCache(_MOST)

    async def examine(self, case: Case, *, by_provider: bool) -> Told:
        """``by_provider``: Cloud Elements let the call through, and the provider refused it."""
        told = await self._known(case, by_provider)
        if told is not None:
            return told
        task = self._tasks.start((case.name, case.handle), lambda: self._look_into(case))
        try:
            async with asyncio.timeout(self._timeout_s):
                found: Told = await asyncio.shield(task)
                return found
        except TimeoutError:
            return Finding.UNCLEAR, "no probe was answered in time"

    async def latest(self, instance: Instance) -> Instance | None:
        """The mapping as it is now, None where it is gone; as it was where that cannot be read."""
        try:
            return await self._instances.by_handle(instance.handle)
        except GatewayError:
            return instance

    async def _known(self, case: Case, by_provider: bool) -> Told | None:
        """What is to be said without a probe."""
        before = case.instance
        if (told := self._settled(case)) is not None or before is None:
            return told
        instance = await self.latest(before)
        if instance is None:
            return Finding.UNCLEAR, "the mapping is gone"
        if instance.token != case.token:
            return Finding.REPEAT, "the mapping has another token"
        if instance.needs_authorization and not before.needs_authorization:
            return Finding.QUARANTINED, "the mapping was refused meanwhile"
        if by_provider and not instance.needs_authorization and not self._strikes.count(instance.handle):
            return Finding.UNCLEAR, "the provider refused it, which may pass"
        return None

    def _settled(self, case: Case) -> Told | None:
        ring = case.ring
        if case.used != ring.in_use:
            return Finding.REPEAT, "other secrets took over"
        for key in ((case.name, None), (case.name, case.handle)):
            until, told = self._remembered.get(key, (0.0, None))
            if told is not None and self._monotonic() < until and (ring.alarm or told[0] is not Finding.ENVIRONMENT):
                return told
        return None

    async def _look_into(self, case: Case) -> Told:
        gate = self._gates[case.name]
        async with gate.first:
            told = self._settled(case)
            if told is not None:
                return told
            if self._monotonic() >= case.ring.trusted_until:
                return await self._judged(case) or await self._replaced(case)
        async with gate.several:
            told = self._settled(case) or await self._judged(case)
        if told is not None:
            return told
        async with gate.first:
            return self._settled(case) or await self._replaced(case)

    async def _judged(self, case: Case) -> Told | None:
        """What the pair in use finds out; None where it is bad."""
        ring, asked_at = case.ring, self._monotonic()
        pair = ring.in_use
        asked = await self._rotation.probe(ring, pair, probe_of(case.instance))
        if ring.in_use is not pair:
            return Finding.REPEAT, "other secrets took over"
        match word(asked):
            case Word.BAD:
                return None
            case Word.SILENT:
                return self._unclear(case, "Cloud Elements could not be asked")
        self._rotation.passed(ring, asked_at)
        if case.instance is None or case.token is None:
            return self._remember([case.handle], case, Finding.UNCLEAR, "the secrets are good: the path itself refuses")
        try:
            return await self._drawn(case, case.instance, case.token, blame(asked, case.instance, case.token))
        except GatewayError:
            return self._remember([case.handle], case, Finding.UNCLEAR, "what was found could not be written down")

    async def _replaced(self, case: Case) -> Told:
        """The pair in use is bad: what the other one makes of it."""
        match await self._rotation.switch(case.ring, case.ring.in_use, probe_of(case.instance)):
            case Word.GOOD:
                return Finding.REPEAT, "other secrets took over"
            case Word.BAD:
                return self._remember([None], case, Finding.ENVIRONMENT, "Cloud Elements refuses the environment's secrets")
        return self._unclear(case, "the secrets are refused, and the others could not be tried")

    async def _drawn(self, case: Case, instance: Instance, token: Secret, found: Blame) -> Told:
        """The consequence of ``found``, which a good pair said of the mapping."""
        now = await self.latest(instance)
        said = {"handle": instance.handle, "element": instance.element, "environment": case.name}
        if now is None or now.token != token:
            return Finding.REPEAT, "the mapping has another token"
        if found.token is not None:
            await self._instances.replace_token(instance.handle, found.token)
            self._log.info("mapping has a new token", **said)
        elif case.started < case.ring.good_since:
            return Finding.REPEAT, "the environment's secrets were bad when the call began"
        else:
            await self._instances.withdraw(instance.handle, unauthorized=True)
            self._trials.postpone(instance.handle, self._monotonic())
            if not now.needs_authorization:
                self._log.warning("mapping needs authorization", reason=found.reason, **said)
        self._strikes.forget(instance.handle)
        return (Finding.QUARANTINED if found.token is None else Finding.REPEAT), found.reason

    def _unclear(self, case: Case, reason: str) -> Told:
        told = self._remember([None], case, Finding.UNCLEAR, reason)
        # Longer for itself than for the others, who thus come first the next time.
        return self._remember([case.handle], case, *told, seconds=2 * UNCLEAR_S)

    def _remember(self, handles: Iterable[str | None], case: Case, finding: Finding, reason: str, *, seconds: float = UNCLEAR_S) -> Told:
        for handle in handles:
            self._remembered[case.name, handle] = self._monotonic() + seconds, (finding, reason)
        return finding, reason
