"""Large bodies, moved by plain blocking sockets so that the proxy is what is measured, and compared as they go.

The octets repeat after a length that no buffer has, so that a block lost, doubled or moved does not compare equal.
"""

from __future__ import annotations

import json
import random
import socket
import time
from urllib.parse import urlsplit

from bench.contest.job import PREFIX, Standing
from bench.peers import BenchError

BLOCK = 256 * 1024
_PERIOD = 4 * BLOCK + 4093
PATTERN = random.Random(1).randbytes(_PERIOD)
_TWICE = PATTERN + PATTERN[: 2 * BLOCK]
_TARGET = PREFIX + "/hubs/crm/contacts/export"
_PATIENCE_S = 60


def same(data: bytes | memoryview, at: int) -> bool:
    """Whether ``data`` (at most 512 KiB) is what stands at offset ``at`` of the endless body."""
    return _TWICE.startswith(data, at % _PERIOD)


def down(standing: Standing, customer: str, octets: int) -> float:
    """Fetch ``octets``; the seconds it took. Raises ``BenchError`` where something else came."""
    with _connected(standing) as connection:
        started = time.perf_counter()
        connection.sendall(standing.head(f"GET {_TARGET}?octets={octets}", customer))
        head, rest = _answer_head(connection)
        received, unchanged = len(rest), same(rest, 0)
        buffer = bytearray(BLOCK)
        view = memoryview(buffer)
        while received < octets and (n := connection.recv_into(buffer)):
            unchanged = unchanged and same(view[:n], received)
            received += n
        seconds = time.perf_counter() - started
    if not head.startswith(b"HTTP/1.1 200 ") or received != octets or not unchanged:
        raise BenchError(f"a download of {octets} octets: {received} came, {'' if unchanged else 'not the same, '}{head[:30]!r}")
    return seconds


def up(standing: Standing, customer: str, octets: int) -> float:
    """Send ``octets``; the seconds until the origin's answer. Raises ``BenchError`` where something else arrived there."""
    with _connected(standing) as connection:
        started = time.perf_counter()
        connection.sendall(standing.head(f"POST {_TARGET}", customer, {"Content-Type": "text/csv", "Content-Length": str(octets)}))
        sent = 0
        while sent < octets:
            part = PATTERN[sent % _PERIOD :][: min(BLOCK, octets - sent)]
            connection.sendall(part)
            sent += len(part)
        head, body = _answer_head(connection)
        seconds = time.perf_counter() - started
        while b"}" not in body and (more := connection.recv(BLOCK)):
            body += more
    if b" 200 " not in head[:20] or json.loads(body[body.find(b"{") : body.find(b"}") + 1]) != {"octets": octets, "same": True}:
        raise BenchError(f"an upload of {octets} octets was answered {head[:30]!r} {body[:200]!r}")
    return seconds


def _connected(standing: Standing) -> socket.socket:
    at = urlsplit(standing.running.url)
    return socket.create_connection((at.hostname or "", at.port or 80), timeout=_PATIENCE_S)


def _answer_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """(The head of the answer, what came behind it.) A download must be framed by Content-Length to compare equal."""
    came = b""
    while b"\r\n\r\n" not in came:
        more = connection.recv(64 * 1024)
        if not more:
            raise BenchError(f"a connection was closed before the answer: {came[:100]!r}")
        came += more
    head, _, rest = came.partition(b"\r\n\r\n")
    return head, rest
