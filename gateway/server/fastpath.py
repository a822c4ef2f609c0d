"""The fast path: a request whose head is known, and whose answer is fresh in memory, is answered where its octets arrive.

Why this may be done, and gives what the corridor would have given:

* **What is asked is certain.** A head gets known when the corridor has just answered one like it from the cache, and each of its fields is
  one that means the same every time (``heads.is_understood``). From then on it is recognized by its octets: all of them but the two ids
  that are new each time. So nothing is parsed that could be parsed another way, and whatever has one octet more (a body, another field,
  a pipelined request) is not recognized.
* **What is answered is certain.** A known answer holds for as long as nothing has changed of what it came from: the generations of keys
  and mappings (any change of either begins a new one), no pause anywhere, the entry itself still on its shelf. Until the next second by
  which ``Age`` or ``ttl`` would change, its octets are kept; then they are made anew, by the same functions that the corridor uses. A key
  that expires ends that time, too. What would be answered in another way is left to the corridor: while the gateway drains or is
  overloaded, where the call is traced. Nothing is learned from a connection that shows a certificate; where a head names a key, as each
  that is learned does, a certificate has no say.
* **What is left behind is the same.** Each call has its ids, its duration, its line, its record and its count; they are noted down in one
  tuple, and worked out together (``telemetry.repeated``). When a key and an entry were last used is told once a second.
* **The connection is as before.** It must be at rest: nothing half received, nothing waiting, nothing unsent that the caller does not
  take. The task that serves it does not learn of the call; it waits for the next one, as it did.

It costs two look-ups and one write; the corridor's own way, from the parser to the head of the answer, costs twenty times as much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from time import monotonic, time
from typing import Any

from gateway.cache.repeating import Repeatable
from gateway.callers.keys import CallerKey
from gateway.errors import GatewayError
from gateway.exchange import Exchange, Request, Response
from gateway.pipeline import Pipeline
from gateway.server import answer, intake
from gateway.server.data_connection import DataConnection
from gateway.server.heads import Cuts, cuts_of, headers_in, ids_of, is_one_head, is_understood
from gateway.server.standing import Standing
from gateway.telemetry import MOST_NOTES, Telemetry
from gateway.telemetry.ids import Drawn, new_id
from gateway.telemetry.repeated import Repeats

Stamped = Callable[[Request, Response, Exchange], Response]

MOST_KNOWN = 4096
MOST_OCTETS = 64 * 1024
"""The largest body that is given so: a larger one costs more to write than to look for."""
_UNUSED_S = 10.0
_SETTLE_S = 0.05
_TIMING = b"\r\nServer-Timing: gateway;dur="
_DURATION = b"0.000"
_SHORT = 1000
_MILLISECONDS = [b"%.3f" % (micros / 1000) for micros in range(_SHORT)]


class KnownAnswer:
    """What one head is answered: ``before`` the request id, ``after`` the duration, and ``body``, as octets of the second from ``built``
    to ``until`` (wall time)."""

    __slots__ = ("after", "before", "body", "built", "call", "held", "key", "likes", "points", "rest", "stored", "until")

    def __init__(self, rest: bytes, cuts: Cuts | None, key: CallerKey, stored: Repeatable, call: Exchange) -> None:
        self.rest = rest
        self.points = () if cuts is None else cuts.points
        self.key = key
        self.stored = stored
        self.held = stored.held
        self.call = call
        """A record of such a call, up to its answer."""
        self.likes: Repeats
        self.built = self.until = 0.0
        self.before = self.after = self.body = b""


class FastPath:
    """The answers that are known, for as long as ``standing`` says so; ``stamped`` completes an answer for pages of other origins."""

    def __init__(
        self, pipeline: Pipeline, telemetry: Telemetry, standing: Standing, stamped: Stamped, forget_others: Callable[[float], None]
    ) -> None:
        """``forget_others``: what was not used since then (wall time) is known no more elsewhere, either."""
        self._forget_others = forget_others
        self._pipeline = pipeline
        self._telemetry = telemetry
        self._note = telemetry.notes.append
        self._unsettled = telemetry.notes
        self._standing = standing
        self._stamped = stamped
        self._known: dict[bytes, KnownAnswer] = {}
        self._seen: dict[int, None] = {}  # heads that were answered from the cache once
        self._drawn = Drawn()
        standing.when_changed(self._forget_all)

    def answer(self, connection: DataConnection, data: bytes) -> bool:
        """Answer what was received on a ``connection`` at rest; False: it is not known, nothing was done."""
        started = monotonic()
        cuts = connection.cuts
        if cuts is None:
            known = self._known.get(data)
            if known is None or known.points:
                return False
            request_id = traceparent = None
        else:
            known = self._known.get(cuts.rest(data))
            if known is None or known.points != cuts.points or (ids := ids_of(cuts, data)) is None:
                return False
            request_id, traceparent, _ = ids
        wall = time()
        if not self._standing.lets(traceparent):
            return False
        if not (known.built <= wall < known.until and known.held.alive) and not self._renew(known, wall):
            return False
        if request_id is None:
            request_id = self._drawn.id()
        own = monotonic() - started
        octets = b"".join((known.before, request_id, _TIMING, milliseconds(own), known.after, known.body))
        connection.give(octets, started, batch=known.call.batch)
        self._note((known.likes, request_id, traceparent, started, wall, own, monotonic() - started))
        if len(self._unsettled) >= MOST_NOTES:
            self._telemetry.settle()
        return True

    def _renew(self, known: KnownAnswer, wall: float) -> bool:
        """Have the octets of this second; False: it is not the answer any more."""
        call = copy(known.call)
        call.decisions = []
        call.time = wall
        expires_at = known.key.expires_at
        found = known.stored.at(wall, call) if known.held.alive and (expires_at is None or wall < expires_at) else None
        if found is None:
            self._drop(known.rest)
            return False
        response, until = found
        response = self._stamped(known.stored.request, response, call)
        call.status = response.status
        head, known.body = answer.whole(response, call)
        before, _, after = head.partition(call.request_id.encode())
        known.before, known.after = before, after.partition(_TIMING)[2].partition(_DURATION)[2]
        if not known.built:
            known.likes = self._telemetry.repeats(call)
        known.built, known.until = wall, until if expires_at is None else min(until, expires_at)
        self._standing.keys.used(known.key.id, wall)
        return True

    def _drop(self, rest: bytes) -> None:
        """It is known no more, and nobody need tell of it."""
        known = self._known.pop(rest, None)
        if known is not None:
            known.held.gone.pop(rest, None)

    def _forget_all(self) -> None:
        for rest in list(self._known):
            self._drop(rest)

    async def learn(self, connection: DataConnection, head: bytes, request: Request) -> None:
        """The corridor answered ``request``, which came as ``head``, from the cache: know the answer, if that happened before."""
        connection.cuts = cuts = cuts_of(head)
        if not is_one_head(head) or not is_understood(request.headers) or request.certificate is not None:
            return
        if headers_in(head) != request.headers:
            return  # something was taken from them, or they are spelled in an odd way
        rest = head if cuts is None else cuts.rest(head)
        generation = self._standing.generation
        if rest in self._known or ids_of(cuts, head) is None:
            return
        if hash(rest) not in self._seen:
            make_room(self._seen, MOST_KNOWN)
            self._seen[hash(rest)] = None
            return
        # A drawn id, which cannot be part of anything else in the head of the answer.
        call = Exchange(new_id(), request.method, intake.shown(head.split(b" ", 2)[1].decode("latin-1")), 0.0)
        try:
            found = await self._pipeline.repeatable(replace(request, interim=None), call)
        except GatewayError:
            return
        if found is None or generation != self._standing.generation or found[1].octets > MOST_OCTETS:
            return
        key, stored = found
        if key.previous_digest is None:  # a rotated key's two texts end at different times
            if len(self._known) >= MOST_KNOWN:
                self._drop(next(iter(self._known)))
            self._known[rest] = KnownAnswer(rest, cuts, key, stored, call)
            stored.held.gone[rest] = self._drop  # what is stored no more is not to be held here either

    async def watch(self) -> None:
        """Endless: have what was answered recorded soon, and forget what nobody asks for any more."""
        forgotten_at = monotonic()
        while True:
            await asyncio.sleep(_SETTLE_S)
            self._telemetry.settle()
            if monotonic() - forgotten_at > _UNUSED_S:
                forgotten_at, long_ago = monotonic(), time() - _UNUSED_S
                for known in [known for known in self._known.values() if known.until < long_ago]:
                    self._drop(known.rest)
                self._forget_others(long_ago)


def milliseconds(seconds: float) -> bytes:
    """A duration as ``Server-Timing`` says it."""
    micros = int(seconds * 1e6 + 0.5)
    return _MILLISECONDS[micros] if micros < _SHORT else b"%.3f" % (seconds * 1e3)


def make_room(kept: dict[Any, Any], most: int) -> None:
    """Let go the oldest of ``kept``, where it has the ``most`` that it may."""
    if len(kept) >= most:
        del kept[next(iter(kept))]
