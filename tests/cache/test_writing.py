"""What answers to other methods than GET mean for what is stored (RFC 9111 §4.3.5, §4.4; RFC 9110 §9.3.3; API page appendix B)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from gateway.cache import Cache, CachePolicy, Fresh, Lifetimes
from gateway.cache.memory import MemoryStore
from gateway.exchange import Environment, Exchange, Headers, Instance, Pair, Request, Response, Target
from gateway.paths import without_hub
from gateway.secret import Secret
from tests.cache.house import ACME, DEV, JSON

BOLT = replace(ACME, handle="gwi_bolt0001", customer="bolt")
PROD = Environment("prod", "https://prod.invalid/elements/api-v2", Secret("u"), Secret("o"))
BASE = "https://api.invalid/elements/api-v2"
THEN, LATER = "Tue, 14 Nov 2023 22:12:20 GMT", "Tue, 14 Nov 2023 22:13:20 GMT"


@dataclass
class Room:
    """A cache that keeps answers for a minute, an origin that is an argument, and the numbers of instances."""

    ttl: float = 60.0
    now: float = 1_700_000_000.0
    numbers: dict[tuple[str, int], Sequence[str]] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemoryStore(1_000_000, lambda: self.now)
        policy = CachePolicy(lifetimes=Lifetimes(self.ttl))
        self.cache = Cache(lambda _: policy, self.store, lambda: self.now, 1000, self.numbered)

    async def numbered(self, environment: str, number: int) -> Sequence[str]:
        self.asked.append((environment, number))
        return self.numbers.get((environment, number), ())

    async def call(
        self,
        method: str,
        path: str,
        *fields: Pair,
        status: int = 200,
        body: bytes = b"[1]",
        instance: Instance | None = ACME,
        where: Environment = DEV,
        asks: tuple[Pair, ...] = (),
    ) -> Exchange:
        request, exchange = Request(method, path, Headers(asks)), Exchange("id", method, path, 0.0)
        target = Target(where, instance, without_hub(request.path) if instance else request.path)
        found = await self.cache.look_up(request, target, exchange)
        assert not isinstance(found, Fresh), f"{path} is stored"
        content = () if any(name == "Content-Type" for name, _ in fields) else (JSON,)
        await self.cache.settle(request, target, found, Response(status, Headers([*content, *fields]), body), exchange)
        return exchange

    async def stored(
        self, path: str, *asks: Pair, instance: Instance | None = ACME, where: Environment = DEV, method: str = "GET"
    ) -> Response | None:
        request, exchange = Request(method, path, Headers(asks)), Exchange("id", method, path, 0.0)
        target = Target(where, instance, without_hub(request.path) if instance else request.path)
        found = await self.cache.look_up(request, target, exchange)
        self.cache.abandon(found)
        return found.response if isinstance(found, Fresh) else None


@pytest.fixture
def room() -> Room:
    return Room()


class TestHead:
    @pytest.mark.parametrize(
        ("had", "told", "status", "outcome"),
        [
            ([("ETag", '"1"')], [("ETag", '"1"')], 200, "renewed"),
            ([("ETag", '"1"')], [("ETag", 'W/"1"')], 200, "renewed"),
            ([("ETag", '"1"')], [("ETag", '"2"')], 200, "dropped"),
            ([("ETag", '"1"')], [], 200, "renewed"),
            ([("Last-Modified", THEN)], [("Last-Modified", THEN)], 200, "renewed"),
            ([("Last-Modified", THEN)], [("Last-Modified", LATER)], 200, "dropped"),
            ([], [("Last-Modified", LATER)], 200, "renewed"),
            ([], [("Content-Length", "3")], 200, "renewed"),
            ([], [("Content-Length", "4")], 200, "dropped"),
            ([("ETag", '"1"')], [("ETag", '"1"'), ("Content-Length", "4")], 200, "dropped"),
            ([], [("Cache-Control", "no-store")], 200, "dropped"),
            ([], [("Set-Cookie", "a=b")], 200, "dropped"),
            ([], [], 404, "dropped"),
            ([], [], 410, "dropped"),
            ([], [], 204, "kept"),
            ([], [], 301, "kept"),
            ([], [], 304, "kept"),
            ([], [], 403, "kept"),
            ([], [], 429, "kept"),
            ([], [], 503, "kept"),
        ],
    )
    async def test_it_tells_of_the_stored_get(self, room: Room, had: list[Pair], told: list[Pair], status: int, outcome: str) -> None:
        await room.call("GET", "/contacts", *had)
        room.now += 40
        await room.call("HEAD", "/contacts", *told, ("X-New", "1"), status=status, body=b"")
        response = await room.stored("/contacts")
        if response is None:
            assert outcome == "dropped"
        else:
            found = "renewed" if "x-new" in response.headers else "kept"
            age = {"renewed": "0", "kept": "40"}[found]
            assert (found, response.headers.get("age"), response.body) == (outcome, age, b"[1]")

    async def test_it_renews_for_as_long_as_a_get_would_be_kept(self, room: Room) -> None:
        await room.call("GET", "/contacts", ("ETag", '"1"'))
        room.now += 40
        await room.call("HEAD", "/contacts", ("ETag", '"1"'), ("Cache-Control", "max-age=500"), body=b"")
        room.now += 499
        assert await room.stored("/contacts") is not None

    async def test_it_speaks_of_the_variant_that_it_asked_for(self, room: Room) -> None:
        for name in ("a", "b"):
            await room.call("GET", "/contacts", ("Vary", "X-N"), asks=(("X-N", name),))
        await room.call("HEAD", "/contacts", ("Vary", "X-N"), ("Content-Length", "99"), asks=(("X-N", "a"),), body=b"")
        assert await room.stored("/contacts", ("X-N", "a")) is None
        assert await room.stored("/contacts", ("X-N", "b")) is not None

    async def test_it_stores_nothing_by_itself(self, room: Room) -> None:
        await room.call("HEAD", "/contacts", ("Cache-Control", "max-age=60"), body=b"")
        assert room.store.entries == 0

    @pytest.mark.parametrize("other", [{"path": "/contacts?a=1"}, {"instance": BOLT}, {"where": PROD}, {"asks": (("Accept", "text/csv"),)}])
    async def test_it_says_nothing_of_another_key(self, room: Room, other: dict[str, object]) -> None:
        await room.call("GET", "/contacts")
        await room.call("HEAD", **{"path": "/contacts", **other}, status=404)  # type: ignore[arg-type]
        assert await room.stored("/contacts") is not None

    async def test_one_that_asks_for_something_else_says_nothing(self, room: Room) -> None:
        await room.call("GET", "/contacts")
        await room.call("HEAD", "/contacts", asks=(("If-Match", '"9"'),), status=404)
        assert await room.stored("/contacts") is not None


class TestPost:
    SELF: Pair = ("Content-Location", f"{BASE}/contacts/7?x=1")

    @pytest.mark.parametrize(
        ("fields", "stored"),
        [
            ([SELF, ("Cache-Control", "max-age=60")], True),
            ([SELF, ("Expires", "Tue, 14 Nov 2023 22:14:20 GMT"), ("Date", LATER)], True),
            ([("Content-Location", "/elements/api-v2/contacts/7?x=1"), ("Cache-Control", "s-maxage=60")], True),
            ([("Content-Location", "?x=1"), ("Cache-Control", "max-age=60")], True),
            ([SELF], False),  # the operator's lifetime is for GETs
            ([SELF, ("ETag", '"1"')], False),
            ([("Cache-Control", "max-age=60")], False),
            ([("Content-Location", f"{BASE}/contacts/7"), ("Cache-Control", "max-age=60")], False),
            ([("Content-Location", f"{BASE}/contacts/8?x=1"), ("Cache-Control", "max-age=60")], False),
            ([("Content-Location", "https://other.invalid/elements/api-v2/contacts/7?x=1"), ("Cache-Control", "max-age=60")], False),
            ([("Location", f"{BASE}/contacts/7?x=1"), ("Cache-Control", "max-age=60")], False),
            ([SELF, ("Cache-Control", "max-age=60, no-store")], False),
            ([SELF, ("Cache-Control", "max-age=60, private")], False),
            ([SELF, ("Cache-Control", "max-age=0")], False),
        ],
    )
    async def test_its_answer_stands_for_a_get_only_where_it_says_both(self, room: Room, fields: list[Pair], stored: bool) -> None:
        await room.call("POST", "/contacts/7?x=1", *fields, body=b"{}")
        response = await room.stored("/contacts/7?x=1")
        assert ((response is not None), room.store.entries) == (stored, int(stored))
        assert response is None or response.body == b"{}"

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "QUERY"])
    async def test_no_other_methods_answer_does(self, room: Room, method: str) -> None:
        await room.call(method, "/contacts/7?x=1", self.SELF, ("Cache-Control", "max-age=60"))
        assert room.store.entries == 0

    @pytest.mark.parametrize("status", [400, 404, 409, 429])
    async def test_nor_a_refusal(self, room: Room, status: int) -> None:
        await room.call("POST", "/contacts/7?x=1", self.SELF, ("Cache-Control", "max-age=60"), status=status)
        assert room.store.entries == 0

    async def test_nor_what_is_never_stored_or_asked_not_to_be(self, room: Room) -> None:
        await room.call("POST", "/ping", ("Content-Location", f"{BASE}/ping"), ("Cache-Control", "max-age=60"))
        asks = (("Cache-Control", "no-store"),)
        await room.call("POST", "/contacts/7?x=1", self.SELF, ("Cache-Control", "max-age=60"), asks=asks)
        assert room.store.entries == 0

    async def test_it_drops_what_it_touches_before(self, room: Room) -> None:
        await room.call("GET", "/contacts/7?x=2")
        await room.call("POST", "/contacts/7?x=1", self.SELF, ("Cache-Control", "max-age=60"))
        assert await room.stored("/contacts/7?x=2") is None
        assert await room.stored("/contacts/7?x=1") is not None


class TestNamed:
    @pytest.mark.parametrize("field", ["Location", "Content-Location"])
    @pytest.mark.parametrize(
        ("value", "dropped"),
        [
            (f"{BASE}/accounts/3", True),
            (f"{BASE}/accounts/3?any=query#part", True),
            (f"{BASE}/hubs/crm/accounts/3", True),
            ("/elements/api-v2/accounts/3", True),
            ("//api.invalid/elements/api-v2/accounts/3", True),
            ("accounts/3", True),
            ("./accounts/3?a=1", True),
            ("HTTPS://API.invalid/elements/api-v2/accounts/3", True),
            (f"{BASE}/Accounts/%33", True),
            (f"{BASE}/accounts", False),
            (f"{BASE}/accounts/4", False),
            ("/accounts/3", False),
            ("../accounts/3", False),
            ("https://other.invalid/elements/api-v2/accounts/3", False),
            ("https://api.invalid.evil.test/elements/api-v2/accounts/3", False),
            ("http://api.invalid/elements/api-v2/accounts/3", False),
            (f"{PROD.base_url}/accounts/3", False),
            ("https://api.invalid/elements/api-v2x/accounts/3", False),
            ("http://[::1/accounts/3", False),
            ("", False),
            ("\x80\xff", False),
        ],
    )
    async def test_where_an_answer_points_is_dropped_if_it_is_ours(self, room: Room, field: str, value: str, dropped: bool) -> None:
        await room.call("GET", "/accounts/3?a=1")
        for other in ({"instance": BOLT}, {"where": PROD}):
            await room.call("GET", "/accounts/3?a=1", **other)
        await room.call("POST", "/contacts", (field, value))
        assert (await room.stored("/accounts/3?a=1") is None) is dropped
        assert await room.stored("/accounts/3?a=1", instance=BOLT) is not None
        assert await room.stored("/accounts/3?a=1", where=PROD) is not None

    @pytest.mark.parametrize(("status", "dropped"), [(201, True), (303, True), (404, False), (500, False), (503, False)])
    async def test_only_where_it_was_done(self, room: Room, status: int, dropped: bool) -> None:
        await room.call("GET", "/accounts/3")
        await room.call("POST", "/contacts", ("Location", f"{BASE}/accounts/3"), status=status)
        assert (await room.stored("/accounts/3") is None) is dropped

    async def test_a_get_may_point_anywhere(self, room: Room) -> None:
        await room.call("GET", "/accounts/3")
        await room.call("GET", "/contacts", ("Content-Location", f"{BASE}/accounts/3"))
        assert await room.stored("/accounts/3") is not None
