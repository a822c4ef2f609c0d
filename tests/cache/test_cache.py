"""The room as the corridor uses it: look up, send, settle, by a set clock."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache import Bypass, Cache, CachePolicy, Found, Fresh, Lifetimes, Miss, Rule, Stale
from gateway.cache.memory import MemoryStore
from gateway.errors import UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Environment, Exchange, Headers, Instance, Pair, Request, Response, Target
from gateway.paths import without_hub
from gateway.secret import Secret

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
JSON = ("Content-Type", "application/json")
ACME = Instance("gwi_acme0001", "dev", "acme", "hubspot", Secret("t1"))
BOLT = Instance("gwi_bolt0001", "dev", "bolt", "hubspot", Secret("t2"))


def environment(name: str = "dev") -> Environment:
    return Environment(name, "https://api.invalid/elements/api-v2", Secret("u"), Secret("o"))


class Chunks:
    """A body that streams; an exception among the chunks is raised in its place."""

    def __init__(self, *chunks: bytes | Exception, length: int | None = None) -> None:
        self.chunks = chunks
        self.length = length
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


def ok(*fields: Pair, body: bytes | Chunks = b"[1]") -> Response:
    return Response(200, Headers([JSON, *fields]), body)


@dataclass
class World:
    """A cache, an origin that is a list of answers, and a clock."""

    policy: CachePolicy = field(default_factory=lambda: CachePolicy(lifetimes=Lifetimes(60.0)))
    now: float = NOW
    max_object_bytes: int = 1000
    max_bytes: int = 1_000_000
    sent: list[tuple[Pair, ...] | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.max_bytes, lambda: self.now)
        self.cache = Cache(lambda element: self.policy, self.store, lambda: self.now, self.max_object_bytes)

    def request(self, path: str, method: str, fields: tuple[Pair, ...], body: bytes = b"") -> Request:
        return Request(method, path, Headers(fields), body)

    def target(self, request: Request, instance: Instance | None, where: str = "dev") -> Target:
        return Target(environment(where), instance, without_hub(request.path))

    async def call(
        self,
        path: str,
        answer: Response | Callable[[], Response] | None = None,
        *fields: Pair,
        method: str = "GET",
        instance: Instance | None = ACME,
        where: str = "dev",
    ) -> tuple[Response, Exchange]:
        """One walk: ``answer`` is the origin's; none may leave where it is None."""
        request = self.request(path, method, fields)
        target = self.target(request, instance, where)
        exchange = Exchange("id", method, request.path, 0.0)
        found = await self.cache.look_up(request, target, exchange)
        if isinstance(found, Fresh):
            return found.response, exchange
        assert answer is not None, f"{method} {path} left: {exchange.cache_status}"
        self.sent.append(found.conditions)
        response = answer() if callable(answer) else answer
        return await self.cache.settle(request, target, found, response, exchange), exchange

    async def found(self, path: str, *fields: Pair) -> tuple[Found, Exchange]:
        request = self.request(path, "GET", fields)
        exchange = Exchange("id", "GET", path, 0.0)
        return await self.cache.look_up(request, self.target(request, ACME), exchange), exchange


@pytest.fixture
def world() -> World:
    return World()


