"""The upstream of the memory benchmark: takes and gives bodies of any size, and says what it took.

POST: reads the body to its end (``?octets-per-second=N``: no faster than that) and answers ``{"octets", "sha256"}`` of it.
GET ``?octets=N&framing=length|chunked``: N octets of ``blocks``, as fast as they are taken. Prints one line with its address.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import uvloop

BLOCK = 64 * 1024
_NOISE = random.Random(1).randbytes(BLOCK - 8)


def blocks(octets: int) -> Iterator[bytes]:
    """``octets`` octets (a multiple of ``BLOCK``), no two blocks alike, so that one lost, doubled or moved changes the digest."""
    for number in range(octets // BLOCK):
        yield number.to_bytes(8, "big") + _NOISE


def digest(octets: int) -> str:
    """The SHA-256 of ``blocks(octets)``."""
    hashed = hashlib.sha256()
    for block in blocks(octets):
        hashed.update(block)
    return hashed.hexdigest()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split(" ", 2)
            asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
            if method == "GET":
                await _give(writer, int(asked["octets"]), chunked=asked["framing"] == "chunked")
            else:
                await _take(reader, writer, head, float(asked.get("octets-per-second", "inf")))
    writer.close()


async def _give(writer: asyncio.StreamWriter, octets: int, *, chunked: bool) -> None:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {octets}"
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n{framing}\r\n\r\n".encode())
    for block in blocks(octets):
        writer.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str, octets_per_second: float) -> None:
    hashed, octets = hashlib.sha256(), 0
    async for part in _body(reader, head):
        hashed.update(part)
        octets += len(part)
        if len(part) / octets_per_second:
            await asyncio.sleep(len(part) / octets_per_second)
    answer = json.dumps({"octets": octets, "sha256": hashed.hexdigest()}).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
    await writer.drain()


async def _body(reader: asyncio.StreamReader, head: str) -> AsyncIterator[bytes]:
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
    if fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            yield (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return
    left = int(fields.get("content-length", "0"))
    while left:
        part = await reader.read(min(left, BLOCK))
        if not part:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(part)
        yield part


async def _serve() -> None:
    server = await asyncio.start_server(_connection, "127.0.0.1", 0, limit=4 * BLOCK)
    host, port = server.sockets[0].getsockname()
    sys.stdout.write(f"data listener on http://{host}:{port}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
