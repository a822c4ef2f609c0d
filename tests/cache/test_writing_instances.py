"""Which writes drop something, and what a platform write on an instance drops of it (RFC 9111 §4.4, API page 3)."""

from __future__ import annotations

import pytest

from gateway.cache import Bypass
from gateway.errors import UpstreamTimeout
from gateway.exchange import Exchange, Headers, Request, Target
from tests.cache.house import ACME, DEV
from tests.cache.test_writing import BOLT, PROD, Room


@pytest.fixture
def room() -> Room:
    return Room()


class TestWrites:
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE", "M-SEARCH", "get", "QUERY", "*"])
    @pytest.mark.parametrize(("status", "dropped"), [(200, True), (304, True), (500, True), (504, True), (400, False), (429, False)])
    async def test_a_method_that_is_not_known_to_be_safe_drops(self, room: Room, method: str, status: int, dropped: bool) -> None:
        await room.call("GET", "/contacts/7")
        await room.call(method, "/contacts/7", status=status)
        assert (await room.stored("/contacts/7") is None) is dropped

    async def test_a_lost_answer_drops_and_one_that_never_left_does_not(self, room: Room) -> None:
        await room.call("GET", "/contacts/7")
        request, exchange = Request("DELETE", "/contacts/7", Headers()), Exchange("id", "DELETE", "/contacts/7", 0.0)
        for calls, left in ((0, True), (1, False)):
            exchange.upstream_calls = calls
            await room.cache.failed(request, Target(DEV, ACME, "/contacts/7"), Bypass("DELETE"), UpstreamTimeout(), exchange)
            assert (await room.stored("/contacts/7") is not None) is left


class TestInstances:
    @pytest.mark.parametrize(
        "path", ["/instances/5", "/elements/hubspot/instances/5", "/instances/5/configuration/3", "/hubs/crm/instances/5.json"]
    )
    @pytest.mark.parametrize(
        ("method", "status", "dropped"), [("PATCH", 200, True), ("DELETE", 500, True), ("PUT", 404, False), ("GET", 200, False)]
    )
    async def test_a_platform_write_on_one_drops_all_of_it(self, room: Room, path: str, method: str, status: int, dropped: bool) -> None:
        room.numbers = {("dev", 5): (BOLT.handle,), ("prod", 5): (ACME.handle,)}
        for instance in (ACME, BOLT):
            await room.call("GET", "/contacts", instance=instance)
        await room.call("GET", "/contacts", where=PROD)
        await room.call(method, path, status=status, instance=None)
        assert (await room.stored("/contacts", instance=BOLT) is None) is dropped
        assert await room.stored("/contacts") is not None
        assert await room.stored("/contacts", where=PROD) is not None
        assert room.asked == [("dev", 5)] * dropped

    async def test_only_in_the_environment_of_the_write(self, room: Room) -> None:
        room.numbers = {("dev", 5): (ACME.handle,), ("prod", 5): (ACME.handle,)}
        for where in (DEV, PROD):
            await room.call("GET", "/contacts", where=where)
        await room.call("PATCH", "/instances/5", instance=None, where=PROD)
        assert await room.stored("/contacts") is not None
        assert await room.stored("/contacts", where=PROD) is None

    async def test_every_mapping_of_the_number(self, room: Room) -> None:
        room.numbers = {("dev", 5): (ACME.handle, BOLT.handle)}
        for instance in (ACME, BOLT):
            await room.call("GET", "/contacts", instance=instance)
        exchange = await room.call("PUT", "/instances/5/enabled", instance=None)
        assert room.store.entries == 0
        assert exchange.decisions[-1] == ("cache", "invalidated", "2 entries")

    async def test_a_write_that_was_lost_drops_too(self, room: Room) -> None:
        room.numbers = {("dev", 5): (ACME.handle,)}
        await room.call("GET", "/contacts")
        request, exchange = Request("PATCH", "/instances/5", Headers()), Exchange("id", "PATCH", "/instances/5", 0.0)
        exchange.upstream_calls = 1
        await room.cache.failed(request, Target(DEV, None, "/instances/5"), Bypass("PATCH"), UpstreamTimeout(), exchange)
        assert room.store.entries == 0

    @pytest.mark.parametrize(
        "path", ["/instances", "/instances/x", "/elements/5", "/elements/hubspot/instances", "/contacts/5", f"/instances/{'9' * 19}"]
    )
    async def test_a_path_without_a_number_asks_for_none(self, room: Room, path: str) -> None:
        await room.call("POST", path, instance=None)
        assert room.asked == []