async def body_of(response: Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b"".join([chunk async for chunk in response.body])


class TestHitsAndMisses:
    async def test_a_miss_is_stored_and_hit_with_its_age(self, world: World) -> None:
        first, missed = await world.call("/hubs/crm/contacts?pageSize=5", ok(("Elements-Request-Id", "5f"), ("Date", DATE)))
        world.now += 18.5
        second, hit = await world.call("/contacts?pageSize=5")

        assert (missed.cache, missed.cache_status) == ("miss", "gateway; fwd=uri-miss; stored")
        assert "age" not in first.headers
        assert (hit.cache, hit.cache_status) == ("hit", "gateway; hit; ttl=41")
        assert second.headers.pairs == (JSON, ("Elements-Request-Id", "5f"), ("Date", DATE), ("Age", "18"))
        assert second.body is first.body
        assert (hit.decisions[0][:2], missed.decisions[-1]) == (("cache", "hit"), ("cache", "stored", "fresh for 60 s"))

    async def test_past_its_lifetime_it_is_gone(self, world: World) -> None:
        await world.call("/contacts", ok())
        world.now += 60
        _, exchange = await world.call("/contacts", ok())

        assert exchange.cache_status == "gateway; fwd=uri-miss; stored"

    @pytest.mark.parametrize(
        ("path", "fields"),
        [
            ("/contacts?a=1&b=2", ()),
            ("/contacts?b=2&a=1", ()),
            ("/contacts/", ()),
            ("/contacts", (("Accept", "text/csv"),)),
            ("/contacts", (("Elements-Version", "Helium"),)),
            ("/contacts", (("Elements-As-Team-Member", "m1"),)),
        ],
    )
    async def test_another_key_is_a_miss(self, world: World, path: str, fields: tuple[Pair, ...]) -> None:
        await world.call("/contacts", ok())
        await world.call("/contacts?b=2&a=1&c", ok())
        _, exchange = await world.call(path, ok(), *fields)

        assert exchange.cache == "miss"

    async def test_who_accepts_anything_says_no_more_than_who_says_nothing(self, world: World) -> None:
        await world.call("/contacts", ok(), ("Accept", "*/*"))
        _, exchange = await world.call("/contacts")

        assert exchange.cache == "hit"

    async def test_without_a_lifetime_nothing_is_stored(self) -> None:
        world = World(CachePolicy())
        answer = ok()
        response, exchange = await world.call("/contacts", answer)

        assert response is answer
        assert (exchange.cache_status, world.store.entries) == ("gateway; fwd=uri-miss", 0)
        assert exchange.decisions[-1] == ("cache", "not stored", "no-freshness")

    @pytest.mark.parametrize("status", [201, 203, 204, 299, 301, 302, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599])
    async def test_what_says_how_long_it_is_fresh_is_stored_whatever_its_status(self, world: World, status: int) -> None:
        body = b"" if status == 204 else b"x"
        await world.call("/contacts", Response(status, Headers([JSON, ("Cache-Control", "max-age=60")]), body, "Theirs"))
        response, exchange = await world.call("/contacts")

        assert (response.status, response.reason, response.body, exchange.cache) == (status, "Theirs", body, "hit")

    @pytest.mark.parametrize("status", [206, 304, 401, 403, 416, 429])
    async def test_parts_and_refusals_are_never_stored(self, world: World, status: int) -> None:
        await world.call("/contacts", Response(status, Headers([JSON, ("Cache-Control", "max-age=60")]), b"x"))

        assert world.store.entries == 0

    @pytest.mark.parametrize("status", [201, 202, 400, 404, 410, 500, 502, 599])
    async def test_the_configured_lifetime_is_not_for_errors(self, world: World, status: int) -> None:
        await world.call("/contacts", Response(status, Headers([JSON]), b"x"))

        assert world.store.entries == 0

    @pytest.mark.parametrize(("status", "stored"), [(404, 1), (405, 1), (410, 1), (414, 1), (501, 1), (400, 0), (403, 0), (500, 0)])
    async def test_the_negative_lifetime_is_for_some(self, status: int, stored: int) -> None:
        world = World(CachePolicy(lifetimes=Lifetimes(negative_ttl=5)))
        await world.call("/contacts", Response(status, Headers([JSON]), b"x"))

        assert world.store.entries == stored

    async def test_instances_environments_and_platform_calls_share_nothing(self, world: World) -> None:
        await world.call("/contacts", ok(body=b"acme"))
        for instance, where in ((BOLT, "dev"), (ACME, "prod"), (None, "dev")):
            response, exchange = await world.call("/contacts", ok(body=b"other"), instance=instance, where=where)
            assert (exchange.cache, response.body) == ("miss", b"other")
        response, _ = await world.call("/contacts")
        assert response.body == b"acme"

    async def test_a_platform_call_keeps_its_hub(self, world: World) -> None:
        await world.call("/elements", ok(body=b"all"), instance=None)
        response, _ = await world.call("/hubs/crm/elements", ok(body=b"of the hub"), instance=None)

        assert response.body == b"of the hub"


class TestVariants:
    async def test_codings_are_never_mixed_up(self, world: World) -> None:
        def coded(name: str) -> Response:
            return ok(("Content-Encoding", name), body=name.encode())

        gzip, br = ("Accept-Encoding", "gzip"), ("Accept-Encoding", "br")
        await world.call("/contacts", coded("gzip"), gzip)
        _, missed = await world.call("/contacts", coded("br"), br)
        bodies = [(await world.call("/contacts", None, accepted))[0].body for accepted in (gzip, br)]
        plain, _ = await world.call("/contacts", ok(body=b"plain"))

        assert missed.cache_status == "gateway; fwd=vary-miss; stored"
        assert bodies == [b"gzip", b"br"]
        assert plain.body == b"plain"

    async def test_vary_names_the_fields_that_count(self, world: World) -> None:
        await world.call("/contacts", ok(("Vary", "X-Lang"), body=b"de"), ("X-Lang", "de"))
        await world.call("/contacts", ok(("Vary", "X-Lang"), body=b"fr"), ("X-Lang", "fr"))

        assert (await world.call("/contacts", None, ("X-Lang", "de"), ("X-Other", "1")))[0].body == b"de"
        assert (await world.call("/contacts", None, ("X-Lang", "fr")))[0].body == b"fr"


class TestBypass:
    @pytest.mark.parametrize(
        ("path", "fields", "detail"),
        [
            ("/ping", (), "never-stored"),
            ("/hubs/crm/%70ing", (), "never-stored"),
            ("/contacts", (("Range", "bytes=0-1"),), "range"),
            ("/contacts", (("Cache-Control", "no-store"),), "no-store"),
            ("/private/x", (), "policy"),
        ],
    )
    async def test_neither_looked_up_nor_stored(self, path: str, fields: tuple[Pair, ...], detail: str) -> None:
        world = World(CachePolicy(lifetimes=Lifetimes(60), rules=(Rule("/private/**", enabled=False),)))
        answer = ok(("Cache-Control", "max-age=60"))
        response, exchange = await world.call(path, answer, *fields)

        assert response is answer
        assert (exchange.cache, exchange.cache_status) == ("bypass", f"gateway; fwd=bypass; detail={detail}")
        assert (world.store.entries, world.sent) == (0, [None])

    async def test_no_store_does_not_get_what_is_stored(self, world: World) -> None:
        await world.call("/contacts", ok())
        found, _ = await world.found("/contacts", ("Cache-Control", "no-store"))

        assert isinstance(found, Bypass)

    @pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "get"])
    async def test_other_methods(self, world: World, method: str) -> None:
        await world.call("/contacts", ok())
        _, exchange = await world.call("/contacts", ok(), method=method)

        assert (exchange.cache, exchange.cache_status) == ("bypass", "gateway; fwd=method")


