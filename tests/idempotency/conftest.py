"""A database, a clock that stands still until it is told otherwise, a room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.database.engine import Database, open_database, upgrade
from gateway.idempotency import KeptAnswers
from gateway.instances.vault import Vault
from tests.idempotency.scene import DAY_S, Room, room_on

MOST = 1000


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault() -> Vault:
    return Vault([("k1", b"1" * 32)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    upgrade(tmp_path / "gateway.db")
    return tmp_path / "gateway.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with open_database(path) as database:
        yield database


@pytest.fixture
def store(database: Database, vault: Vault, clock: Clock) -> KeptAnswers:
    return KeptAnswers(database, vault, clock, DAY_S, 64 * 1024**2)


@pytest.fixture
async def room(store: KeptAnswers) -> AsyncIterator[Room]:
    """Nothing is left behind in it."""
    room = room_on(store, MOST)
    yield room
    await room.idempotency.close()
    assert len(room.idempotency._turns) == 0
