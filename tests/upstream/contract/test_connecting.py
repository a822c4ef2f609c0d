"""Names and addresses: each new connection asks for the name anew, and an address that is dead costs little (RFC 8305)."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from gateway.errors import UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.protocol import Origin
from tests.upstream.contract.conftest import Clients
from tests.upstream.contract.origins import OK, always, get, serving, whole

NAME = "upstream.invalid"


class Names:
    """Stands in for the resolver: what ``answers`` says, for whatever name."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self.addresses = addresses
        self.asked = 0
        self.fault: int | None = None
        self.silent = False

    async def getaddrinfo(self, *_: Any, **__: Any) -> list[Any]:
        self.asked += 1
        if self.silent:
            await asyncio.sleep(30)
        if self.fault is not None:
            raise socket.gaierror(self.fault, "told so")
        found: list[Any] = []
        for host, port in self.addresses:
            family, rest = (socket.AF_INET6, (0, 0)) if ":" in host else (socket.AF_INET, ())
            found.append((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, *rest)))
        return found


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names()


def used(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names.getaddrinfo)


async def test_a_change_of_the_name_is_followed(clients: Clients, names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    old = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nold"
    async with serving(always(old)) as one, serving(always(OK)) as other, clients() as client:
        used(names, monkeypatch)
        origin = Origin.of(f"http://{NAME}:80")
        names.addresses = (("127.0.0.1", one.origin.port),)
        assert await whole(await get(client, origin)) == b"old"
        names.addresses = (("127.0.0.1", other.origin.port),)
        assert await whole(await get(client, origin)) == b"ok"
        assert names.asked == 2


def dead_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def test_an_address_that_refuses_is_passed_over(clients: Clients, names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(always(OK)) as served, clients() as client:
        used(names, monkeypatch)
        names.addresses = (("::1", dead_port()), ("127.0.0.1", dead_port()), ("127.0.0.1", served.origin.port))
        assert await whole(await get(client, Origin.of(f"http://{NAME}:80"))) == b"ok"


async def test_an_address_that_says_nothing_gets_a_head_start_and_no_more(
    clients: Clients, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener whose queue is full lets connects hang; the working address is asked a quarter of a second later."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        silent = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", silent))
            async with serving(always(OK)) as served, clients(connect_timeout=4.0) as client:
                used(names, monkeypatch)
                names.addresses = (("127.0.0.1", silent), ("127.0.0.1", served.origin.port))
                started = time.monotonic()
                assert await whole(await get(client, Origin.of(f"http://{NAME}:80"))) == b"ok"
                assert 0.2 < time.monotonic() - started < 3
        finally:
            for filler in fillers:
                filler.close()


@pytest.mark.parametrize("fault", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL, None])
async def test_a_name_that_is_not_resolved(clients: Clients, names: Names, monkeypatch: pytest.MonkeyPatch, fault: int | None) -> None:
    """None: the resolver says nothing. Each time, the place is free again."""
    names.fault, names.silent = fault, fault is None
    async with clients(connect_timeout=0.1, max_connections=2) as client:
        used(names, monkeypatch)
        for _ in range(6):
            with pytest.raises(UpstreamTimeout if fault is None else UpstreamUnreachable) as raised:
                await get(client, Origin.of(f"http://{NAME}:80/base"))
            assert NAME not in str(raised.value)
            assert raised.value.never_left
            assert not isinstance(raised.value, clients.stale)


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test"])
async def test_a_host_that_cannot_be_a_name_is_unreachable(clients: Clients, host: str) -> None:
    async with clients() as client:
        with pytest.raises(UpstreamUnreachable) as raised:
            await get(client, Origin.of(f"http://{host}:9/"))
        assert raised.value.never_left