class TestCallersWishes:
    @pytest.mark.parametrize(
        ("wish", "hit"),
        [
            ("max-age=10", True),
            ("max-age=9", False),
            ("min-fresh=50", True),
            ("min-fresh=51", False),
            ("no-cache", False),
            ("max-stale", True),
        ],
    )
    async def test_they_tighten(self, world: World, wish: str, hit: bool) -> None:
        await world.call("/contacts", ok())
        world.now += 10
        _, exchange = await world.call("/contacts", None if hit else ok(), ("Cache-Control", wish))

        assert exchange.cache_status == ("gateway; hit; ttl=50" if hit else "gateway; fwd=request; stored")

    async def test_and_never_loosen(self, world: World) -> None:
        await world.call("/contacts", ok(("ETag", '"1"')))
        world.now += 61
        found, _ = await world.found("/contacts", ("Cache-Control", "max-stale=1000"))

        assert isinstance(found, Stale)

    @pytest.mark.parametrize("path", ["/nothing", "/ping", "/stale"])
    async def test_only_if_cached_and_nothing_fresh(self, world: World, path: str) -> None:
        await world.call("/stale", ok(("ETag", '"1"')))
        world.now += 61
        request = world.request(path, "GET", (("Cache-Control", "only-if-cached"),))
        exchange = Exchange("id", "GET", path, 0.0)

        with pytest.raises(UpstreamTimeout, match="only-if-cached"):
            await world.cache.look_up(request, world.target(request, ACME), exchange)
        assert exchange.cache_status == "gateway; detail=only-if-cached"

    async def test_only_if_cached_and_fresh(self, world: World) -> None:
        await world.call("/contacts", ok())
        _, exchange = await world.call("/contacts", None, ("Cache-Control", "only-if-cached"))

        assert exchange.cache == "hit"

    async def test_a_no_cache_answer_replaces_and_an_unstorable_one_removes(self, world: World) -> None:
        force = ("Cache-Control", "no-cache")
        await world.call("/contacts", ok(body=b"1"))
        await world.call("/contacts", ok(body=b"2"), force)
        assert (await world.call("/contacts"))[0].body == b"2"

        await world.call("/contacts", ok(("Cache-Control", "no-store"), body=b"3"), force)
        assert isinstance((await world.found("/contacts"))[0], Miss)

    async def test_what_a_new_answer_contradicts_goes_even_where_the_new_one_breaks(self, world: World) -> None:
        await world.call("/contacts", ok(body=b"1"))
        response, _ = await world.call("/contacts", ok(body=Chunks(b"2", UpstreamUnreachable())), ("Cache-Control", "no-cache"))
        with pytest.raises(UpstreamUnreachable):
            await body_of(response)

        assert isinstance((await world.found("/contacts"))[0], Miss)

    async def test_what_turned_out_to_be_gone_is_not_served_on(self, world: World) -> None:
        await world.call("/contacts/7", ok())
        await world.call("/contacts/7", Response(503, Headers()), ("Cache-Control", "no-cache"))
        assert isinstance((await world.found("/contacts/7"))[0], Fresh)

        await world.call("/contacts/7", Response(404, Headers()), ("Cache-Control", "no-cache"))
        assert isinstance((await world.found("/contacts/7"))[0], Miss)


