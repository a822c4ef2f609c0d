"""What a refusal's body says, as it is handed to whoever looks for a time in it."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Headers
from gateway.limits.refusal_text import MOST_OCTETS, provider_said
from gateway.limits.retry_after import StayAway, stay_away


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, ""),
        (b"", ""),
        (b'{"requestId": "7", "message": "m", "providerMessage": "p"}', "p\nm"),
        (b'{"message": "m", "retryAfter": 5, "requestId": "7"}', "m\nretryAfter: 5"),
        (b'{"message": 5}', '{"message": 5}'),
        (b'["message"]', '["message"]'),
        (b'{"message": "cut', '{"message": "cut'),
        (b"slow down", "slow down"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (gzip.compress(b'{"message": "m"}'), "m"),
        (gzip.compress(b"m")[:-9], ""),
        (b"x" * MOST_OCTETS, "x" * 4096),
        (b"x" * (MOST_OCTETS + 1), ""),
        (b'{"message": "' + b"x" * 9000 + b'"}', "x" * 4096),
    ],
    ids=range(14),
)
def test_the_words_of_the_provider(body: bytes | None, said: str) -> None:
    assert provider_said(body) == said


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"message": "Rate limited", "providerMessage": "wait 9 seconds"}', 9),
        (b'{"message": "Rate limited", "providerMessage": "{\\"retry_after\\": 1.5}"}', 1.5),
        (b'{"message": "You are being rate limited.", "retry_after": 64.57, "global": false}', 64.57),
        (b'{"error": {"code": 9, "retryAfter": "8"}}', 8),
        (b"<h1>Too many</h1><p>Try again in 2 minutes.</p>", 120),
    ],
)
def test_a_time_beside_the_message_is_found(body: bytes, seconds: float) -> None:
    assert stay_away(Headers(), provider_said(body), 1e9) == StayAway(seconds, "message")


@given(st.one_of(st.binary(), st.binary().map(gzip.compress), st.text().map(lambda text: b'{"message": "' + text.encode() + b'"}')))
def test_any_octets_are_some_text(body: bytes) -> None:
    assert len(provider_said(body)) <= 4096
