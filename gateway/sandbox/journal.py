"""What really arrived: the calls that reached the sandbox, without any header's value."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """One call. ``target`` is path and query as they stood in the request line; ``element`` and ``instance`` are those of a living
    token, else None; ``headers`` are names only, as spelled, in order; ``number`` counts from 1 since the start or
    ``clear``."""

    method: str
    target: str
    element: str | None
    instance: int | None
    headers: list[str]
    number: int = 0


@dataclass(slots=True)
class Journal:
    """``count`` is of all calls since the start or ``clear``; of them the last 10,000 are in ``arrivals``."""

    count: int = 0
    arrivals: deque[Arrival] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, method: str, target: str, element: str | None, instance: int | None, headers: list[str]) -> None:
        self.count += 1
        self.arrivals.append(Arrival(method, target, element, instance, headers, self.count))

    def clear(self) -> None:
        self.count = 0
        self.arrivals.clear()

    def document(self, since: int = 0, element: str = "", instance: str = "", method: str = "") -> dict[str, Any]:
        """What is kept of the calls after number ``since``, of one element, instance and method where they are given."""
        calls = [
            asdict(arrival)
            for arrival in self.arrivals
            if arrival.number > since
            and (not element or arrival.element == element)
            and (not instance or str(arrival.instance) == instance)
            and (not method or arrival.method == method.upper())
        ]
        return {"count": self.count, "calls": calls}
