"""Whether what was found out before still holds: for the fast paths, which do not ask again."""

from __future__ import annotations

from collections.abc import Callable

from gateway.callers import KeyStore
from gateway.instances import InstanceStore
from gateway.pauses import Pauses
from gateway.server.shedding import Shedder
from gateway.telemetry.tally import SAMPLED


class Standing:
    """``keys`` and ``instances`` tell by their generation that something changed; ``traced``: whether calls may be."""

    def __init__(
        self, keys: KeyStore, instances: InstanceStore, pauses: Pauses, shedder: Shedder, draining: Callable[[], bool], *, traced: bool
    ) -> None:
        self.keys = keys
        self.draining = draining
        self._instances = instances
        self._pauses = pauses
        self._shedder = shedder
        self._traced = traced
        self._keys_seen = keys.generation
        self._instances_seen = instances.generation
        self._forget: list[Callable[[], None]] = []

    def when_changed(self, forget: Callable[[], None]) -> None:
        """``forget`` is called when a key or a mapping changed."""
        self._forget.append(forget)

    def lets(self, traceparent: bytes | None) -> bool:
        """Whether a call with this ``traceparent`` (None: its caller sent none) may take a fast path now: nothing changed, nothing is
        paused, the gateway neither drains nor sheds, and the call is not traced."""
        return (
            self.keys.generation == self._keys_seen
            and self._instances.generation == self._instances_seen
            and not self._pauses.known
            and self._shedder.share >= 1.0
            and not self.draining()
            and not (self._traced and (traceparent is None or traceparent[-1] in SAMPLED))
        )

    @property
    def generation(self) -> tuple[int, int]:
        """What was found out under another one counts no more. Looking at it forgets what is known where something changed."""
        now = self.keys.generation, self._instances.generation
        if now != (self._keys_seen, self._instances_seen):
            self._keys_seen, self._instances_seen = now
            for forget in self._forget:
                forget()
        return now