class TestValidation:
    async def test_a_304_freshens_and_answers_from_the_store(self, world: World) -> None:
        await world.call("/contacts", ok(("ETag", '"1"'), ("Last-Modified", DATE), ("X-A", "1"), body=b"whole"))
        world.now += 100
        body = Chunks()
        response, exchange = await world.call(
            "/contacts", Response(304, Headers([("ETag", '"1"'), ("X-A", "2")]), body), ("If-None-Match", '"mine"')
        )
        _, hit = await world.call("/contacts")

        assert world.sent[-1] == (("If-None-Match", '"1"'), ("If-Modified-Since", DATE))
        assert (response.status, response.body, response.headers.get("x-a"), response.headers.get("age")) == (200, b"whole", "2", "0")
        assert (exchange.cache, exchange.cache_status) == ("revalidated", "gateway; fwd=stale; fwd-status=304; ttl=60")
        assert hit.cache_status == "gateway; hit; ttl=60"
        assert body.closed

    async def test_a_304_is_passed_on_to_a_caller_whose_own_condition_holds(self, world: World) -> None:
        await world.call("/contacts", ok(("ETag", '"1"')))
        world.now += 100
        response, exchange = await world.call("/contacts", Response(304, Headers()), ("If-None-Match", 'W/"1"'))

        assert (response.status, response.body, exchange.cache) == (304, b"", "revalidated")

    async def test_a_200_replaces(self, world: World) -> None:
        await world.call("/contacts", ok(("ETag", '"1"'), body=b"old"))
        world.now += 100
        _, exchange = await world.call("/contacts", ok(("ETag", '"2"'), body=b"new"))

        assert (exchange.cache, exchange.cache_status) == ("miss", "gateway; fwd=stale; stored")
        assert (await world.call("/contacts"))[0].body == b"new"

    async def test_a_5xx_passes_and_the_entry_stays(self, world: World) -> None:
        await world.call("/contacts", ok(("ETag", '"1"')))
        world.now += 100
        response, exchange = await world.call("/contacts", Response(503, Headers(), b"broken"))

        assert (response.status, response.body, exchange.cache_status) == (503, b"broken", "gateway; fwd=stale")
        assert isinstance((await world.found("/contacts"))[0], Stale)

    async def test_a_caller_who_insists_costs_a_304_only(self, world: World) -> None:
        await world.call("/contacts", ok(("ETag", '"1"')))
        _, exchange = await world.call("/contacts", Response(304, Headers()), ("Pragma", "no-cache"))

        assert exchange.cache_status == "gateway; fwd=request; fwd-status=304; ttl=60"

    async def test_no_cache_in_the_answer_is_asked_about_each_time(self, world: World) -> None:
        await world.call("/contacts", ok(("ETag", '"1"'), ("Cache-Control", "no-cache, max-age=60")))
        for _ in range(2):
            _, exchange = await world.call("/contacts", Response(304, Headers([("Cache-Control", "no-cache")])))
            assert exchange.cache == "revalidated"

    async def test_a_304_about_another_representation_answers_once_and_is_not_kept(self, world: World) -> None:
        await world.call("/contacts", ok(("ETag", '"1"'), body=b"old"))
        world.now += 100
        response, _ = await world.call("/contacts", Response(304, Headers([("ETag", '"2"')])))

        assert (response.status, response.body) == (200, b"old")
        assert isinstance((await world.found("/contacts"))[0], Miss)

    async def test_a_callers_condition_against_a_fresh_entry(self, world: World) -> None:
        await world.call("/contacts", ok(("ETag", '"1"')))
        same, exchange = await world.call("/contacts", None, ("If-None-Match", '"1"'))
        other, _ = await world.call("/contacts", None, ("If-None-Match", '"2"'))

        assert (same.status, exchange.cache, other.status) == (304, "hit", 200)

    async def test_a_callers_condition_on_a_miss_goes_up_and_its_304_down(self, world: World) -> None:
        answer = Response(304, Headers([("ETag", '"1"')]))
        response, exchange = await world.call("/contacts", answer, ("If-None-Match", '"1"'))

        assert response is answer
        assert (world.sent, world.store.entries, exchange.cache) == ([None], 0, "miss")


