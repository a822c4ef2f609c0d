"""Was this call made before? First answers to unsafe calls with an ``Idempotency-Key`` (contract 2.3,
draft-ietf-httpapi-idempotency-key-header).

The first answer is kept, and whoever repeats the call with the same key gets it again; nothing is sent. Calls with one key take turns,
in this process: the second one waits for the first, and sends only if that had no answer worth keeping. A call whose caller leaves
before its answer comes is finished all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import structlog

from gateway.bodies import gathered
from gateway.errors import Conflict, IdempotencyKeyReused, StoreUnavailable
from gateway.exchange import Exchange, Request, Response, Target
from gateway.idempotency.answer import Kept, lasting, not_kept, replayed
from gateway.idempotency.bodies import Fingerprinted
from gateway.idempotency.key import FIELD, UNSAFE, key_of, owner_of
from gateway.idempotency.store import KeptAnswers
from gateway.idempotency.turns import Turn, Turns

__all__ = ["FIELD", "UNSAFE", "Idempotency", "KeptAnswers", "names_key"]

log = structlog.get_logger("gateway.idempotency")

Send = Callable[[Request, Exchange], Awaitable[Response]]
Background = Callable[[Callable[[Exchange], Awaitable[Response]], Exchange], bool]
"""Takes a call over for which nobody waits any more; False where there are too many."""


def names_key(request: Request) -> bool:
    """Whether ``Idempotency.once`` is for this call."""
    return FIELD in request.headers and request.method in UNSAFE


class Idempotency:
    """The room's one object. ``max_object_bytes`` is the largest body kept: of a larger answer only that it was given is remembered."""

    def __init__(self, store: KeptAnswers, max_object_bytes: int, background: Background) -> None:
        self._store = store
        self._background = background
        self._max_object_bytes = max_object_bytes
        self._turns = Turns()
        self._writing: set[asyncio.Task[None]] = set()
        self._failing = False

    async def once(self, request: Request, target: Target, exchange: Exchange, send: Send) -> Response:
        """The answer that the first call with this key got, else what ``send`` brings.

        ``BadRequest`` for a key that is none; ``IdempotencyKeyReused`` if the key was used for another request; ``Conflict`` if the first
        answer was too large to be kept; ``StoreUnavailable`` if it cannot be told whether there is one: then nothing is sent.
        """
        key = key_of(request.headers)
        if key is None:
            return await send(request, exchange)
        exchange.phase = "idempotency"
        handle = target.instance.handle if target.instance else ""
        owner = owner_of(exchange.caller, target.environment.name, handle, key)
        call = Fingerprinted(request, owner)
        with ExitStack() as stack:
            turn = stack.enter_context(self._turns.held(owner.digest))
            _require_same(turn.fingerprint, call.fingerprint)
            await turn.lock.acquire()
            stack.callback(turn.lock.release)
            kept = turn.kept or await self._store.find(owner.digest)
            if kept is not None:
                return await _replay(kept, call, exchange)
            turn.leader = call
            stack.callback(setattr, turn, "leader", None)
            return await self._first(owner.digest, turn, call, exchange, send, stack)

    async def _first(self, digest: bytes, turn: Turn, call: Fingerprinted, exchange: Exchange, send: Send, held: ExitStack) -> Response:
        """Send ``call`` and keep its answer. Should its caller leave, it goes on, and so does what is ``held`` for it: that caller is the
        one who will repeat it."""
        own = exchange.twin()
        task = asyncio.create_task(self._made(digest, turn, call, own, send))
        try:
            response = await asyncio.shield(task)
        except asyncio.CancelledError:
            over = held.pop_all()
            task.add_done_callback(lambda _: over.close())
            goes_on = own.upstream_calls > 0 and isinstance(call.request.body, bytes)  # else it only waits, or its body cannot come
            if not goes_on or not self._background(partial(_rest, task, own), own):
                task.cancel()
                task.add_done_callback(_let_go)
            exchange.note("idempotency", "left", "it goes on without its caller" if goes_on else "it had not left yet")
            raise
        except BaseException:
            exchange.become(own)
            raise
        exchange.become(own)
        return response

    async def _made(self, digest: bytes, turn: Turn, call: Fingerprinted, exchange: Exchange, send: Send) -> Response:
        return await self._settled(digest, turn, call, await send(call.request, exchange), exchange)

    async def close(self) -> None:
        """Wait until what was being kept is."""
        await asyncio.gather(*self._writing)

    async def sweep(self) -> None:
        """Remove expired answers; where the database fails, a later call does."""
        try:
            await self._store.sweep()
        except StoreUnavailable as error:
            log.warning("expired answers could not be removed", reason=error.detail)

    async def _settled(self, digest: bytes, turn: Turn, call: Fingerprinted, response: Response, exchange: Exchange) -> Response:
        """``response`` as the caller gets it, kept if it may be."""
        why = not_kept(response.status, limit_signal=exchange.limit_signal)
        if why:
            exchange.note("idempotency", "not kept", why)
            return response
        response = replace(response, body=await gathered(response.body, self._max_object_bytes))
        fingerprint = call.fingerprint
        if fingerprint is None:
            exchange.note("idempotency", "not kept", "it came before the request was read")
            return response
        whole = isinstance(response.body, bytes) and len(response.body) <= self._max_object_bytes
        turn.kept = Kept(fingerprint, lasting(response) if whole else None, self._store.now)
        exchange.note("idempotency", "kept", "" if whole else "too large: that it was given, not the answer")
        try:
            await self._keep(digest, turn.kept)
        except BaseException:
            if not isinstance(response.body, bytes):
                await response.body.aclose()
            raise
        return response

    async def _keep(self, digest: bytes, kept: Kept) -> None:
        """Write it down; also for a caller who leaves meanwhile."""
        task = asyncio.create_task(self._write(digest, kept))
        # Held from now on, not from when the task begins: whoever comes in between must not find nothing.
        holding = self._turns.held(digest)
        holding.__enter__()
        self._writing.add(task)

        def written(_: object) -> None:
            self._writing.discard(task)
            holding.__exit__(None, None, None)

        task.add_done_callback(written)
        await asyncio.shield(task)

    async def _write(self, digest: bytes, kept: Kept) -> None:
        try:
            await self._store.keep(digest, kept)
        except Exception as error:  # whatever it is: the call was made, and its caller gets the answer
            if not self._failing:
                reason = error.detail if isinstance(error, StoreUnavailable) else type(error).__name__
                log.warning("first answers cannot be kept: repeated calls will be sent again", reason=reason)
            self._failing = True
        else:
            if self._failing:
                log.info("first answers are kept again")
            self._failing = False


