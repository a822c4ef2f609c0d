"""A sandbox on a real socket, and a client that speaks to it without touching paths."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
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
    json: Any


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
        """``target`` follows the base, byte for byte; one under ``/sandbox/`` follows the origin."""
        url = URL((self.origin if target.startswith("/sandbox/") else self.base) + target, encoded=True)
        fields = CIMultiDict(headers)
        if as_ is not None:
            fields.add("Authorization", self.authorization(as_))
        async with self.session.request(method, url, headers=fields, **kwargs) as response:
            raw = await response.read()
            return Reply(response.status, response.headers, raw, await response.json() if raw and method != "HEAD" else None)


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(now=lambda: NOW)


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[Api]:
    async with running(sandbox) as base, ClientSession() as session:
        yield Api(sandbox, session, base)
