"""The upstream of the contest. It answers each customer with his own document, tells strangers 401, and remembers what it was asked.

``BENCH_AUTHORIZATIONS`` is JSON, the ``Authorization`` that must come by customer. A GET gets ``document(customer)``, fresh for an hour
below ``/fresh`` and ``no-store`` elsewhere; any other method its own body. ``…/export?octets=N`` gives N octets of ``bulk.PATTERN``, or
takes a body and says whether it was that. ``GET /seen`` is ``{"calls", "strange", "last"}``: calls since the last time it was asked,
those with another Authorization, and the last head. Bodies need a Content-Length (else 411). Prints one line with its address.
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

from bench.contest.bulk import BLOCK, PATTERN, same
from bench.contest.job import document

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_AUTHORIZATION = re.compile(rb"\r\nauthorization: *([^\r\n]*)", re.IGNORECASE)
_OCTETS = re.compile(rb"/export\?octets=(\d+) ")
_HEAD = (
    b"HTTP/1.1 %s\r\nDate: "
    + formatdate(usegmt=True).encode()
    + b"\r\nContent-Type: application/json;charset=UTF-8\r\nCache-Control: %s\r\n"
    b"Elements-Request-Id: 5f3c1e0aab12cd34ef567890\r\nContent-Length: %d\r\n\r\n"
)
_OK, _NO = b"200 OK", b"no-store"


class Memory:
    """What was asked, by all connections."""

    def __init__(self, authorizations: dict[str, str]) -> None:
        self.documents = {value.encode(): document(customer) for customer, value in authorizations.items()}
        self.calls = self.strange = 0
        self.last = b""

    def told(self) -> bytes:
        """What ``/seen`` answers; counting starts again."""
        lines = self.last.decode("latin-1").split("\r\n")[1:]
        said = {"calls": self.calls, "strange": self.strange, "last": [line.split(": ", 1) for line in lines if line]}
        self.calls = self.strange = 0
        self.last = b""
        return json.dumps(said).encode()


class Origin(asyncio.Protocol):
    """One connection; requests may be pipelined, but not behind a bulk transfer."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._buffer = b""
        self._given = self._to_give = 0
        self._taken = self._to_take = 0
        self._unchanged = True
        self._paused = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=2 * BLOCK)

    def data_received(self, data: bytes) -> None:
        if self._to_take:
            self._take(data)
            return
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[: end + 2]
            stated = _LENGTH.search(head)
            length = int(stated[1]) if stated else 0
            if b"/export" in head[: head.find(b"\r\n")]:
                rest, self._buffer = self._buffer[end + 4 :], b""
                self._bulk(head, length, rest)
                return
            stop = end + 4 + length
            if len(self._buffer) < stop:
                return
            body, self._buffer = self._buffer[end + 4 : stop], self._buffer[stop:]
            self._write(self._answer(head, body))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _answer(self, head: bytes, body: bytes) -> bytes:
        memory = self._memory
        if head.startswith(b"GET /seen "):
            said = memory.told()
            return _HEAD % (_OK, _NO, len(said)) + said
        mine = self._customer(head)
        if mine is None:
            return _HEAD % (b"401 Unauthorized", _NO, 0)
        if _CHUNKED.search(head):
            return _HEAD % (b"411 Length Required", _NO, 0)
        if not head.startswith(b"GET "):
            return _HEAD % (_OK, _NO, len(body)) + body
        caching = b"max-age=3600" if b"/fresh" in head[: head.find(b"\r\n")] else _NO
        return _HEAD % (_OK, caching, len(mine)) + mine

    def _customer(self, head: bytes) -> bytes | None:
        """The document of whoever ``head`` is for."""
        memory = self._memory
        memory.calls += 1
        memory.last = head
        came = _AUTHORIZATION.findall(head)
        mine = memory.documents.get(came[0]) if len(came) == 1 else None
        memory.strange += mine is None
        return mine

    def _bulk(self, head: bytes, length: int, rest: bytes) -> None:
        if self._customer(head) is None or _CHUNKED.search(head):
            self._write(_HEAD % (b"400 Bad Request", _NO, 0))
        elif asked := _OCTETS.search(head):
            self._given, self._to_give = 0, int(asked[1])
            self._write(_HEAD.replace(b"application/json;charset=UTF-8", b"application/octet-stream") % (_OK, _NO, self._to_give))
            self._give()
        else:
            self._taken, self._to_take, self._unchanged = 0, length, True
            if re.search(rb"\r\nexpect: *100-continue", head, re.IGNORECASE):
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._take(rest)

    def _give(self) -> None:
        while self._given < self._to_give and not self._paused:
            at, octets = self._given % len(PATTERN), min(BLOCK, self._to_give - self._given)
            part = PATTERN[at : at + octets]
            self._given += len(part)
            self._write(part)

    def _take(self, data: bytes) -> None:
        self._unchanged = self._unchanged and same(data, self._taken)
        self._taken += len(data)
        if self._taken >= self._to_take:
            said = json.dumps({"octets": self._taken, "same": self._unchanged}).encode()
            self._to_take = 0
            self._write(_HEAD % (_OK, _NO, len(said)) + said)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._give()


async def _serve() -> None:
    memory = Memory(json.loads(os.environ["BENCH_AUTHORIZATIONS"]))
    server = await asyncio.get_running_loop().create_server(lambda: Origin(memory), "127.0.0.1", 0, backlog=4096)
    host, port = server.sockets[0].getsockname()
    sys.stdout.write(f"data listener on http://{host}:{port}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
