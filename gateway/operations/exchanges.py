"""The verb on calls that were made: what is known elsewhere of a call, joined to its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway import __version__
from gateway.database import instances as rows
from gateway.errors import NotFound, StoreUnavailable
from gateway.operations.base import Verbs
from gateway.reports import FoundExchange


class NoExchange(NotFound):
    """No call that is remembered has this id"""


class ExchangeVerbs(Verbs):
    """Join."""

    async def join_exchanges(self, records: Sequence[Mapping[str, Any]]) -> list[FoundExchange]:
        """``records`` with the numbers of their instances and with what stands for their customers; ``NoExchange`` if there are none.

        A number that cannot be looked up is left out: an operator who asks about a call may do so because the database is gone.
        """
        if not records:
            raise NoExchange("only the last 1000 calls are remembered, and none from before a restart")
        numbers = await self._numbers({record["instance"] for record in records if "instance" in record})
        return [self._joined(record, numbers.get(record.get("instance", ""))) for record in records]

    def _joined(self, record: Mapping[str, Any], instance_id: int | None) -> FoundExchange:
        customer = record.get("customer")
        alias = None if customer is None else f"customer-{self._vault.alias(customer)}"
        return FoundExchange(**record, gateway=__version__, customer_alias=alias, instance_id=instance_id)

    async def _numbers(self, handles: set[str]) -> dict[str, int]:
        try:
            async with self._database.read() as connection:
                found = [row for handle in sorted(handles) if (row := await rows.by_handle(connection, handle)) is not None]
        except StoreUnavailable:
            return {}
        return {row["handle"]: row["instance_id"] for row in found if row["instance_id"] is not None}
