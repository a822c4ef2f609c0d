"""Fields that end at this hop, or that only we may set (contract 2.3; RFC 9110 7.6.1; threats 4, 15, 16, 50)."""

from __future__ import annotations

import pytest

from tests.support.cases import BASE, Case, Seen, ask, post
from tests.support.lane import Lane

X = f"GET {BASE}/x"


def stripped(name: str, *lines: str, lacks: tuple[str, ...] = (), has: tuple[str, ...] = ()) -> Case:
    return Case(name, ask("GET ~/x", *lines), (200,), (Seen(X, lacks=lacks, has=has),))


def never(line: str) -> Case:
    name = line.partition(":")[0]
    return stripped(f"never-{name}", line, lacks=(name,))


NEVER = [
    never(line)
    for line in (
        "Cookie: a=b",
        "Forwarded: for=1.2.3.4;host=evil.example",
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 1",
        "X-Forwarded-Prefix: /evil",
        "X-Forwarded-Anything: 1",
        "X-Real-IP: 1.2.3.4",
        "X-HTTP-Method-Override: DELETE",
        "X-Original-URL: /elements/api-v2/evil",
        "X-Rewrite-URL: /elements/api-v2/evil",
        "Proxy-Authorization: Basic Zm9v",
        "Proxy-Authenticate: Basic",
        "Proxy-Connection: keep-alive",
        "Proxy-Anything: 1",
        "TE: trailers",
        "Trailer: X-A",
        "Keep-Alive: timeout=5",
        "Upgrade: websocket",
        "Gateway-Anything: 1",
        "Gateway-Environment: dev",
    )
]

NAMED = [
    stripped("connection-names-field", "Connection: X-A", "X-A: 1", "X-B: 2", lacks=("X-A",), has=("X-B: 2",)),
    stripped("connection-names-later", "X-A: 1", "Connection: keep-alive, x-a", lacks=("X-A",)),
    stripped("connection-two-lines", "Connection: X-A", "Connection: X-B", "X-A: 1", "X-B: 1", lacks=("X-A", "X-B")),
    stripped("connection-blanks-and-commas", "Connection: ,, \tX-A ,", "X-A: 1", lacks=("X-A",)),
    stripped("connection-names-every-line", "Connection: X-A", "X-A: 1", "x-a: 2", lacks=("X-A",)),
    stripped("connection-names-authorization", "Connection: Authorization"),
    stripped("connection-names-host", "Connection: Host"),
    stripped("connection-names-via", "Connection: Via, X-Request-Id, traceparent"),
    stripped("connection-names-customer", "Connection: Gateway-Customer"),
    stripped("connection-names-key", "Connection: X-Api-Key"),
    stripped("connection-names-user-agent", "Connection: User-Agent", "User-Agent: a", lacks=("User-Agent",)),
    stripped("connection-names-nothing-there", "Connection: X-Nothing"),
    stripped("connection-keep-alive", "Connection: keep-alive"),
    stripped("connection-garbage", 'Connection: "close" @@ ;;'),
    Case("connection-close-and-name", ask("GET ~/x", "Connection: close, X-A", "X-A: 1"), (200,), (Seen(X, lacks=("X-A",)),), closes=True),
    Case("connection-close-authorization", ask("GET ~/x", "Connection: close, Authorization"), (200,), closes=True),
    Case(
        "connection-names-length",
        post("~/x", b"hello", "Connection: Content-Length"),
        (200,),
        (Seen(f"POST {BASE}/x", b"hello", "length"),),
    ),
    Case(
        "connection-names-coding",
        ask("POST ~/x", "Connection: Transfer-Encoding", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        (200,),
        (Seen(f"POST {BASE}/x", b"hello", "chunked"),),
    ),
]

UPGRADES = [
    stripped(
        "upgrade-websocket",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        lacks=("upgrade", "connection"),
    ),
    stripped(
        "upgrade-h2c",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        lacks=("upgrade", "http2-settings", "connection"),
    ),
    stripped("upgrade-without-connection", "Upgrade: h2c", lacks=("upgrade",)),
    stripped("http2-settings-alone", "HTTP2-Settings: AAMAAABk", lacks=("http2-settings",)),
    Case(
        "upgrade-post",
        post("~/x", b"hello", "Connection: Upgrade", "Upgrade: websocket"),
        (200,),
        (Seen(f"POST {BASE}/x", b"hello", "length", lacks=("upgrade", "connection")),),
    ),
    stripped("upgrade-tls", "Connection: Upgrade", "Upgrade: TLS/1.3", lacks=("upgrade",)),
]

KEPT = [
    stripped("upgrade-insecure-requests", "Upgrade-Insecure-Requests: 1", has=("Upgrade-Insecure-Requests: 1",)),
    stripped("dnt", "DNT: 1", has=("DNT: 1",)),
]


@pytest.mark.parametrize("case", [*NEVER, *NAMED, *UPGRADES, *KEPT], ids=lambda case: case.id)
def test_hop_by_hop(lane: Lane, case: Case) -> None:
    lane.check(case)


def test_via_of_the_caller_stays_before_ours(lane: Lane) -> None:
    """RFC 9110 7.6.3: each intermediary appends."""
    assert lane.ask(ask("GET ~/x", "Via: 1.0 fred")).status == 200
    assert ", ".join(lane.own()[0].values("via")) == "1.0 fred, 1.1 gateway"