class TestFilling:
    async def test_a_stream_is_stored_once_read(self, world: World) -> None:
        response, exchange = await world.call("/contacts", ok(body=Chunks(b"ab", b"cd", length=4)))
        assert exchange.cache_status == "gateway; fwd=uri-miss; stored"
        assert world.store.entries == 0
        assert not isinstance(response.body, bytes)
        assert response.body.length == 4
        assert await body_of(response) == b"abcd"

        assert (await world.call("/contacts"))[0].body == b"abcd"

    async def test_a_broken_stream_leaves_nothing(self, world: World) -> None:
        response, _ = await world.call("/contacts", ok(body=Chunks(b"ab", UpstreamUnreachable())))
        with pytest.raises(UpstreamUnreachable):
            await body_of(response)

        assert world.store.entries == 0

    @pytest.mark.parametrize("body", [bytes(1001), Chunks(bytes(1001), length=1001), Chunks(bytes(600), bytes(600))])
    async def test_too_large_streams_through(self, world: World, body: bytes | Chunks) -> None:
        response, _ = await world.call("/contacts", ok(body=body))

        assert len(await body_of(response)) > 1000
        assert world.store.entries == 0

    async def test_a_store_without_room_says_so(self) -> None:
        world = World(max_bytes=1500)
        _, exchange = await world.call("/contacts", ok(body=bytes(900)))

        assert exchange.cache_status == "gateway; fwd=uri-miss"


