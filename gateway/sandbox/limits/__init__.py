"""Limits by element: real refusals at the providers' figures, counted per instance. Off unless they are switched on.

The counting is written here anew, though ``gateway/limits/`` counts too: a stand-in that shared the code of what it tests would
share its mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gateway.sandbox.call import Answer, ApiError
from gateway.sandbox.catalog import ELEMENTS
from gateway.sandbox.instances import Instance
from gateway.sandbox.limits.files import FileLimits
from gateway.sandbox.limits.forms import FORMS, Breach
from gateway.sandbox.limits.meter import Meter
from gateway.sandbox.limits.settings import ElementLimit, parsed
from gateway.sandbox.limits.table import TABLE


class Limits:
    """``enabled`` is whether refusals happen; the table can be overridden by element."""

    def __init__(self, enabled: bool) -> None:
        self._at_start = enabled
        self.files = FileLimits()
        self.reset()

    def reset(self) -> None:
        """As at the start: nothing spent, nothing overridden."""
        self.enabled = self._at_start
        self.files = FileLimits()
        self._own: dict[str, ElementLimit] = {}
        self._meters: dict[int, tuple[str, Meter]] = {}  # by instance, with its element's key

    def load(self, document: Mapping[str, Any]) -> None:
        """PUT /sandbox/limits; what is spent is forgotten. Raises ``ApiError`` 400, and then nothing has changed."""
        settings = parsed(document)
        if unknown := [key for key in settings.elements if key not in ELEMENTS]:
            raise ApiError(400, f"elements.{unknown[0][:40]}: expected the key of an element")
        self.enabled, self._own, self.files = settings.enabled, dict(settings.elements), settings.files
        self._meters.clear()

    @contextmanager
    def call(self, instance: Instance | None, request_id: str, now: float) -> Iterator[Answer | None]:
        """One call of an instance: the refusal where its budget is spent, else None, and its place among those in flight while inside."""
        meter = self._meter(instance) if self.enabled and instance else None
        if meter is None or instance is None:
            yield None
            return
        breach = meter.enter(now)
        if breach is not None:
            yield self._refusal(instance, breach, request_id)
            return
        try:
            yield None
        finally:
            meter.leave()

    def spend_unseen(self, instance: Instance, calls: int, now: float) -> None:
        """Calls that Cloud Elements makes by itself for an instance: they count, and are never refused."""
        meter = self._meter(instance) if self.enabled else None
        if meter:
            meter.count(calls, now)

    def document(self, now: float) -> dict[str, Any]:
        """GET /sandbox/limits."""
        spent = [{"instance": id_, "element": key, **meter.document(now)} for id_, (key, meter) in self._meters.items()]
        elements = {key: limit.model_dump() for key, limit in ({**TABLE, **self._own}).items()}
        return {"enabled": self.enabled, "elements": elements, "files": self.files.model_dump(), "spent": spent}

    def _limit(self, key: str) -> ElementLimit | None:
        return self._own.get(key) or TABLE.get(key)

    def _meter(self, instance: Instance) -> Meter | None:
        known = self._meters.get(instance.id)
        if known:
            return known[1]
        limit = self._limit(instance.element.key)
        if limit is None:
            return None
        meter = Meter(limit.rates(), limit.concurrency)
        self._meters[instance.id] = (instance.element.key, meter)
        return meter

    def _refusal(self, instance: Instance, breach: Breach, request_id: str) -> Answer:
        limit = self._limit(instance.element.key)
        return FORMS[limit.form if limit else "plain"](instance.element, breach, request_id)
