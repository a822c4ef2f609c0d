"""RFC 9112 §7.1: a chunked body that is here as a whole, and everything that only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.chunked import body_in

chunks = st.lists(st.binary(min_size=1, max_size=300), max_size=5)


def framed(parts: list[bytes], *, upper: bool = False) -> bytes:
    sizes = [f"{len(part):{'X' if upper else 'x'}}".encode() for part in parts]
    return b"".join(size + b"\r\n" + part + b"\r\n" for size, part in zip(sizes, parts, strict=True)) + b"0\r\n\r\n"


@given(chunks, st.booleans())
def test_what_was_in_the_chunks(parts: list[bytes], upper: bool) -> None:
    assert body_in(framed(parts, upper=upper)) == b"".join(parts)


@given(chunks, st.binary(min_size=1, max_size=10))
def test_octets_behind_it_are_not_passed_over(parts: list[bytes], more: bytes) -> None:
    assert body_in(framed(parts) + more) is None


@given(chunks, st.data())
def test_a_part_of_it_is_not_the_whole(parts: list[bytes], data: st.DataObject) -> None:
    whole = framed(parts)
    assert body_in(whole[: data.draw(st.integers(0, len(whole) - 1))]) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"0\r\n",
        b"0\r\nX-End: 1\r\n\r\n",
        b"00\r\n\r\n",
        b"0;a=b\r\n\r\n",
        b"2;a=b\r\nab\r\n0\r\n\r\n",
        b"2 \r\nab\r\n0\r\n\r\n",
        b" 2\r\nab\r\n0\r\n\r\n",
        b"+2\r\nab\r\n0\r\n\r\n",
        b"0x2\r\nab\r\n0\r\n\r\n",
        b"2_0\r\nab\r\n0\r\n\r\n",
        b"-2\r\nab\r\n0\r\n\r\n",
        b"2\nab\n0\n\n",
        b"2\r\nabc\r\n0\r\n\r\n",
        b"3\r\nab\r\n0\r\n\r\n",
        b"000000002\r\nab\r\n0\r\n\r\n",
        b"ffffffff\r\nab\r\n0\r\n\r\n",
        b"\r\n0\r\n\r\n",
    ],
)
def test_what_only_looks_like_one(octets: bytes) -> None:
    assert body_in(octets) is None
