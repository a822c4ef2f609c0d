"""A sandbox on a real socket, and a client that speaks to it without touching paths."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from gateway.sandbox import Sandbox
from gateway.sandbox.server import running

NOW = datetime(2019, 1, 2, 3, 4, 5, tzinfo=UTC)
PLATFORM = "User sandbox-user, Organization sandbox-org"


@dataclass
class Reply:
    status: int
    headers: CIMultiDictProxy[str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw) if self.raw else None


@dataclass
class Clock:
    """The time of the sandbox, which stands still until it is moved."""

    now: datetime = NOW

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Api:
    """``as_`` is the Authorization value: an instance's name stands for all three secrets, ``platform`` for two, None for no header."""

    def __init__(self, sandbox: Sandbox, session: ClientSession, base: str) -> None:
        self.sandbox = sandbox
        self.session = session
        self.base = base
        self.origin = base.removesuffix("/elements/api-v2")

    def token(self, name: str) -> str:
        return next(instance.token for instance in self.sandbox.instances if instance.name == name)

    def authorization(self, as_: str) -> str:
        if as_ == "platform":
            return PLATFORM
        return as_ if " " in as_ else f"{PLATFORM}, Element {self.token(as_)}"

    async def __call__(self, method: str, target: str, as_: str | None = "platform", headers: Any = (), **kwargs: Any) -> Reply:
        """``target`` follows the base, byte for byte; one under ``/sandbox`` follows the origin, and a whole URL stands."""
        base = "" if target.startswith("http") else self.origin if target.startswith("/sandbox") else self.base
        url = URL(base + target, encoded=True)
        fields = CIMultiDict(headers)
        if as_ is not None:
            fields.add("Authorization", self.authorization(as_))
        async with self.session.request(method, url, headers=fields, allow_redirects=False, **kwargs) as response:
            return Reply(response.status, response.headers, await response.read())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def everything() -> bool:
    """Whether the sandbox of a test has an instance of every element: ``hooli-<key>``."""
    return False


@pytest.fixture
def sandbox(clock: Clock, everything: bool) -> Sandbox:
    return Sandbox(now=lambda: clock.now, everything=everything)


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[Api]:
    async with running(sandbox) as base, ClientSession() as session:
        yield Api(sandbox, session, base)
