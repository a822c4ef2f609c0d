"""The upstream of the forwarding benchmark: as little work as answering HTTP/1.1 takes, so that the proxy is what is measured.

Every call must carry exactly the ``Authorization`` of ``BENCH_AUTHORIZATION``; any other, or none, is answered 401, which the load
counts as bad. A GET is answered with ``DOCUMENT``, fresh for an hour below ``/fresh`` and ``no-store`` elsewhere, any other method with
the body it came with. Bodies need a Content-Length (else 411). Prints one line with its address once it listens.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from email.utils import formatdate
from typing import cast

import uvloop

DOCUMENT = json.dumps(
    [
        {"id": str(7000 + n), "firstName": "Grace", "lastName": "Hopper", "email": f"grace{n}@example.com", "company": "Navy"}
        for n in range(9)
    ]
).encode()
DOCUMENT += b" " * (1024 - len(DOCUMENT))

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_AUTHORIZATION = re.compile(rb"\r\nauthorization: *([^\r\n]*)", re.IGNORECASE)
HEAD = (
    b"HTTP/1.1 %s\r\nDate: "
    + formatdate(usegmt=True).encode()
    + b"\r\nContent-Type: application/json;charset=UTF-8\r\nCache-Control: %s\r\n"
    b"Elements-Request-Id: 5f3c1e0aab12cd34ef567890\r\nContent-Length: %d\r\n\r\n"
)


class Origin(asyncio.Protocol):
    """One connection; requests may be pipelined."""

    def __init__(self, authorization: bytes) -> None:
        self._authorization = authorization
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0 and self._transport is not None:
            head = self._buffer[: end + 2]
            stated = _LENGTH.search(head)
            stop = end + 4 + (int(stated[1]) if stated else 0)
            if len(self._buffer) < stop:
                return
            body, self._buffer = self._buffer[end + 4 : stop], self._buffer[stop:]
            self._transport.write(self._answer(head, body))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if _AUTHORIZATION.findall(head) != [self._authorization]:
            return HEAD % (b"401 Unauthorized", b"no-store", 0)
        if _CHUNKED.search(head):
            return HEAD % (b"411 Length Required", b"no-store", 0)
        if not head.startswith(b"GET "):
            return HEAD % (b"200 OK", b"no-store", len(body)) + body
        caching = b"max-age=3600" if b"/fresh" in head[: head.find(b"\r\n")] else b"no-store"
        return HEAD % (b"200 OK", caching, len(DOCUMENT)) + DOCUMENT


async def _serve() -> None:
    authorization = os.environ["BENCH_AUTHORIZATION"].encode()
    server = await asyncio.get_running_loop().create_server(lambda: Origin(authorization), "127.0.0.1", 0, backlog=1024)
    host, port = server.sockets[0].getsockname()
    sys.stdout.write(f"data listener on http://{host}:{port}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
