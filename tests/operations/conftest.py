"""A database, two environments, a clock that stands still until it is told otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.database.engine import Database, open_database, upgrade
from gateway.instances.vault import Vault
from gateway.operations import Operations
from gateway.settings import Config

ACCOUNT = {"base_url": "http://x", "user_secret": "env:A", "organization_secret": "env:B"}


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def config() -> Config:
    return Config.model_validate({"environments": {"dev": ACCOUNT, "prod": ACCOUNT}})


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
def operations(database: Database, vault: Vault, config: Config, clock: Clock) -> Operations:
    return Operations(database, vault, config, clock)
