"""A 429 that speaks of one payload or file beyond Cloud Elements' own limits (API page 8.1) teaches nothing about the rate of calls."""

from __future__ import annotations

import json

import pytest

from gateway.exchange import Headers
from gateway.limits.signals import Signal, signalled
from gateway.sandbox.limits.files import FileLimits

ANY = Signal(429)
NOTHING = Headers()


def error(message: str, provider_message: str = "") -> bytes:
    """Cloud Elements' error object (API page 2.1)."""
    return json.dumps(
        {"requestId": "606", "message": message} | ({"providerMessage": provider_message} if provider_message else {})
    ).encode()


OWN_LIMITS = [  # API page 8.1, and what the sandbox says
    "The request payload exceeds the maximum size of 8 MB",
    "The response payload exceeds the maximum size of 8 MB",
    "Payload size limit exceeded",
    "Request payload size quota exceeded",
    "Request payload limit exceeded",
    "Request entity too large",
    "The file is too big",
    "File size exceeds the limit of 6 GB",
    "Streamed file exceeds 6 GB",
    "The response is larger than 8 MB",
    "Maximum upload size exceeded",
    "Upload duration exceeded",
    "The download timed out",
    "Timeout while streaming the file",
    "The file upload exceeded the maximum time of an hour",
    "The upload exceeded 3600 seconds",
    "Too Many Requests: payload too large",  # the status' own name
    FileLimits().too_large,
    FileLimits().too_slow,
]
RATES = [
    "Rate limit exceeded",
    "Too many requests",
    "request size quota per minute",
    "Request size quota of 50 MB per minute exceeded",
    "RATE_LIMIT: payloads per hour",
    "You have exceeded your request limit for the duration",
    "Request was throttled because the payload volume is too large",
    "Maximum size of 10 concurrent requests exceeded",
    "Limit on API calls reached, page size 200",
    "Bulk payloads are limited to 5/s",
    "Your file uploads are too large a number. Try again in 30 seconds",
    "Exceeded the size of each day of this plan",
    "Upload limit exceeded",
    "Quota exceeded for quota metric 'Queries'",
    "Oversized plan",
    "Only one request may be made against a session at a time",
    "",
]


@pytest.mark.parametrize("said", OWN_LIMITS)
def test_a_payload_or_a_file_that_is_too_large_is_no_signal(said: str) -> None:
    for body in (error(said), error("Request failed", said), said.upper().encode()):
        assert signalled([ANY], 429, NOTHING, body) is None
        assert signalled([Signal(429, said[:9]), ANY], 429, NOTHING, body) == Signal(429, said[:9]), "what is asked for by its words counts"


@pytest.mark.parametrize("said", OWN_LIMITS)
@pytest.mark.parametrize("name", ["Retry-After", "RateLimit", "RateLimit-Reset", "X-RateLimit-Remaining", "X-Rate-Limit-Problem",
                                  "X-HubSpot-RateLimit-Daily"])  # fmt: skip
def test_with_a_limiter_s_field_it_is_one_whatever_it_says(said: str, name: str) -> None:
    assert signalled([ANY], 429, Headers([(name, "1")]), error(said)) == ANY
    assert signalled([ANY], 429, Headers([("X-Retry-Afterwards", "1")]), error(said)) is None


@pytest.mark.parametrize("said", RATES)
def test_a_429_that_speaks_of_calls_is_a_signal(said: str) -> None:
    for body in (error(said), error("Request failed", said), said.encode()):
        assert signalled([ANY], 429, NOTHING, body) == ANY


def test_a_page_of_html_is_a_signal() -> None:
    page = b"<html><style>p { font-size: 9px; max-width: 3px }</style><p>size limit of the payload</p></html>"

    assert signalled([ANY], 429, NOTHING, page) == ANY
