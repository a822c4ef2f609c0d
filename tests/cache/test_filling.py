"""Storing while streaming: all of it or nothing, and never in the reader's way."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.cache.filling import Filling, Reader
from gateway.errors import UpstreamUnreachable


class Chunks:
    """A stream of what it is given; an exception among the chunks is raised in its place."""

    def __init__(self, *chunks: bytes | Exception, length: int | None = None) -> None:
        self.chunks = chunks
        self.length = length
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def stored() -> list[bytes]:
    return []


def filling(stream: Chunks, stored: list[bytes], limit: int = 10) -> Filling:
    async def store(whole: bytes) -> None:
        stored.append(whole)

    return Filling(stream, limit, store)


@pytest.mark.parametrize(
    ("chunks", "length", "expected"),
    [
        ((b"ab", b"cd"), None, [b"abcd"]),
        ((b"ab", b"cd"), 4, [b"abcd"]),
        ((), 0, [b""]),
        ((b"0123456789",), None, [b"0123456789"]),
        ((b"0123456789", b"a"), None, []),
        ((b"0123456789a", b"", b"b"), None, []),
        ((b"ab",), 3, []),
        ((b"abcd",), 3, []),
    ],
)
async def test_what_is_stored(chunks: tuple[bytes, ...], length: int | None, expected: list[bytes], stored: list[bytes]) -> None:
    body = filling(Chunks(*chunks, length=length), stored).reader()

    assert [chunk async for chunk in body] == list(chunks)
    assert stored == expected
    assert body.length == length


async def test_a_broken_stream_breaks_for_the_reader_and_leaves_nothing(stored: list[bytes]) -> None:
    reading = aiter(filling(Chunks(b"ab", UpstreamUnreachable()), stored).reader())

    assert await anext(reading) == b"ab"
    with pytest.raises(UpstreamUnreachable):
        await anext(reading)
    assert stored == []


class Held(Chunks):
    """After its first chunk it waits to be let go on."""

    def __init__(self, *chunks: bytes | Exception, length: int | None = None) -> None:
        super().__init__(*chunks, length=length)
        self.go_on = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in super().__aiter__():
            yield chunk
            await self.go_on.wait()


async def all_of(reader: Reader) -> bytes:
    return b"".join([chunk async for chunk in reader])


async def test_a_reader_who_leaves_closes_the_stream_and_leaves_nothing(stored: list[bytes]) -> None:
    stream = Held(b"ab", b"cd")
    body = filling(stream, stored).reader()
    reading = aiter(body)
    assert await anext(reading) == b"ab"
    await reading.aclose()  # type: ignore[attr-defined]
    await body.aclose()

    assert (stream.closed, stored) == (True, [])


async def test_who_joins_in_the_middle_gets_all_of_it_as_it_comes(stored: list[bytes]) -> None:
    stream = Held(b"ab", b"cd")
    body = filling(stream, stored)
    first, late = aiter(body.reader()), None
    assert await anext(first) == b"ab"
    late = aiter(body.reader())
    assert await anext(late) == b"ab"
    stream.go_on.set()

    assert (await anext(first), await anext(late), stored) == (b"cd", b"cd", [b"abcd"])


async def test_the_first_reader_may_leave_the_others_behind(stored: list[bytes]) -> None:
    stream = Held(b"ab", b"cd")
    body = filling(stream, stored)
    first, second = body.reader(), body.reader()
    assert await anext(aiter(first)) == b"ab"
    rest = asyncio.create_task(all_of(second))
    await first.aclose()
    stream.go_on.set()

    assert (await rest, stored, stream.closed) == (b"abcd", [b"abcd"], False)


async def test_a_slow_reader_holds_up_nobody(stored: list[bytes]) -> None:
    body = filling(Chunks(b"ab", b"cd"), stored)
    slow, quick = body.reader(), body.reader()
    assert await anext(aiter(slow)) == b"ab"

    assert (await all_of(quick), stored) == (b"abcd", [b"abcd"])


async def test_the_reader_does_not_wait_for_the_store() -> None:
    stuck = asyncio.Event()

    async def store(_: bytes) -> None:
        await stuck.wait()

    assert await asyncio.wait_for(all_of(Filling(Chunks(b"ab"), 10, store).reader()), 5) == b"ab"


async def test_beyond_the_limit_little_is_held_and_nobody_joins() -> None:
    size, pieces = 16 * 1024, 400
    stream = Counted(size, pieces)

    async def store(_: bytes) -> None:
        raise AssertionError("too large to be stored")

    body = Filling(stream, 2 * size, store)
    slow, quick = body.reader(), body.reader()
    slowly = aiter(slow)
    await anext(slowly)
    reading = asyncio.create_task(all_of(quick))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not reading.done(), "the slow one holds it up, or all of it would be held for him"
    assert stream.given * size <= 64 * 1024 + 3 * size
    assert not body.joinable
    await slow.aclose()

    assert len(await reading) == size * pieces


class Counted:
    """``pieces`` chunks of ``size`` octets; ``given`` says how many were taken."""

    length = None

    def __init__(self, size: int, pieces: int) -> None:
        self.size, self.pieces, self.given = size, pieces, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.given < self.pieces:
            self.given += 1
            yield bytes(self.size)

    async def aclose(self) -> None:
        """Nothing is held."""


async def test_a_break_reaches_every_reader(stored: list[bytes]) -> None:
    body = filling(Chunks(b"ab", UpstreamUnreachable()), stored)
    readers = [body.reader(), body.reader()]
    for reader in readers:
        reading = aiter(reader)
        assert await anext(reading) == b"ab"
        with pytest.raises(UpstreamUnreachable):
            await anext(reading)
    assert (stored, body.joinable) == ([], False)
