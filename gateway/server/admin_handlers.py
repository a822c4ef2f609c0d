"""One method for each verb of the table in ``admin_routes.py``: call the operation, hand back what it made."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import structlog
from aiohttp import web

from gateway.cache import Cache
from gateway.callers import Callers
from gateway.errors import GatewayError, NotAcceptable
from gateway.explaining import Explainer
from gateway.limits import Limits
from gateway.models import CreatedKey, ImportReport, InstancePage, KeyPage, MappedInstance, PausePage, ShownKey, ShownPause
from gateway.operations import Format, Operations
from gateway.operations.paging import cursor_of, position_of
from gateway.pauses import Pauses
from gateway.reports import Budget, BudgetPage, CacheReport, Explained, Liveness, Purged, Readiness
from gateway.server.admin_calls import shown
from gateway.server.admin_exchanges import ExchangeCalls
from gateway.server.admin_routes import CSV, NDJSON
from gateway.server.docs_page import DocsPage
from gateway.server.health import Health
from gateway.server.negotiation import preferred
from gateway.server.routing import Call
from gateway.telemetry import Telemetry

log = structlog.get_logger("gateway.admin")


@dataclass(frozen=True, slots=True)
class AdminParts:
    """What the admin listener shows and steers."""

    operations: Operations
    callers: Callers
    cache: Cache
    limits: Limits
    telemetry: Telemetry
    health: Health
    explainer: Explainer
    pauses: Pauses


class Handlers(DocsPage, ExchangeCalls):
    """Every verb; those of the documentation are ``DocsPage``'s, those of the last calls ``ExchangeCalls``'."""

    def __init__(self, parts: AdminParts) -> None:
        super().__init__(parts.operations, parts.telemetry.recent, parts.health)
        self._parts = parts
        self._operations = parts.operations

    async def add_instance(self, call: Call) -> MappedInstance:
        return await self._operations.add_instance(call.body, actor=call.actor)

    async def list_instances(self, call: Call) -> InstancePage:
        return await self._operations.list_instances(call.query)

    async def get_instance(self, call: Call) -> MappedInstance:
        return await self._operations.get_instance(call.named("handle"))

    async def patch_instance(self, call: Call) -> MappedInstance:
        changed = await self._operations.patch_instance(call.named("handle"), call.body, actor=call.actor, versions=call.versions)
        await self._parts.cache.drop_instance(changed.environment, changed.handle)
        return changed

    async def delete_instance(self, call: Call) -> None:
        gone = await self._operations.get_instance(call.named("handle"))
        await self._operations.delete_instance(gone.handle, actor=call.actor, versions=call.versions)
        await self._parts.cache.drop_instance(gone.environment, gone.handle)

    async def import_instances(self, call: Call) -> ImportReport:
        text, form = call.body
        return await self._operations.import_instances(text, cast("Format", form), actor=call.actor)

    async def export_instances(self, call: Call) -> web.StreamResponse:
        media = preferred(", ".join(call.request.headers.getall("Accept", ())), (NDJSON, CSV))
        if media is None:
            raise NotAcceptable(f"an export is {NDJSON} or {CSV}")
        response = web.StreamResponse(headers={"Content-Type": media})
        lines = self._operations.export_instances("csv" if media == CSV else "ndjson")
        await response.prepare(call.request)
        async for line in lines:
            await response.write(line.encode())
        await response.write_eof()
        return response

    async def create_key(self, call: Call) -> CreatedKey:
        return await self._operations.create_key(call.body, actor=call.actor)

    async def list_keys(self, call: Call) -> KeyPage:
        return await self._operations.list_keys(call.query)

    async def get_key(self, call: Call) -> ShownKey:
        return await self._operations.get_key(call.named("id"))

    async def rotate_key(self, call: Call) -> CreatedKey:
        return await self._operations.rotate_key(call.named("id"), call.body, actor=call.actor, versions=call.versions)

    async def revoke_key(self, call: Call) -> None:
        await self._operations.revoke_key(call.named("id"), actor=call.actor, versions=call.versions)

    async def add_pause(self, call: Call) -> ShownPause:
        made = await self._operations.add_pause(call.body, actor=call.actor)
        await self._heed_pauses()
        return made

    async def list_pauses(self, call: Call) -> PausePage:
        return await self._operations.list_pauses(call.query)

    async def get_pause(self, call: Call) -> ShownPause:
        return await self._operations.get_pause(call.named("id"))

    async def remove_pause(self, call: Call) -> None:
        await self._operations.remove_pause(call.named("id"), actor=call.actor)
        await self._heed_pauses()

    async def _heed_pauses(self) -> None:
        """The next call is to find what the answer says. It is stored: where it cannot be read back now, ``Following`` tries again."""
        with suppress(GatewayError):
            await self._parts.pauses.load()

    async def purge(self, call: Call) -> Purged:
        purge = call.body
        purged = await self._parts.cache.purge(purge.environment, purge.customer, purge.element, purge.path)
        log.info("cache purged", actor=call.actor, purged=purged)
        return Purged(purged=purged)

    async def cache_report(self, _: Call) -> CacheReport:
        return CacheReport(**self._parts.cache.report(), saved=self._parts.telemetry.metrics.saved())

    async def explain(self, call: Call) -> Explained:
        return Explained(**await self._parts.explainer.answer(call.body))

    async def limits(self, call: Call) -> BudgetPage:
        budgets = sorted((Budget(**row) for row in self._parts.limits.report()), key=lambda budget: budget.position)
        behind = position_of(call.query.cursor, float, str, str, str, str, str)
        if behind is not None:
            budgets = [budget for budget in budgets if budget.position > tuple(behind)]
        items = budgets[: call.query.limit]
        return BudgetPage(items=items, next_cursor=cursor_of(items[-1].position) if len(budgets) > len(items) else None)

    async def healthz(self, _: Call) -> Liveness:
        return Liveness(status="ok")

    async def readyz(self, _: Call) -> web.Response:
        status, document = self._parts.health.readiness()
        return shown(Readiness(**document), status)

    async def metrics(self, call: Call) -> web.Response:
        self._parts.telemetry.metrics.settle()
        # In a thread: a scrape of thousands of series takes milliseconds that calls would wait (faults 58).
        body, content_type = await asyncio.to_thread(self._parts.telemetry.metrics.encode, call.request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})
