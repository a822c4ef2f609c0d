"""The in-process store: bounded in bytes, and an index that always agrees with what is there."""

import gc
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.cache import invalidation
from gateway.cache.entry import Entry, Subject
from gateway.cache.invalidation import EVERYTHING, Touched, segments, touched
from gateway.cache.key import Key
from gateway.cache.memory import MemoryStore

PLAIN = Entry(
    fields=(("Content-Type", "application/json"),),
    body=b"{}",
    varies=(),
    received=0.0,
    initial_age=0.0,
    lifetime=100.0,
    etag=None,
    last_modified=None,
    subject=Subject("acme", "hubspot"),
)


def key(path: str = "/contacts", query: str = "", handle: str | None = "gwi_a", environment: str = "dev") -> Key:
    return Key(environment, handle, path, query, None, None, None, 0.0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(100_000, clock)


async def test_what_is_kept_is_found_until_its_time_is_over(store: MemoryStore, clock: Clock) -> None:
    assert await store.keep(key(), (PLAIN,))
    clock.now = 99.9
    assert await store.find(key()) == (PLAIN,)
    clock.now = 100.0
    assert await store.find(key()) == ()
    assert (store.entries, store.bytes) == (0, 0)


async def test_what_has_a_validator_outlives_its_freshness(store: MemoryStore, clock: Clock) -> None:
    entry = replace(PLAIN, etag='"1"')
    await store.keep(key(), (entry,))
    clock.now = 80_000.0

    assert await store.find(key()) == (entry,)


async def test_keeping_nothing_removes(store: MemoryStore) -> None:
    await store.keep(key(), (PLAIN,))

    assert not await store.keep(key(), ())
    assert await store.find(key()) == ()
    assert store.bytes == 0


async def test_too_large_is_refused_and_replaces_nothing_with_something_old(store: MemoryStore) -> None:
    await store.keep(key(), (PLAIN,))

    assert not await store.keep(key(), (replace(PLAIN, body=bytes(100_001)),))
    assert await store.find(key()) == ()


async def test_where_all_variants_do_not_fit_the_newest_goes_in(store: MemoryStore) -> None:
    new, old = replace(PLAIN, body=bytes(60_000)), replace(PLAIN, body=bytes(60_001))

    assert await store.keep(key(), (new, old))
    assert await store.find(key()) == (new,)


async def test_the_least_recently_used_makes_room(store: MemoryStore) -> None:
    for name in ("/a", "/b", "/c"):
        await store.keep(key(name), (replace(PLAIN, body=bytes(30_000)),))
    await store.find(key("/a"))
    await store.keep(key("/d"), (replace(PLAIN, body=bytes(30_000)),))

    assert [name for name in ("/a", "/b", "/c", "/d") if await store.find(key(name))] == ["/a", "/c", "/d"]
    assert await store.drop(("dev", "gwi_a"), EVERYTHING) == 3


async def test_drop_takes_the_touched_of_one_owner_and_says_how_many(store: MemoryStore) -> None:
    for handle in ("gwi_a", "gwi_b", None):
        for path, query in (("/contacts", ""), ("/contacts", "page=2"), ("/contacts/7", ""), ("/contacts/8", ""), ("//contacts/7/", "")):
            await store.keep(key(path, query, handle), (PLAIN, replace(PLAIN, varies=(("a", "b"),))))

    assert await store.drop(("dev", "gwi_a"), touched("PATCH", "/contacts/7", element_call=True)) == 8
    assert await store.find(key("/contacts/8"))
    assert store.entries == 11
    assert await store.drop(("dev", "gwi_x"), EVERYTHING) == 0


async def test_purge_by_each_of_its_arguments(store: MemoryStore) -> None:
    everyone = [("dev", "gwi_a", "acme", "hubspot"), ("dev", "gwi_b", "acme", "sfdc"), ("prod", "gwi_c", "bolt", "sfdc")]
    cases: list[tuple[str | None, str | None, str | None, str, int]] = [
        (None, None, None, "/", 6),
        ("dev", None, None, "/", 4),
        (None, "bolt", None, "/", 2),
        (None, None, "sfdc", "/", 4),
        (None, None, None, "/contacts", 3),
        ("dev", "acme", "hubspot", "/contacts", 1),
        ("prod", "acme", None, "/", 0),
    ]
    for environment, customer, element, path, gone in cases:
        await store.purge(None, None, None, EVERYTHING)
        for where, handle, whose, which in everyone:
            for name in ("/contacts/7", "/accounts"):
                await store.keep(key(name, "", handle, where), (replace(PLAIN, subject=Subject(whose, which)),))

        assert await store.purge(environment, customer, element, Touched(frozenset(), frozenset({segments(path)}))) == gone
        assert store.entries == 6 - gone


async def test_a_path_of_thousands_of_parts_is_no_trouble() -> None:
    store = MemoryStore(100_000_000, Clock())
    await store.keep(key("/a" * 4000), (PLAIN,))

    assert store.bytes > 4000 * 100
    assert await store.drop(("dev", "gwi_a"), EVERYTHING) == 1


@pytest.mark.parametrize(("fields", "parts"), [(0, 1), (5, 3), (20, 6), (0, 40)])
async def test_the_estimate_is_not_below_the_truth(fields: int, parts: int) -> None:
    store = MemoryStore(1 << 40, Clock())
    invalidation._remembered.cache_clear()
    gc.collect()
    tracemalloc.start()
    for n in range(300):
        entry = replace(PLAIN, fields=tuple((f"Field-{n}-{i}", f"value-{n}-{i}") for i in range(fields)), body=bytes(100), received=n + 0.5)
        await store.keep(key("".join(f"/p{n}x{i}" for i in range(parts)), f"q={n}"), (entry,))
    invalidation._remembered.cache_clear()
    gc.collect()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert used < store.bytes < 3 * used


HANDLES = st.sampled_from(["gwi_a", "gwi_b", None])
PATHS = st.sampled_from(["/", "/r", "/r/1", "/r/2", "/r/1/c", "/r/1/c/3", "//r//1", "/R/1", "/x"])
BOUND = 9000


class Operations(RuleBasedStateMachine):
    """Random walks through the store, beside a plain dictionary of what may be there."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.store = MemoryStore(BOUND, self.clock)
        self.model: dict[Key, tuple[Entry, ...]] = {}

    def run(self, step: object) -> object:
        """The store never waits, so its coroutines run without a loop."""
        try:
            step.send(None)  # type: ignore[attr-defined]
        except StopIteration as end:
            return end.value
        raise AssertionError("the store waited")

    @rule(
        handle=HANDLES,
        path=PATHS,
        query=st.sampled_from(["", "a"]),
        size=st.integers(0, 9000),
        lifetime=st.integers(0, 9),
        n=st.integers(0, 2),
    )
    def keep(self, handle: str | None, path: str, query: str, size: int, lifetime: int, n: int) -> None:
        where = key(path, query, handle)
        entries = tuple(
            replace(PLAIN, body=bytes(size), received=self.clock.now, lifetime=lifetime, varies=(("v", str(i)),)) for i in range(n)
        )
        self.run(self.store.keep(where, entries))
        self.model[where] = entries

    @rule(handle=HANDLES, path=PATHS, method=st.sampled_from(["POST", "DELETE"]))
    def write(self, handle: str | None, path: str, method: str) -> None:
        what = touched(method, path, element_call=True)
        self.run(self.store.drop(("dev", handle), what))
        self.model = {k: v for k, v in self.model.items() if k.handle != handle or not what.covers(segments(k.path))}

    @rule(path=PATHS)
    def purge(self, path: str) -> None:
        what = Touched(frozenset(), frozenset({segments(path)}))
        self.run(self.store.purge("dev", None, None, what))
        self.model = {k: v for k, v in self.model.items() if not what.covers(segments(k.path))}

    @rule(seconds=st.sampled_from([-3, 1, 5]))
    def time_steps(self, seconds: int) -> None:
        self.clock.now += seconds

    @invariant()
    def bytes_stay_below_the_bound(self) -> None:
        assert 0 <= self.store.bytes <= BOUND

    @invariant()
    def nothing_is_found_that_was_not_kept_or_was_dropped(self) -> None:
        for handle in ("gwi_a", "gwi_b", None):
            for path in ("/", "/r", "/r/1", "/r/2", "/r/1/c", "/r/1/c/3", "//r//1", "/R/1", "/x"):
                for query in ("", "a"):
                    where = key(path, query, handle)
                    found = self.run(self.store.find(where))
                    assert found in ((), self.model.get(where, ()), self.model.get(where, ())[:1])

    @invariant()
    def the_index_holds_what_is_there(self) -> None:
        assert self.store.bytes >= 0  # lets what expired leave
        shelf = set(self.store._shelf)
        indexed = {k for owner in self.store._index.roots for k in self.store._index.find(owner, EVERYTHING)}
        assert shelf == indexed == set(self.store._known)
        assert set(self.store._index.roots) == {k.owner for k in shelf}


Operations.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestOperations = Operations.TestCase