class TestInvalidation:
    PATHS = ("/contacts", "/contacts?page=2", "/contacts/7", "/contacts/7/notes", "/contacts/8", "/accounts")

    async def fill(self, world: World) -> None:
        for path in self.PATHS:
            for instance in (ACME, BOLT):
                await world.call(path, ok(), instance=instance)

    async def left(self, world: World) -> list[str]:
        return [path for path in self.PATHS if isinstance((await world.found(path))[0], Fresh)]

    @pytest.mark.parametrize("status", [200, 204, 302, 500, 503])
    async def test_a_write_takes_item_children_and_lists_of_its_instance(self, world: World, status: int) -> None:
        await self.fill(world)
        _, exchange = await world.call("/hubs/crm/contacts/7", Response(status, Headers()), method="PATCH")

        assert await self.left(world) == ["/contacts/8", "/accounts"]
        assert world.store.entries == 6 + 2
        assert exchange.decisions[-1] == ("cache", "invalidated", "4 entries")

    @pytest.mark.parametrize(("method", "status"), [("PATCH", 400), ("DELETE", 404), ("PUT", 429), ("HEAD", 200), ("OPTIONS", 200)])
    async def test_what_was_refused_or_is_safe_takes_nothing(self, world: World, method: str, status: int) -> None:
        await self.fill(world)
        await world.call("/contacts/7", Response(status, Headers()), method=method)

        assert await self.left(world) == list(self.PATHS)

    async def test_a_write_without_an_answer_may_have_happened(self, world: World) -> None:
        await self.fill(world)
        for method in ("GET", "POST"):
            request = world.request("/contacts", method, ())
            exchange = Exchange("id", method, "/contacts", 0.0)
            exchange.upstream_calls = 1
            await world.cache.failed(request, world.target(request, ACME), Bypass(method), UpstreamTimeout(), exchange)
            assert len(await self.left(world)) == (6 if method == "GET" else 4)

    async def test_drop_instance_and_purge(self, world: World) -> None:
        await self.fill(world)

        assert await world.cache.drop_instance("dev", ACME.handle) == 6
        assert await world.cache.purge(customer="acme") == 0
        assert await world.cache.purge(environment="dev", path="/contacts/7") == 2
        assert await world.cache.purge() == 4
        assert world.store.entries == 0

    @pytest.mark.parametrize("how", ["write", "drop", "purge", "many"])
    async def test_an_answer_that_was_overtaken_is_not_stored(self, world: World, how: str) -> None:
        """A GET leaves, the item is changed, then the GET's answer comes: it may show what was before."""
        request = world.request("/contacts/7", "GET", ())
        target, exchange = world.target(request, ACME), Exchange("id", "GET", "/contacts/7", 0.0)
        found = await world.cache.look_up(request, target, exchange)
        response = await world.cache.settle(request, target, found, ok(body=Chunks(b"old")), exchange)
        if how == "write":
            await world.call("/contacts/7", Response(200, Headers()), method="PATCH")
        elif how == "drop":
            await world.cache.drop_instance("dev", ACME.handle)
        elif how == "purge":
            await world.cache.purge(element="hubspot")
        else:
            for _ in range(1025):
                await world.call("/else", Response(200, Headers()), method="POST")

        assert await body_of(response) == b"old"
        assert world.store.entries == 0

    async def test_a_confirmation_that_was_overtaken_is_not_kept(self, world: World) -> None:
        await world.call("/contacts/7", ok(("ETag", '"1"')))
        world.now += 61
        request = world.request("/contacts/7", "GET", ())
        target, exchange = world.target(request, ACME), Exchange("id", "GET", "/contacts/7", 0.0)
        found = await world.cache.look_up(request, target, exchange)
        await world.call("/contacts/7", Response(200, Headers()), method="PATCH")
        response = await world.cache.settle(request, target, found, Response(304, Headers()), exchange)

        assert (response.status, world.store.entries) == (200, 0)

    async def test_other_changes_do_not_keep_an_answer_out(self, world: World) -> None:
        response, _ = await world.call("/contacts/7", ok(body=Chunks(b"new")))
        await world.call("/contacts/8", Response(200, Headers()), method="PATCH")
        await world.call("/contacts/7", Response(200, Headers()), method="PATCH", instance=BOLT)
        await body_of(response)

        assert world.store.entries == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["GET", "GET", "GET", "PATCH", "wait"]),
            st.sampled_from([("dev", ACME), ("dev", BOLT), ("prod", replace(ACME, environment="prod")), ("dev", None)]),
            st.sampled_from(["/contacts", "/hubs/crm/contacts", "/contacts/7", "/accounts"]),
            st.sampled_from(["gzip", "br", ""]),
        ),
        max_size=40,
    )
)
async def test_nobody_ever_gets_the_answer_of_another_instance_or_coding(
    steps: list[tuple[str, tuple[str, Instance | None], str, str]],
) -> None:
    world = World(max_bytes=20_000)
    for method, (where, instance), path, coding in steps:
        if method == "wait":
            world.now += 40
            continue
        whose = f"{where} {instance.handle if instance else '-'} {without_hub(path)} {coding}".encode()
        fields = [("Content-Encoding", coding)] if coding else []
        response, _ = await world.call(
            path, ok(*fields, body=whose), ("Accept-Encoding", coding), method=method, instance=instance, where=where
        )

        assert isinstance(response.body, bytes)
        mine = response.body.rpartition(b" ")
        assert mine[0] == whose.rpartition(b" ")[0]
        assert mine[2] in (coding.encode(), b"")
        assert world.store.bytes <= 20_000
