"""What goes on beside the calls: noticing what others write, counting mappings, writing down when keys were used."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.callers.store import Keys
from gateway.database.engine import Database, follow
from gateway.errors import GatewayError
from gateway.instances.store import Instances
from gateway.pauses import Pauses
from gateway.telemetry.metrics import Metrics

FOLLOW_S = 0.5  # a change made elsewhere is noticed within 2 s (contract 5)
_PROBE_S = 1.0
_FLUSH_S = 10.0


class Following:
    """The tasks beside the calls, while ``running``."""

    def __init__(self, database: Database, instances: Instances, keys: Keys, pauses: Pauses, metrics: Metrics) -> None:
        self._database = database
        self._instances = instances
        self._keys = keys
        self._pauses = pauses
        self._metrics = metrics
        self._changed = asyncio.Event()
        self._reachable = True

    def degraded(self) -> str | None:
        """A reason to be degraded, or None."""
        return None if self._reachable else "the database cannot be reached"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self._pauses.load()
        self._metrics.set_instances(await self._instances.counts())
        works = (follow(self._database, FOLLOW_S, self._on_change), self._reread(), self._probe(), self._flush())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(GatewayError):
                await self._keys.flush()

    def _on_change(self) -> None:
        self._instances.forget()
        self._keys.forget()
        self._changed.set()

    async def _reread(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._pauses.load()
                self._metrics.set_instances(await self._instances.counts())
            except GatewayError:  # nobody says it a second time
                self._changed.set()
                await asyncio.sleep(FOLLOW_S)

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(_PROBE_S)
            try:
                await self._database.probe()
                self._reachable = True
            except GatewayError:
                self._reachable = False

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_S)
            with contextlib.suppress(GatewayError):
                await self._keys.flush()
