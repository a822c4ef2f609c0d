"""What all verbs share: where they work, the clock, the audit line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from time import time

import structlog

from gateway.database.engine import Database
from gateway.errors import UnknownEnvironment
from gateway.instances.vault import Vault
from gateway.settings import Config

_audit = structlog.get_logger("gateway.audit")


class Verbs:
    """The ground on which verbs stand. ``clock`` tells seconds since the epoch."""

    def __init__(self, database: Database, vault: Vault, config: Config, clock: Callable[[], float] = time) -> None:
        self._database = database
        self._vault = vault
        self._config = config
        self._clock = clock

    def _require_environments(self, names: Iterable[str]) -> None:
        if not set(names) <= set(self._config.environments):
            raise UnknownEnvironment(f"configured: {', '.join(sorted(self._config.environments)) or 'none'}")


def audit(actor: str, verb: str, target: str, **more: object) -> None:
    """One line for the trail: ``actor`` did ``verb`` to ``target`` (an id)."""
    _audit.info("audit", actor=actor, verb=verb, id=target, **more)


def moment(seconds: float) -> datetime:
    """A stored time as people and JSON see it."""
    return datetime.fromtimestamp(seconds, UTC)


def moment_or_none(seconds: float | None) -> datetime | None:
    """The same for a time that may be absent."""
    return None if seconds is None else moment(seconds)
