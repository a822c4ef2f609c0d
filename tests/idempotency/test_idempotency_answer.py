"""Which answers are kept, what of them, and how they read as octets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Headers, Response
from gateway.idempotency.answer import lasting, not_kept, packed, replayed, unpacked
from tests.idempotency.scene import Chunks, created

LATIN = st.text(st.characters(max_codepoint=0xFF))


@given(st.integers(100, 599), st.lists(st.tuples(LATIN, LATIN)), st.binary(), LATIN)
def test_what_is_packed_comes_back(status: int, fields: list[tuple[str, str]], body: bytes, reason: str) -> None:
    answer = Response(status, Headers(fields), body, reason)

    assert unpacked(packed(answer)) == answer


def test_an_answer_too_large_is_a_mark() -> None:
    assert packed(None) == b""
    assert unpacked(b"") is None


def test_a_stream_is_not_packed() -> None:
    with pytest.raises(TypeError):
        packed(Response(200, Headers(), Chunks()))


@pytest.mark.parametrize("status", [401, 408, 425, 429, 502, 503, 504])
def test_what_says_try_again_is_not_kept(status: int) -> None:
    assert str(status) in not_kept(status, limit_signal=False)


@pytest.mark.parametrize("status", [200, 201, 204, 207, 302, 400, 403, 404, 409, 422, 500, 501])
def test_all_else_is_unless_it_means_a_limit(status: int) -> None:
    assert not_kept(status, limit_signal=False) == ""
    assert not_kept(status, limit_signal=True)


def test_what_belongs_to_one_call_is_left_out() -> None:
    gone = ["X-Request-Id", "VIA", "Server-Timing", "RateLimit", "RateLimit-Policy", "X-RateLimit-Remaining", "Set-Cookie"]
    gone.append("Idempotency-Replayed")
    kept = (("Date", "then"), ("Location", "/7"), ("Elements-Request-Id", "e"), ("ETag", '"1"'), ("Link", "a"), ("link", "b"))
    answer = lasting(Response(201, Headers([*((name, "x") for name in gone), *kept]), b"{}", "Created"))

    assert answer == Response(201, Headers(kept), b"{}", "Created")
    assert replayed(answer).headers.pairs == (*kept, ("Idempotency-Replayed", "true"))
    assert "idempotency-replayed" not in created(1).headers
