"""Storing while streaming: all of it or nothing, and never in the reader's way."""

from collections.abc import AsyncIterator

import pytest

from gateway.cache.filling import Filling
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
    body = filling(Chunks(*chunks, length=length), stored)

    assert [chunk async for chunk in body] == list(chunks)
    assert stored == expected
    assert body.length == length


async def test_a_broken_stream_breaks_for_the_reader_and_leaves_nothing(stored: list[bytes]) -> None:
    reading = aiter(filling(Chunks(b"ab", UpstreamUnreachable()), stored))

    assert await anext(reading) == b"ab"
    with pytest.raises(UpstreamUnreachable):
        await anext(reading)
    assert stored == []


async def test_a_reader_who_leaves_closes_the_stream_and_leaves_nothing(stored: list[bytes]) -> None:
    stream = Chunks(b"ab", b"cd")
    body = filling(stream, stored)
    reading = aiter(body)
    assert await anext(reading) == b"ab"
    await reading.aclose()  # type: ignore[attr-defined]
    await body.aclose()

    assert (stream.closed, stored) == (True, [])
