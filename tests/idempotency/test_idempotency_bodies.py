"""Fingerprints of bodies that pass, and answers read as far as they may be kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bodies import gathered
from gateway.errors import BadRequest, UpstreamUnreachable
from gateway.idempotency.bodies import Fingerprinted
from gateway.idempotency.key import owner_of
from tests.idempotency.scene import Chunks, request, whole

OWNER = owner_of("a", "dev", "gwi_1", "k")


@given(st.lists(st.binary(max_size=9)), st.booleans())
async def test_a_stream_has_the_fingerprint_of_its_octets(chunks: list[bytes], stated: bool) -> None:
    octets = b"".join(chunks)
    plain = Fingerprinted(request(body=octets), OWNER)
    call = Fingerprinted(request(body=Chunks(*chunks, length=len(octets) if stated else None)), OWNER)
    passed = await whole(call.request.body)

    assert passed == octets
    assert call.fingerprint == plain.fingerprint == await plain.read()
    assert plain.request.body is octets or plain.request.body == octets


async def test_it_is_not_known_before_the_end_unless_the_length_says_so() -> None:
    for length, expected in ((None, False), (4, True), (5, False)):
        call = Fingerprinted(request(body=Chunks(b"ab", b"cd", b"e", length=length)), OWNER)
        assert call.fingerprint is None
        body = call.request.body
        assert not isinstance(body, bytes)
        assert body.length == length
        reading = aiter(body)
        assert await anext(reading) + await anext(reading) == b"abcd"
        assert (call.fingerprint is not None) == expected


async def test_a_body_that_ends_early_has_none() -> None:
    stream = Chunks(b"ab", BadRequest("early"))
    call = Fingerprinted(request(body=stream), OWNER)
    with pytest.raises(BadRequest):
        await call.read()
    assert call.fingerprint is None
    body = call.request.body
    assert not isinstance(body, bytes)
    await body.aclose()
    assert stream.closed


@pytest.mark.parametrize(
    ("chunks", "length", "here"),
    [
        ((), None, True),
        ((b"abc", b"de"), None, True),
        ((b"abc", b"de"), 5, True),
        ((b"abc", b"def"), None, False),
        ((b"abcdef", b"", b"g"), None, False),
        ((b"abcdef",), 6, False),
    ],
)
async def test_an_answer_is_read_as_far_as_it_may_be_kept(chunks: tuple[bytes, ...], length: int | None, here: bool) -> None:
    stream = Chunks(*chunks, length=length)
    body = await gathered(stream, 5)

    assert isinstance(body, bytes) == here
    assert stream.closed == here
    if not isinstance(body, bytes):
        assert body.length == length
    assert await whole(body) == b"".join(chunks)


async def test_one_that_breaks_is_let_go() -> None:
    stream = Chunks(b"abc", UpstreamUnreachable("broke"))
    with pytest.raises(UpstreamUnreachable):
        await gathered(stream, 5)
    assert stream.closed


async def test_the_rest_of_a_long_one_breaks_and_closes_as_the_stream_does() -> None:
    stream = Chunks(b"abcdef", UpstreamUnreachable("broke"))
    body = await gathered(stream, 5)
    with pytest.raises(UpstreamUnreachable):
        await whole(body)
    assert not isinstance(body, bytes)
    await body.aclose()
    assert stream.closed
