"""What of the lean client the contract (``contract/``) does not see: one step inside of it, and what an upstream's address means."""

from __future__ import annotations

import asyncio

import pytest

from gateway.upstream.client import Client
from gateway.upstream.connection import Connection
from gateway.upstream.protocol import ClientSettings, Origin
from tests.upstream.contract.origins import get, mute, serving


async def test_a_call_cancelled_just_when_its_connection_came_about_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Connection.connection_made

    def made_and_cancelled(connection: Connection, transport: asyncio.BaseTransport) -> None:
        made(connection, transport)
        call.cancel()

    monkeypatch.setattr(Connection, "connection_made", made_and_cancelled)
    async with serving(mute) as served, Client(ClientSettings()) as client:
        call = asyncio.create_task(get(client, served.origin))
        await asyncio.gather(call, return_exceptions=True)
        await served.settled()
        assert client._pools[served.origin].open == 0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/elements/api-v2", Origin(False, "h", 80, "h", "/elements/api-v2")),
        (
            "https://api.cloud-elements.com/elements/api-v2",
            Origin(True, "api.cloud-elements.com", 443, "api.cloud-elements.com", "/elements/api-v2"),
        ),
        ("http://h:8080", Origin(False, "h", 8080, "h:8080", "")),
        ("https://[::1]:9/x", Origin(True, "::1", 9, "[::1]:9", "/x")),
    ],
)
def test_origins(url: str, expected: Origin) -> None:
    assert Origin.of(url) == expected
