"""The verbs on the last calls: look through them, follow them, find one by its id."""

from __future__ import annotations

import asyncio
from time import monotonic

from aiohttp import web

from gateway.operations import Operations
from gateway.operations.paging import cursor_of, position_of
from gateway.reports import ExchangeFilter, ExchangeNews, ExchangePage, ExchangeRecord, FoundPage
from gateway.server.admin_calls import shown
from gateway.server.health import Health
from gateway.server.routing import Call
from gateway.telemetry.recent import News, Recent, as_json
from gateway.telemetry.selection import Carrying, Selection

_GATHERING_S = 0.1
"""How long a follower's answer is held back for further calls: so busy times cost ten answers a second, and not one a call."""
_LOOK_S = 0.5
"""How often whoever waits looks whether the gateway is about to stop: it does not wait for followers."""
_AT_ONCE = 25
"""So many records are made in one go: each takes some ten microseconds, for which calls wait."""


class ExchangeCalls:
    """The verbs of the last calls."""

    def __init__(self, operations: Operations, recent: Recent, health: Health) -> None:
        self._joining = operations
        self._recent = recent
        self._stopping = health.is_draining

    async def exchanges(self, call: Call) -> ExchangePage:
        before = position_of(call.query.cursor, int)
        rows, last = self._recent.page(call.query.limit, before[0] if before else None, _selection(call.query))
        page = {"items": rows, "next_cursor": None if last is None else cursor_of([last])}
        # In a thread, as a thousand of them take milliseconds that calls would wait.
        return await asyncio.to_thread(ExchangePage.model_validate, page)

    async def find_exchanges(self, call: Call) -> FoundPage:
        before = position_of(call.query.cursor, int)
        rows, last = self._recent.page(call.query.limit, before[0] if before else None, Carrying(call.named("request_id")))
        return FoundPage(items=await self._joining.join_exchanges(rows), next_cursor=None if last is None else cursor_of([last]))

    async def follow_exchanges(self, call: Call) -> web.Response:
        query, wanted = call.query, _selection(call.query)
        place = position_of(query.cursor, str, int)
        if place is None and query.last:
            return await self._news(News(self._recent.newest(query.last, wanted), self._recent.added, 0))
        run, seen = place or (self._recent.run, self._recent.added)
        restarted = run != self._recent.run
        news = await self._next(0 if restarted else seen, query.limit, 0.0 if restarted else query.wait, wanted)
        return await self._news(news, restarted=restarted)

    async def _next(self, seen: int, limit: int, wait_s: float, wanted: Selection) -> News:
        """What ended after number ``seen``; waits while nothing that is ``wanted`` has."""
        ends = monotonic() + wait_s
        missed = 0
        while True:
            news = self._recent.since(seen, limit, wanted)
            missed, seen = missed + news.missed, news.seen
            left = ends - monotonic()
            if news.calls or missed or left <= 0:
                return News(news.calls, seen, missed)
            if await self._recent.wait(seen, min(left, _LOOK_S)):
                await asyncio.sleep(min(left, _GATHERING_S))
            elif self._stopping():
                ends = monotonic()

    async def _news(self, news: News, *, restarted: bool = False) -> web.Response:
        items = []
        for start in range(0, len(news.calls), _AT_ONCE):
            items += [ExchangeRecord(**as_json(exchange)) for exchange in news.calls[start : start + _AT_ONCE]]
            await asyncio.sleep(0)  # calls come first
        cursor = cursor_of([self._recent.run, news.seen])
        response = shown(ExchangeNews(items=items, next_cursor=cursor, missed=news.missed, restarted=restarted))
        if self._stopping():
            response.force_close()  # else the next question would be one more open call to wait for
        return response


def _selection(query: ExchangeFilter) -> Selection:
    return Selection(**query.model_dump(include=set(ExchangeFilter.model_fields)))
