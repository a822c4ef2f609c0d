"""Look-ups of mappings, from a bounded memory before the database, and what the gateway itself finds out about their tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import Any, NoReturn

import structlog
from sqlalchemy import RowMapping

from gateway.database import instances as rows
from gateway.database.engine import Database
from gateway.database.memory import Memory
from gateway.exchange import Instance
from gateway.instances.columns import holds_token, identity_of, token_columns
from gateway.instances.vault import Sealed, Vault, VaultError
from gateway.secret import Secret

_HANDLE = re.compile(r"gwi_[a-z0-9]{24}")
_LONGEST_NAME = 128
_log = structlog.get_logger("gateway.instances")
_audit = structlog.get_logger("gateway.audit")


class Unreadable(Secret):
    """The place of a token that does not decrypt: whoever needs it gets the ``VaultError``, and nobody else is bothered.

    A customer's mapping must not vanish because of it: then the customer's other instance would seem its only one.
    """

    __slots__ = ("_error",)

    def __init__(self, error: VaultError) -> None:
        super().__init__("")
        self._error = error

    def reveal(self) -> NoReturn:
        raise VaultError(self._error.detail)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None


class Instances:
    """The mappings as calls need them. Answers may be as old as the last ``forget()``; ``database.engine.follow`` calls it."""

    def __init__(
        self, database: Database, vault: Vault, size: int = 16_384, empty_size: int = 4096, clock: Callable[[], float] = time
    ) -> None:
        """``size`` and ``empty_size`` bound each of three memories: entries that were found, and that were not. ``clock`` tells seconds
        since the epoch."""
        self._database = database
        self._vault = vault
        self._clock = clock
        self._by_handle: Memory[str, Instance | None] = Memory(size, empty_size)
        self._of_customer: Memory[tuple[str, str], tuple[Instance, ...]] = Memory(size, empty_size)
        self._handle_of: Memory[tuple[str, bytes], str | None] = Memory(size, empty_size)
        self.generation = 0
        """How often everything was forgotten: what was said before may be true no more."""

    async def by_handle(self, handle: str) -> Instance | None:
        """The mapping, disabled or not; ``StoreUnavailable`` if it can neither be remembered nor read, ``VaultError`` if its token
        does not decrypt."""
        if not _HANDLE.fullmatch(handle):
            return None

        async def load() -> Instance | None:
            row = await self._row(handle)
            return None if row is None else self._instance(row)

        instance = await self._by_handle.look_up(handle, load)
        if instance is not None and isinstance(instance.token, Unreadable):
            instance.token.reveal()
        return instance

    async def of_customer(self, environment: str, customer: str) -> tuple[Instance, ...]:
        """The customer's mappings in that environment, disabled ones too, by element and name; ``StoreUnavailable``.

        A mapping whose token does not decrypt is among them; revealing that token raises ``VaultError``.
        """
        if not _sayable(environment) or not _sayable(customer):
            return ()

        async def load() -> tuple[Instance, ...]:
            async with self._database.read() as connection:
                found = await rows.of_customer(connection, environment, customer)
            return tuple(self._instance(row) for row in found)

        return await self._of_customer.look_up((environment, customer), load)

    async def handle_of(self, environment: str, token: str) -> str | None:
        """The handle of the (oldest) mapping in that environment with this token; ``StoreUnavailable``."""
        digests = tuple(self._vault.token_digest(environment, token).values())
        if not digests or not _sayable(environment):
            return None

        async def load() -> str | None:
            async with self._database.read() as connection:
                return await rows.handle_by_digest(connection, environment, digests)

        return await self._handle_of.look_up((environment, digests[0]), load)

    async def numbered(self, environment: str, instance_id: int) -> Sequence[str]:
        """The handles of the mappings that state this number of an instance at Cloud Elements."""
        async with self._database.read() as connection:
            return await rows.numbered(connection, environment, instance_id)

    async def counts(self) -> dict[tuple[str, str, str], int]:
        """How many mappings by (environment, element, state ``active``, ``disabled`` or ``needs_authorization``)."""
        async with self._database.read() as connection:
            found = await rows.counts(connection)
        return {(environment, element, state): number for environment, element, state, number in found}

    async def withdraw(self, handle: str, *, unauthorized: bool) -> None:
        """Cloud Elements refuses the mapping's token, or takes it again; ``StoreUnavailable``.

        What is so already, or gone, is left as it is. The mapping counts as unchanged: what was cached is still its answer.
        """
        row = await self._row(handle)
        if row is not None and (row["unauthorized_at"] is not None) != unauthorized:
            values = {"unauthorized_at": self._clock() if unauthorized else None}
            await self._change(handle, values, "instance.withdraw" if unauthorized else "instance.restore")

    async def replace_token(self, handle: str, token: Secret) -> None:
        """``token`` is what Cloud Elements has for the instance now; ``StoreUnavailable``, ``VaultError`` without a master key.

        The mapping is one that was changed: nothing cached is its answer any more. What holds it already, or is gone, is left as it is.
        """
        row = await self._row(handle)
        if row is None or (row["unauthorized_at"] is None and holds_token(row, token, self._vault)):
            return
        values = token_columns(token, self._vault, identity_of(row))
        await self._change(handle, {**values, "updated_at": self._clock()}, "instance.token")

    def forget(self) -> None:
        """Read anew what is asked from now on."""
        for memory in (self._by_handle, self._of_customer, self._handle_of):
            memory.forget()
        self.generation += 1

    async def _row(self, handle: str) -> RowMapping | None:
        async with self._database.read() as connection:
            return await rows.by_handle(connection, handle)

    async def _change(self, handle: str, values: Mapping[str, Any], verb: str) -> None:
        async with self._database.write() as connection:
            changed = await rows.change(connection, handle, values)
        self.forget()
        if changed:
            _audit.info("audit", actor="gateway", verb=verb, id=handle)

    def _instance(self, row: RowMapping) -> Instance:
        try:
            token = self._vault.decrypt(Sealed(row["token_key_id"], row["token"]), identity_of(row))
        except VaultError as error:
            _log.error("token does not decrypt", handle=row["handle"], key_id=row["token_key_id"])
            token = Unreadable(error)
        return Instance(
            handle=row["handle"],
            environment=row["environment"],
            customer=row["customer"],
            element=row["element"],
            token=token,
            instance_id=row["instance_id"],
            hub=row["hub"],
            name=row["name"] or None,
            group=row["group"],
            disabled=row["disabled"],
            changed_at=row["updated_at"],
            needs_authorization=row["unauthorized_at"] is not None,
        )


def _sayable(name: str) -> bool:
    """Whether a mapping could be called that; what could not is neither asked of the database nor remembered."""
    return len(name) <= _LONGEST_NAME and (name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name))
