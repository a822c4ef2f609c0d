"""Where first answers are kept: encrypted rows, for a time, in all at most so many octets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database import kept_answers as rows
from gateway.database.engine import Database
from gateway.errors import StoreUnavailable
from gateway.idempotency.answer import Kept, packed, unpacked
from gateway.instances.vault import Sealed, Vault, VaultError

_log = structlog.get_logger("gateway.idempotency")

ROW_BYTES = 512  # what a row costs beside its answer, so that a million small ones are bounded as well
_EXPIRED_AT_ONCE = 32
_BATCH = 16  # an answer may have a megabyte
_RECOUNTED = 500  # writes after which the sum is read anew: somebody may have put another database in place


class KeptAnswers:
    """The rows. ``clock`` tells seconds since the epoch, ``keep_s`` for how long an answer is kept, ``max_bytes`` how much in all."""

    def __init__(self, database: Database, vault: Vault, clock: Callable[[], float], keep_s: float, max_bytes: int) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._keep_s = keep_s
        self._max_bytes = max_bytes
        self._lock = asyncio.Lock()  # the sum is that of the write before
        self._octets = 0
        self._writes = 0

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock()

    async def find(self, digest: bytes) -> Kept | None:
        """What is kept for this owner; ``StoreUnavailable`` if that cannot be told, or what is there does not decrypt."""
        async with self._database.read() as connection:
            row = await rows.by_digest(connection, digest)
        if row is None or row["created_at"] <= self._clock() - self._keep_s:
            return None
        try:
            octets = _opened(row, self._vault)
        except VaultError:
            _log.error("kept answer does not decrypt", key_id=row["key_id"])
            raise StoreUnavailable("the first answer to this Idempotency-Key cannot be read", retry_after=60) from None
        return Kept(row["fingerprint"], unpacked(octets), row["created_at"])

    async def keep(self, digest: bytes, kept: Kept) -> None:
        """Keep it, in place of one that is there, and make room. ``StoreUnavailable``."""
        sealed = self._vault.seal_octets(packed(kept.answer), _bound_to(digest, kept.fingerprint))
        row = {
            "digest": digest,
            "fingerprint": kept.fingerprint,
            "answer": sealed.blob,
            "key_id": sealed.key_id,
            "octets": len(sealed.blob) + ROW_BYTES,
            "created_at": kept.created_at,
        }
        async with self._lock:
            async with self._database.write(quiet=True) as connection:
                octets = await self._counted(connection) + await rows.put(connection, row)
                octets -= (await rows.remove_expired(connection, self._clock() - self._keep_s, _EXPIRED_AT_ONCE))[1]
                if octets > self._max_bytes:
                    octets -= await rows.remove_oldest(connection, octets - self._max_bytes)
            self._octets = octets
            self._writes += 1

    async def sweep(self) -> None:
        """Remove all that is expired, some at a time. ``StoreUnavailable``."""
        gone = _EXPIRED_AT_ONCE
        while gone == _EXPIRED_AT_ONCE:
            async with self._lock:
                async with self._database.write(quiet=True) as connection:
                    gone, octets = await rows.remove_expired(connection, self._clock() - self._keep_s, _EXPIRED_AT_ONCE)
                self._octets -= octets

    async def _counted(self, connection: AsyncConnection) -> int:
        return self._octets if self._writes % _RECOUNTED else await rows.total(connection)


async def unreadable(database: Database, vault: Vault, since: float) -> Counter[str]:
    """How many answers kept after ``since`` (seconds since the epoch) do not decrypt though their master key is there, by its id."""
    found: Counter[str] = Counter()
    async for row in _every_row(database):
        if row["created_at"] > since and row["key_id"] in vault.key_ids:
            try:
                _opened(row, vault)
            except VaultError:
                found[row["key_id"]] += 1
    return found


async def reseal(database: Database, vault: Vault, key_id: str) -> tuple[int, int]:
    """Encrypt anew, under the vault's first key ``key_id``, what is under another: how many were, and how many do not decrypt."""
    done = failed = 0
    after = b""
    while True:
        async with database.write(quiet=True) as connection:
            found = await rows.page(connection, after=after, limit=_BATCH, not_under=key_id)
            for row in found:
                try:
                    sealed = vault.seal_octets(_opened(row, vault), _bound_to(row["digest"], row["fingerprint"]))
                except VaultError:
                    failed += 1
                    continue
                await rows.change(connection, row["digest"], {"answer": sealed.blob, "key_id": sealed.key_id})
                done += 1
        if len(found) < _BATCH:
            return done, failed
        after = found[-1]["digest"]


async def _every_row(database: Database) -> AsyncIterator[RowMapping]:
    after = b""
    while True:
        async with database.read() as connection:
            found = await rows.page(connection, after=after, limit=_BATCH)
        for row in found:
            yield row
        if len(found) < _BATCH:
            return
        after = found[-1]["digest"]


def _opened(row: RowMapping, vault: Vault) -> bytes:
    return vault.open_octets(Sealed(row["key_id"], row["answer"]), _bound_to(row["digest"], row["fingerprint"]))


def _bound_to(digest: bytes, fingerprint: bytes) -> bytes:
    """What an encrypted answer belongs to: it opens in its own row, for its own request."""
    return digest + fingerprint
