"""Which calls are traced, and under which ids (W3C Trace Context); what is known of them goes to whoever delivers it.

Nothing of OpenTelemetry is needed here: ``spans.py`` says what a call looks like as spans, ``tracing_export.py`` hands them to the SDK.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.exchange import Exchange
from gateway.telemetry.tracing_exchange import TracedExchange


class Tracing:
    """``ratio`` of the calls that bring no trace with them are traced; for the others their caller has decided (its sampled flag).

    ``take`` is given each traced call when it is over, and must not block. ``clock`` is the monotonic one of ``Exchange.started``.
    """

    def __init__(self, ratio: float, take: Callable[[TracedExchange], None], clock: Callable[[], float]) -> None:
        self._bound = round(ratio * (1 << 64))
        self._take = take
        self._clock = clock

    def samples(self, traceparent: str, *, goes_on: bool) -> bool:
        """Whether the call with this ``traceparent`` is traced; ``goes_on``: it is the caller's."""
        if goes_on:
            return bool(int(traceparent[-2:], 16) & 1)
        # By the trace's own number, so that all who share a ratio choose the same traces (OpenTelemetry's TraceIdRatioBased).
        return int(traceparent[19:35], 16) < self._bound

    def begin(self, request_id: str, method: str, path: str, started: float, time: float, traceparent: str, *, goes_on: bool) -> Exchange:
        """The record of a call that begins. One that is not traced is as it would be without tracing, its ``traceparent`` too."""
        if not self.samples(traceparent, goes_on=goes_on):
            return Exchange(request_id, method, path, started, time, traceparent)
        return TracedExchange(request_id, method, path, started, time, traceparent, goes_on=goes_on, clock=self._clock)

    def record(self, exchange: Exchange) -> None:
        """A call is over."""
        if isinstance(exchange, TracedExchange):
            self._take(exchange)
