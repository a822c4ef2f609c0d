"""Who was accepted a moment before the end gets to make the call: between sockets that are inherited, nobody is hung up on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.server.listen_settings import ListenSettings
from gateway.server.listener import GuardedServer
from gateway.server.live_tls import LiveTls
from gateway.server.shedding import Shedder
from gateway.server.tls import TlsFiles
from tests.tls.authority import HERE, Authority

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_REQUEST = b"GET / HTTP/1.1\r\nHost: g\r\n\r\n"


async def serve(connection: Any, message: Any, payload: Any) -> bool:
    connection.transport.write(_ANSWER)
    return True


async def refuse(connection: Any) -> bool:
    return False


@asynccontextmanager
async def listening(**tls: Any) -> AsyncIterator[tuple[GuardedServer, asyncio.Server, tuple[str, int]]]:
    server = GuardedServer(serve, refuse, ListenSettings(), lambda: b"", Shedder(0.0), bytes)
    sockets = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, **tls)
    try:
        yield server, sockets, sockets.sockets[0].getsockname()
    finally:
        sockets.close()


async def turned(until: Callable[[], bool]) -> None:
    """Let the loop turn ``until`` something holds: no time is waited for."""
    for _ in range(100_000):
        if until():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never does")


async def test_the_first_call_is_waited_for_and_the_next_is_not() -> None:
    async with listening() as (server, sockets, address), asyncio.timeout(10):
        kept, kept_out = await asyncio.open_connection(*address)
        kept_out.write(_REQUEST)
        assert await kept.readexactly(len(_ANSWER)) == _ANSWER
        fresh, fresh_out = await asyncio.open_connection(*address)
        silent, silent_out = await asyncio.open_connection(*address)
        await turned(lambda: len(server.connections) == 3)
        sockets.close()
        draining = asyncio.create_task(server.drain(5.0, asyncio.Event()))
        assert await kept.read() == b"", "an idle connection is closed at once"
        assert not draining.done()
        fresh_out.write(_REQUEST)
        assert await fresh.read() == _ANSWER
        assert await silent.read() == b"", "nobody is waited for for long"
        assert await draining == 0
        for writer in (kept_out, fresh_out, silent_out):
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def test_not_past_the_time_to_finish() -> None:
    async with listening() as (server, sockets, address), asyncio.timeout(10):
        _, writer = await asyncio.open_connection(*address)
        await turned(lambda: bool(server.connections))
        sockets.close()
        before = asyncio.get_running_loop().time()
        assert await server.drain(0.0, asyncio.Event()) == 0
        assert asyncio.get_running_loop().time() - before < 0.4
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_a_handshake_is_waited_for(tmp_path: Path) -> None:
    authority = Authority()
    live = LiveTls("data", TlsFiles(*authority.certificate(HERE).store(tmp_path, "server")), time.time)
    async with listening(ssl=live) as (server, sockets, address), asyncio.timeout(10):
        plain, writer = await asyncio.open_connection(*address)
        await turned(lambda: server.arriving > 0)
        sockets.close()
        draining = asyncio.create_task(server.drain(5.0, asyncio.Event()))
        await asyncio.sleep(0.05)
        assert not draining.done(), "the process would end here, and the handshake with it"
        await writer.start_tls(authority.trusting(), server_hostname="127.0.0.1")
        writer.write(_REQUEST)
        assert await plain.read(len(_ANSWER)) == _ANSWER
        assert await draining == 0
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
