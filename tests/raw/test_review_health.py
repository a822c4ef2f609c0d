"""``/healthz`` on the data listener is a request like any other: what cannot be relied on is refused there too (RFC 9112 §6.1)."""

from __future__ import annotations

import pytest

from tests.support.lane import Lane

BEHIND = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n"
REFUSED = {
    "te-http-1.0": b"POST /healthz HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "te-gzip-chunked": b"POST /healthz HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "host-evil": b"GET /healthz HTTP/1.1\r\nHost: a b@c/d\r\n\r\n",
    "expectation": b"POST /healthz HTTP/1.1\r\nHost: gateway\r\nExpect: 200-ok\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_doubtful_requests_are_refused(lane: Lane, name: str) -> None:
    with lane.caller() as caller:
        caller.send(REFUSED[name] + BEHIND)
        answer = caller.answer("POST")
        assert answer is not None
        assert answer.status == 400
        assert caller.ended() != "open", "what stood behind it was served"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_methods_that_are_refused_everywhere(lane: Lane, method: str) -> None:
    with lane.caller() as caller:
        caller.send(f"{method} /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
        answer = caller.answer()
    assert answer is not None
    assert answer.status == 405
