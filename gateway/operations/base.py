"""What all verbs share: where they work, the clock, the audit line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from time import time
from typing import Any

import structlog

from gateway.database.engine import Database
from gateway.errors import PreconditionFailed, UnknownEnvironment
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


def version_of(row: Mapping[Any, Any], *, without: Collection[str] = ()) -> str:
    """A text that is another one whenever a column of ``row`` changed, but for those in ``without``.

    Secrets count with what is stored of them, their ciphertext or digest: a new token of the same mapping is a new version.
    """
    values = sorted((str(name), value) for name, value in row.items() if name not in without)
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def require_version(version: str, versions: Collection[str] | None) -> None:
    """``PreconditionFailed`` unless ``version`` is one of ``versions``, or these are None: whichever (RFC 9110 §13.1.1)."""
    if versions is not None and version not in versions:
        raise PreconditionFailed("it was changed since: get it again, and say in If-Match the ETag that it has now")


def audit(actor: str, verb: str, target: str, **more: object) -> None:
    """One line for the trail: ``actor`` did ``verb`` to ``target`` (an id)."""
    _audit.info("audit", actor=actor, verb=verb, id=target, **more)


def moment(seconds: float) -> datetime:
    """A stored time as people and JSON see it."""
    return datetime.fromtimestamp(seconds, UTC)


def moment_or_none(seconds: float | None) -> datetime | None:
    """The same for a time that may be absent."""
    return None if seconds is None else moment(seconds)
