"""Pouring answers out of real connections, on both loops, with and without TLS, into sinks that are fast, slow, or gone."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from math import inf
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from gateway.errors import GatewayError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Response
from gateway.passing import Octets, Outlet, SinkGone, poured
from gateway.upstream.bodies import Tracked
from gateway.upstream.client import Client
from gateway.upstream.connection import Connection
from gateway.upstream.masking import Masked, mask, needles
from gateway.upstream.protocol import ClientSettings, Origin, Timeouts
from gateway.upstream.streaming import Upward
from tests.tls.authority import HERE, Authority

BODY = random.Random(11).randbytes(2_500_001)
HEAD = b"GET /x HTTP/1.1\r\nHost: origin\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
FIRST = 4001  # octets that come with the head
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Scene = Callable[["Setting"], Coroutine[Any, Any, None]]


class Setting:
    """A client and the origin that ``handler`` plays, on one loop."""

    def __init__(self, folder: Path, secure: bool) -> None:
        self._folder = folder
        self._authority = Authority() if secure else None
        self.connections = 0

    async def get(self, handler: Handler, act: Callable[[Client, Origin], Awaitable[None]]) -> None:
        """``act`` with a client and an origin whose connections ``handler`` serves."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            serving.append(asyncio.ensure_future(played(handler, reader, writer)))

        serving: list[asyncio.Future[None]] = []
        tls, ca_file = None, None
        if self._authority is not None:
            chain = self._authority.certificate(HERE).store(self._folder, "server")
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*chain)
            (trusted := self._folder / "ca.pem").write_bytes(self._authority.pem)
            ca_file = str(trusted)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        settings = ClientSettings(timeouts=Timeouts(body=0.5), ca_file=ca_file)
        async with server, Client(settings) as client:
            async with asyncio.timeout(20):
                await act(client, Origin.of(f"http{'s' if tls else ''}://127.0.0.1:{port}"))
        async with asyncio.timeout(5):
            await asyncio.gather(*serving)


