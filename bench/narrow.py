"""The upstream of the overload benchmark: so many calls at a time, each for so long, and behind them an endless line.

``BENCH_PLACES`` calls at a time (0: any number), ``BENCH_SERVICE_S`` seconds each (0: at once). A call whose path ends in ``/hold`` is
never answered and takes no place. Everything else is as in ``bench/origin.py``. Prints one line with its address once it listens.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from typing import cast

import uvloop

from bench.origin import DOCUMENT, HEAD

_ANSWER = HEAD % (b"200 OK", b"no-store", len(DOCUMENT)) + DOCUMENT


class Counter:
    """Where calls are served, ``places`` at a time, in the order in which they came."""

    def __init__(self, places: int, service_s: float) -> None:
        self._places = places
        self._service_s = service_s
        self._taken = 0
        self._line: deque[asyncio.Transport] = deque()

    def come(self, caller: asyncio.Transport) -> None:
        if not self._service_s:
            caller.write(_ANSWER)
        elif self._places and self._taken >= self._places:
            self._line.append(caller)
        else:
            self._taken += 1
            self._serve(caller)

    def _serve(self, caller: asyncio.Transport) -> None:
        asyncio.get_running_loop().call_later(self._service_s, self._served, caller)

    def _served(self, caller: asyncio.Transport) -> None:
        caller.write(_ANSWER)
        if self._line:
            self._serve(self._line.popleft())
        else:
            self._taken -= 1


class Origin(asyncio.Protocol):
    """One connection, GETs alone, one at a time."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._buffer.endswith(b"\r\n\r\n") or self._transport is None:
            return
        target = self._buffer.split(b" ", 2)[1]
        self._buffer = b""
        if not target.endswith(b"/hold"):
            self._counter.come(self._transport)


async def _serve() -> None:
    counter = Counter(int(os.environ["BENCH_PLACES"]), float(os.environ["BENCH_SERVICE_S"]))
    server = await asyncio.get_running_loop().create_server(lambda: Origin(counter), "127.0.0.1", 0, backlog=1024)
    host, port = server.sockets[0].getsockname()
    sys.stdout.write(f"data listener on http://{host}:{port}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
