"""Both HTTP clients, one after the other; a test names where one is known to differ, and fails where it does not any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, cast

import pytest

from gateway.upstream.protocol import ClientSettings, StaleConnection, Timeouts, UpstreamClient

Name = Literal["lean", "aiohttp"]
CLIENTS = {"lean": "gateway.upstream.client:Client", "aiohttp": "gateway.upstream.session_client:SessionClient"}


def named(path: str) -> object:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


@dataclass(frozen=True)
class Clients:
    """Makes clients of one kind; ``stale`` is what it raises where a kept connection is dead."""

    name: Name
    request: pytest.FixtureRequest
    made: list[Any] = field(default_factory=list)

    @property
    def stale(self) -> type[Exception]:
        return StaleConnection

    def __call__(
        self,
        *,
        connect_timeout: float = 5.0,
        response_timeout: float = 5.0,
        body_timeout: float = 5.0,
        keep_alive: float = 20.0,
        max_connections: int = 512,
        ca_file: str | None = None,
    ) -> UpstreamClient:
        settings = ClientSettings(Timeouts(connect_timeout, response_timeout, body_timeout), keep_alive, max_connections, ca_file)
        client: UpstreamClient = cast("type", named(CLIENTS[self.name]))(settings)
        self.made.append(client)
        return client

    def differs(self, name: Name, why: str, *, where: bool = True) -> None:
        """The rest of the test must fail for the client ``name``: it is known to do otherwise (the docstring of its module)."""
        if self.name == name and where:
            self.request.applymarker(pytest.mark.xfail(reason=why, strict=True))

    def taken(self) -> int:
        """By the clients' own books: the connections that are open or in use, and the calls that wait in line."""
        if self.name == "lean":
            pools = [pool for client in self.made for pool in client._pools.values()]
            return sum(pool.open + len(pool.waiting) for pool in pools)
        places = [(client._settings.max_connections, upstream.places) for client in self.made for upstream in client._upstreams.values()]
        return sum(most - place._value + len(place._waiters or ()) for most, place in places)

    async def balanced(self) -> None:
        """Whatever happened: once the clients are closed and their calls are over, no place is taken."""
        for _ in range(400):
            if not self.taken():
                break
            await asyncio.sleep(0.005)
        assert self.taken() == 0
        self.made.clear()


@pytest.fixture(params=[*CLIENTS])
async def clients(request: pytest.FixtureRequest) -> AsyncIterator[Clients]:
    clients = Clients(request.param, request)
    yield clients
    await clients.balanced()
