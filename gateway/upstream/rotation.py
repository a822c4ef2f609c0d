"""Two pairs of secrets for each environment: the next one takes over before the other dies, and each stands in for the other.

Secrets are changed at Cloud Elements by people, at a moment that no gateway knows. So the next pair is tried now and then, with a call
that changes nothing; once it is taken, calls carry it. The other one stays, for the case that the new one is refused after all.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.errors import GatewayError
from gateway.exchange import Environment, SecretPair
from gateway.upstream.classifier import SAMPLE, Asked, Word, first_id, word
from gateway.upstream.secret_pairs import Ring

Ask = Callable[[Environment, SecretPair, str], Awaitable[Asked]]
"""One GET of a path as a platform call with this pair; raises ``GatewayError`` where no answer came."""

Clock = Callable[[], float]

ALARM_S = 5.0
_NOTHING = Asked(0)


class Rotation:
    """The pairs in use, by environment. ``ask`` makes the probes; the clocks tell seconds."""

    def __init__(
        self, environments: Mapping[str, Environment], ask: Ask, monotonic: Clock, wall: Clock, timeout_s: float, log: Any
    ) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._wall = wall
        self._timeout_s = timeout_s
        self._log = log
        self.rings = {name: Ring.of(environment, wall()) for name, environment in environments.items()}

    async def probe(self, ring: Ring, pair: SecretPair, path: str) -> Asked:
        """Status 0 where no answer came in time."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask(ring.environment, pair, path)
        except (GatewayError, TimeoutError):
            return _NOTHING

    def passed(self, ring: Ring, asked_at: float) -> None:
        """The pair in use was good in a probe that was sent at ``asked_at``: an alarm ends."""
        ring.passed(asked_at, self._monotonic())
        if ring.alarm:
            ring.alarm = False
            self._log.info("environment authorized again", environment=ring.environment.name, pair=ring.index + 1)

    async def switch(self, ring: Ring, bad: SecretPair, path: str) -> Word:
        """The pair in use, ``bad``, was refused: GOOD where another is in use now, BAD where there is none: alarm."""
        if ring.in_use is not bad:
            return Word.GOOD
        ring.failed()
        other = ring.other
        if other is not None:
            asked_at = self._monotonic()
            said = word(await self.probe(ring, ring.pairs[other], path))
            if ring.in_use is not bad:
                return Word.GOOD
            if said is Word.GOOD:
                self._turn(ring, other, asked_at)
            if said is not Word.BAD:
                return said
        if not ring.alarm:
            ring.alarm = True
            self._log.error("environment unauthorized", environment=ring.environment.name, pairs=len(ring.pairs))
        return Word.BAD

    def _turn(self, ring: Ring, index: int, asked_at: float) -> None:
        ring.turn(index, self._wall())
        event = "secrets taken over" if index else "secrets fell back"
        self._log.warning(event, environment=ring.environment.name, pair=index + 1)
        self.passed(ring, asked_at)

    async def watch(self, interval_s: float) -> None:
        """Endless: try each next pair at once and every ``interval_s``, and in an alarm all of them, more often."""
        async with asyncio.TaskGroup() as group:
            for ring in self.rings.values():
                group.create_task(self._watch(ring, interval_s))

    async def _watch(self, ring: Ring, interval_s: float) -> None:
        due = self._monotonic()
        while True:
            if ring.alarm:
                await self._recover(ring)
            elif len(ring.pairs) > 1 and ring.index == 0 and self._monotonic() >= due:
                await self._try_next(ring)
                due = self._monotonic() + _jittered(interval_s)
            await asyncio.sleep(_jittered(min(interval_s, ALARM_S)))

    async def _recover(self, ring: Ring) -> None:
        used = ring.index
        for index in (used, ring.other):
            if index is None or ring.index != used or not ring.alarm:
                return
            asked_at = self._monotonic()
            said = word(await self.probe(ring, ring.pairs[index], SAMPLE))
            if said is not Word.GOOD or ring.index != used:
                continue
            if index == used:
                self.passed(ring, asked_at)
            else:
                self._turn(ring, index, asked_at)

    async def _try_next(self, ring: Ring) -> None:
        """Let the next pair take over if it is taken, and sees what the pair in use sees."""
        used, spare, asked_at = ring.in_use, ring.pairs[1], self._monotonic()
        if (await self.probe(ring, spare, SAMPLE)).status not in (200, 404):  # 404: there are no instances (API page 0.2)
            return
        seen = await self.probe(ring, used, SAMPLE)
        known = first_id(seen)
        if word(seen) is Word.SILENT or (word(seen) is Word.BAD and ring.stranger):
            return
        if known is not None and (status := (await self.probe(ring, spare, f"/instances/{known}")).status) != 200:
            if status == 404 and not ring.stranger:
                ring.stranger = True
                self._log.error("next secrets are of another account", environment=ring.environment.name)
            return
        ring.stranger = False
        if ring.in_use is used:
            self._turn(ring, 1, asked_at)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311 - spreads probes over time