async def played(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """``handler`` until it ends or the client has left, and then nothing is open any more."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await handler(reader, writer)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.fixture(params=["plain", "tls"])
def play(request: pytest.FixtureRequest, tmp_path: Path, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Callable[[Scene], None]:
    def run(scene: Scene) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(scene(Setting(tmp_path, request.param == "tls")))

    return run


@pytest.fixture(params=list(LOOPS))
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return LOOPS[request.param]


class Taking:
    """A sink that keeps what it gets. ``enough``: octets after each of which it wants to be asked again, by ``go_on``."""

    def __init__(self, enough: float = inf, gone_after: float = inf) -> None:
        self.taken = bytearray()
        self.full = asyncio.Event()
        self._enough = self._next = enough
        self._gone_after = gone_after
        self._tell: Callable[[], None] | None = None
        self._room = asyncio.Event()

    def write(self, data: Octets) -> bool:
        if len(self.taken) >= self._gone_after:
            raise SinkGone
        self.taken += data
        if len(self.taken) < self._next:
            return True
        self.full.set()
        return False

    def go_on(self) -> None:
        self._next = len(self.taken) + self._enough
        self.full.clear()
        self._room.set()
        if self._tell is not None:
            self._tell()

    async def drain(self) -> None:
        await self._room.wait()
        self._room.clear()

    def when_room(self, tell: Callable[[], None] | None) -> None:
        self._tell = tell


async def ask(client: Client, origin: Origin) -> Response:
    return await client.send(origin, HEAD, b"", head_only=False)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes = BODY) -> None:
    """The head and some of ``body``, and then the rest."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER + body[:FIRST])
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write(body[FIRST:])
    await writer.drain()


def pour_of(response: Response, sink: Taking) -> Awaitable[None]:
    assert not isinstance(response.body, bytes)
    return poured(response.body, sink)


def test_all_of_it_and_the_connection_is_kept(play: Callable[[Scene], None]) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await answer(reader, writer)

    async def scene(setting: Setting) -> None:
        async def act(client: Client, origin: Origin) -> None:
            for _ in range(3):
                await pour_of(await ask(client, origin), sink := Taking())
                assert sink.taken == BODY
            assert setting.connections == 1

        await setting.get(handler, act)

    play(scene)


def test_a_slow_sink_is_waited_for(play: Callable[[Scene], None]) -> None:
    async def scene(setting: Setting) -> None:
        async def act(client: Client, origin: Origin) -> None:
            pouring = asyncio.ensure_future(pour_of(await ask(client, origin), sink := Taking(enough=300_000)))
            while not pouring.done():
                waiting = asyncio.ensure_future(sink.full.wait())
                await asyncio.wait({pouring, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                held = len(sink.taken)
                await asyncio.sleep(0.01)
                assert len(sink.taken) == held, "more came, although there was enough"
                sink.go_on()
            await pouring
            assert sink.taken == BODY

        await setting.get(answer, act)

    play(scene)


def test_a_sink_that_waits_for_long_is_no_silent_upstream(play: Callable[[Scene], None]) -> None:
    async def scene(setting: Setting) -> None:
        async def act(client: Client, origin: Origin) -> None:
            pouring = asyncio.ensure_future(pour_of(await ask(client, origin), sink := Taking(enough=1_000_000)))
            await sink.full.wait()
            await asyncio.sleep(0.8)
            while not pouring.done():
                sink.go_on()
                await asyncio.sleep(0)
            await pouring
            assert sink.taken == BODY

        await setting.get(answer, act)

    play(scene)


@pytest.mark.parametrize("missing", [1, 100_000, len(BODY) - FIRST])
@pytest.mark.parametrize("cut", [False, True], ids=["end", "cut"])
def test_an_early_end_is_told(play: Callable[[Scene], None], missing: int, cut: bool) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer, BODY[: len(BODY) - missing])
        await asyncio.sleep(0.05)
        if cut:
            writer.transport.abort()

    async def scene(setting: Setting) -> None:
        async def act(client: Client, origin: Origin) -> None:
            sink = Taking()
            with pytest.raises(UpstreamUnreachable):
                await pour_of(await ask(client, origin), sink)
            assert len(sink.taken) <= len(BODY) - missing
            assert BODY.startswith(sink.taken)

        await setting.get(handler, act)

    play(scene)


def test_silence_is_told(play: Callable[[Scene], None]) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer, BODY[:-1])
        await reader.read()

    async def scene(setting: Setting) -> None:
        async def act(client: Client, origin: Origin) -> None:
            with pytest.raises(UpstreamTimeout):
                await pour_of(await ask(client, origin), Taking())

        await setting.get(handler, act)

    play(scene)


@pytest.mark.parametrize("cut", [False, True], ids=["end", "cut"])
def test_what_came_before_the_end_is_had_although_the_sink_was_full(play: Callable[[Scene], None], cut: bool) -> None:
    """The upstream sends all and leaves while nothing is received."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer, BODY[:-100_000])
        await asyncio.sleep(0.2)
        writer.write(BODY[-100_000:])
        if cut:
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.transport.abort()

    async def scene(setting: Setting) -> None:
        async def act(client: Client, origin: Origin) -> None:
            pouring = asyncio.ensure_future(pour_of(await ask(client, origin), sink := Taking(enough=len(BODY) - 150_000)))
            await sink.full.wait()
            await asyncio.sleep(0.5)
            sink.go_on()
            await pouring
            assert sink.taken == BODY

        await setting.get(handler, act)

    play(scene)


def test_a_sink_that_is_gone_ends_it(play: Callable[[Scene], None]) -> None:
    left = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer, BODY[:-1])
            await reader.read()
        finally:
            left.set()

    async def scene(setting: Setting) -> None:
        async def act(client: Client, origin: Origin) -> None:
            with pytest.raises(SinkGone):
                await pour_of(await ask(client, origin), Taking(gone_after=FIRST + 1))
            await left.wait()

        await setting.get(handler, act)

    play(scene)


def test_to_stop_pouring_leaves_the_upstream(play: Callable[[Scene], None]) -> None:
    left = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
            await reader.read()
        finally:
            left.set()

    async def scene(setting: Setting) -> None:
        async def act(client: Client, origin: Origin) -> None:
            pouring = asyncio.ensure_future(pour_of(await ask(client, origin), sink := Taking(enough=500_000)))
            await sink.full.wait()
            pouring.cancel()
            with pytest.raises(asyncio.CancelledError):
                await pouring
            taken = len(sink.taken)
            await left.wait()
            assert len(sink.taken) == taken

        await setting.get(handler, act)

    play(scene)


def test_an_outlet_keeps_nothing_of_the_buffer_it_was_shown(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Whether the system took all of it, some or nothing."""

    async def scene() -> None:
        got, buffer = bytearray(), bytearray(700_000)
        ended = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.1)
            while data := await reader.read(100_000):
                got.extend(data)
            writer.close()
            ended.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            outlet, sent = Outlet(cast("asyncio.Transport", writer.transport)), bytearray()
            for number in range(20):
                buffer[:] = bytes([number]) * len(buffer)
                sent += buffer
                outlet.write(memoryview(buffer)[: len(buffer)])
                outlet.write(b"")
            outlet.write(b"whole")
            writer.close()
            await ended.wait()
            assert got == sent + b"whole"

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(scene())


