"""One request and its answer, while they are under way, and the record that there is of them whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from gateway.exchange import Exchange, Headers, Request
from gateway.server import answer
from gateway.server.data_connection import DataConnection


@dataclass(slots=True)
class Turn:
    """One request and its answer. ``in_step``: it is known where the next request begins; ``kept``: its connection may be."""

    exchange: Exchange
    method: str
    headers: Headers
    request: Request | None = None
    http_1_0: bool = False
    in_step: bool = False
    kept: bool = False

    @property
    def bytes_up(self) -> int:
        """Octets of the request's body that came."""
        if self.request is None:
            return 0
        body = self.request.body
        return len(body) if isinstance(body, bytes) else getattr(body, "octets", 0)


class Recorded:
    """Whatever happens to a call inside, ``record`` is told of it once. A class, since a generator would cost two microseconds a call."""

    __slots__ = ("_connection", "_record", "_turn")

    def __init__(self, record: Callable[[DataConnection, Turn], None], connection: DataConnection, turn: Turn) -> None:
        self._record = record
        self._connection = connection
        self._turn = turn

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        turn = self._turn
        exchange = turn.exchange
        broken = isinstance(error, answer.BrokenOff)
        if isinstance(error, answer.BrokenOff):
            exchange.outcome, turn.kept = f"broken-off:{error.error.slug}", False
        elif isinstance(error, (asyncio.CancelledError, ConnectionError)):
            exchange.outcome = "caller-left"
            exchange.status = exchange.status or 499
        self._record(self._connection, turn)
        return broken