def _let_go(task: asyncio.Task[Response]) -> None:
    """An answer that came all the same is for nobody."""
    if not task.cancelled() and task.exception() is None and not isinstance(body := task.result().body, bytes):
        asyncio.get_running_loop().create_task(body.aclose())


async def _rest(task: asyncio.Task[Response], own: Exchange, exchange: Exchange) -> Response:
    """The end of a call whose caller has left, on a record of its own."""
    try:
        return await task
    finally:
        exchange.become(own)
        exchange.background = True


async def _replay(kept: Kept, call: Fingerprinted, exchange: Exchange) -> Response:
    _require_same(kept.fingerprint, await call.read())
    if kept.answer is None:
        raise Conflict("the call with this Idempotency-Key was made; its answer was too large to be kept, and it is not sent again")
    exchange.note("idempotency", "replayed", f"first answered {max(0, int(exchange.time - kept.created_at))} s ago")
    exchange.cache = "bypass"
    exchange.cache_status = "gateway; fwd=bypass; detail=idempotency-replayed"
    return replayed(kept.answer)


def _require_same(first: bytes | None, this: bytes | None) -> None:
    """Nothing is said while one of the two is not known."""
    if first is not None and this is not None and first != this:
        raise IdempotencyKeyReused(
            "another method, path, query, Content-Type or body was sent with it first; take a new key for a new call"
        )
