"""The record of a call that is traced: an exchange that also remembers when each step began and when each decision fell.

Rooms fill it as they fill any exchange and do not know which of the two they have. It is made only for calls that are sampled, so a
call that is not costs what it costs without tracing.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from gateway.exchange import Exchange

UPSTREAM = "upstream"
"""The phase of a call that has left: each one is an attempt, with a span id of its own."""


class TracedExchange(Exchange):
    """``traceparent`` is what goes up with the next attempt: the trace, the id of that attempt's span, sampled.

    ``parent`` is the caller's span id, ``""`` where the trace begins here. ``steps`` are (phase, when it began), ``moments`` stand
    beside ``decisions``: (index of the step, when). ``attempts`` are the span ids under which calls left. ``clock`` is monotonic.
    """

    def __init__(
        self,
        request_id: str,
        method: str,
        path: str,
        started: float,
        time: float,
        traceparent: str,
        *,
        goes_on: bool,
        clock: Callable[[], float],
    ) -> None:
        """``goes_on``: ``traceparent`` is the caller's and its trace goes on; else it was drawn for this call."""
        super().__init__(request_id, method, path, started, time)
        _, self.trace_id, span_id, _ = traceparent.split("-")
        self.parent = span_id if goes_on else ""
        self.starts_trace = not goes_on
        self.steps: list[tuple[str, float]] = [("identify", started)]
        self.moments: list[tuple[int, float]] = []
        self.attempts: list[str] = []
        self._clock = clock
        self._sign(new_span_id() if goes_on else span_id)

    @property
    def phase(self) -> str:
        return self.steps[-1][0]

    @phase.setter
    def phase(self, name: str) -> None:
        if name == UPSTREAM:
            self.attempts.append(self._next)
        elif name == "limits" and self.attempts:  # there will be another one
            self._sign(new_span_id())
        self.steps.append((name, self._clock()))

    def note(self, room: str, decision: str, reason: str = "") -> None:
        """Remember what a room decided and why, and when."""
        super().note(room, decision, reason)
        self.moments.append((len(self.steps) - 1, self._clock()))

    def _sign(self, span_id: str) -> None:
        self._next = span_id
        # Of the flags only the one that is defined may be set (W3C Trace Context §3.2.2.5.2).
        self.traceparent = f"00-{self.trace_id}-{span_id}-01"


def new_span_id() -> str:
    """16 hexadecimal digits, not all of them zero (W3C Trace Context §3.2.2.4)."""
    return f"{random.getrandbits(64) | 1:016x}"