class Arriving:
    """A streaming body that may end in an error, or never."""

    def __init__(self, *chunks: bytes, error: Exception | None = None, endless: bool = False) -> None:
        self.chunks = chunks
        self.error = error
        self.endless = endless
        self.closed = False
        self.length = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.endless:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("error", [None, UpstreamUnreachable("it broke")])
async def test_a_tracked_body_tells_of_its_end_when_it_is_poured(error: GatewayError | None) -> None:
    told: list[GatewayError | None] = []
    stream = Arriving(b"a", b"b", error=error)
    expected = pytest.raises(UpstreamUnreachable) if error else contextlib.nullcontext()
    with expected:
        await poured(Tracked(stream, told.append, inf, lambda: 0.0), sink := Taking())
    assert bytes(sink.taken) == b"ab"
    assert told == [error]
    assert stream.closed


async def test_a_tracked_body_ends_at_its_deadline_when_it_is_poured() -> None:
    told: list[GatewayError | None] = []
    with pytest.raises(UpstreamTimeout) as raised:
        await poured(Tracked(Arriving(b"a", endless=True), told.append, 100.05, lambda: 100.0), Taking())
    assert told == [raised.value]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
async def test_a_body_is_masked_when_it_is_poured(size: int) -> None:
    """A sink may be slow besides."""
    secrets = needles(["sesame-open", "sesame"])
    body = b"xx sesame-open yy sesame-ope zz sesame-ope"
    sink = Taking(enough=5)
    pouring = asyncio.ensure_future(poured(Masked(Arriving(*[body[at : at + size] for at in range(0, len(body), size)]), secrets), sink))
    while not pouring.done():
        await asyncio.sleep(0)
        sink.go_on()
    await pouring
    assert bytes(sink.taken) == mask(body, secrets)


async def test_an_upload_that_waits_learns_that_its_upstream_left() -> None:
    """It is gone, whatever the transport says: nobody else is to blame, least of all the caller."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        loop, lost = asyncio.get_running_loop(), asyncio.Event()
        transport, connection = await loop.create_connection(
            lambda: Connection(loop, lambda _: lost.set()), *server.sockets[0].getsockname()
        )
        up = Upward(connection, transport, Timeouts(), chunked=False)

        async def fill() -> None:
            while True:
                if not up.write(bytes(1_000_000)):
                    await up.drain()

        with pytest.raises(SinkGone):
            await fill()
        transport.abort()
        await lost.wait()
