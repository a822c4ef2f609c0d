"""May callers be sent here? ``/readyz`` (contract 1): a lost store makes the gateway degraded, never unready, while calls can be served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Health:
    """The state of the whole process. Each of ``checks`` answers a reason for being degraded, or None."""

    def __init__(self) -> None:
        self.started = False
        self.draining = False
        self.checks: list[Callable[[], str | None]] = []

    def is_draining(self) -> bool:
        return self.draining

    def readiness(self) -> tuple[int, dict[str, Any]]:
        """(status, document) of ``/readyz``."""
        if self.draining:
            return 503, {"status": "draining"}
        if not self.started:
            return 503, {"status": "starting"}
        reasons = [reason for check in self.checks if (reason := check()) is not None]
        return 200, {"status": "degraded", "reasons": reasons} if reasons else {"status": "ready"}
