"""What may happen to a cache, and sequences of it: calls of several owners, answers with any caching fields, writes, purges, clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from gateway.cache import Lifetimes
from gateway.exchange import Instance
from gateway.secret import Secret
from tests.cache.model import SILENT, Control, Said

START = 1_700_000_000
POLICIES = {
    "generous": Lifetimes(60, 30, 120, 10),
    "bare": Lifetimes(),
    "platform": Lifetimes(20, 0, 0, 0),
}
OBJECTS = {"/objects": Lifetimes(3600, 86_400, 86_400)}  # gateway/cache/policy.py: METADATA
ACME = Instance("gwi_acme0001", "dev", "acme", "generous", Secret("t1"))
BOLT = Instance("gwi_bolt0001", "dev", "bolt", "bare", Secret("t2"))
OWNERS = [("dev", ACME), ("dev", BOLT), ("prod", ACME), ("dev", None)]
PATHS = ["/contacts", "/contacts/1", "/contacts/2", "/contacts/1/notes", "/contacts/1/notes/8", "/accounts", "/objects", "/ping"]
MAX_OBJECT = 1000
PADDING = 2000
BASE = "https://api.invalid/elements/api-v2"
JSON = ("Content-Type", "application/json")
NAMED = ("Cache-Control", "X-A", "X-B", "Range", "If-None-Match")
ONLY = ("Cache-Control", "only-if-cached")


@dataclass(frozen=True)
class Answer:
    """What the origin will say; moments are offsets from when it says it. ``confirms``: a 304 where the cache asks for one."""

    status: int = 200
    control: Control | None = None
    expires: int | None = None
    date: int | None = None
    age: int | None = None
    tagged: bool = False
    modified: bool = False
    vary: str | None = None
    cookie: str | None = None
    large: bool = False
    streams: bool = False
    confirms: bool = False
    fails: bool = False

    def said(self, now: int, serial: int) -> Said:
        expires, date = (None if offset is None else now + offset for offset in (self.expires, self.date))
        etag, modified = f'"{serial}"' if self.tagged else None, START - 86_400 * 400 + serial if self.modified else None
        return Said(self.control, expires, date, self.age, etag, modified, self.vary, self.cookie)


@dataclass(frozen=True)
class Get:
    who: int
    path: str
    query: str
    fields: tuple[tuple[str, str], ...]
    answer: Answer
    meanwhile: tuple[Clock | Write | Purge, ...]
    renewal: Answer | None


@dataclass(frozen=True)
class Head:
    """``same``: the answer is about what is stored there."""

    who: int
    path: str
    answer: Answer
    same: bool


@dataclass(frozen=True)
class Write:
    """``status`` 0: it left, and no answer came; None: it did not leave."""

    who: int
    method: str
    path: str
    status: int | None
    location: str | None


@dataclass(frozen=True)
class Purge:
    environment: str | None = None
    customer: str | None = None
    element: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class Forget:
    """An instance's mapping was changed."""

    who: int


@dataclass(frozen=True)
class Clock:
    seconds: int


def often(usual: object, *others: object) -> st.SearchStrategy[Any]:
    """Mostly the usual value, so that what is asked for and what is stored meet."""
    return st.sampled_from([usual] * 9 * len(others) + list(others))


SECONDS = st.sampled_from([0, 1, 5, 30, 90, 4000])
seldom = often(None, 0, 1, 5, 30, 90, 4000)
FLAGS = ("no-cache", "no-store", "private", "must-revalidate", "proxy-revalidate", "public", "x-other")
flags = often(frozenset(), *(frozenset({flag}) for flag in FLAGS))
controls = st.builds(Control, st.none() | SECONDS, seldom, seldom, seldom, flags).filter(lambda control: control != SILENT)
answers = st.builds(
    Answer,
    status=often(200, 299, 401, 404, 410, 500, 503),
    control=st.sampled_from([None, None, Control(30, stale_if_error=60), Control(0, stale_while_revalidate=90)]) | controls,
    expires=often(None, -90, 0, 5, 90),
    date=often(None, -90, -5, 0, 5),
    age=often(None, 0, 1, 30, 90),
    tagged=st.booleans(),
    modified=often(False, True),
    vary=often(None, "X-A", "X-A, X-B", "*"),
    cookie=often(None, "a=b"),
    large=st.sampled_from([False] * 6 + [True]),
    streams=st.sampled_from([False] * 3 + [True]),
    confirms=st.booleans(),
    fails=st.sampled_from([False] * 4 + [True]),
)
clocks = st.builds(Clock, st.sampled_from([1, 1, 5, 5, 5, 30, 30, 30, 70, 70, 100, 500, 90_000, -1, -30, -5000]))
who, paths = st.sampled_from([0] * 9 + [1, 2, 3]), st.sampled_from(PATHS[:1] * 14 + PATHS[1:2] * 3 + PATHS)
methods, statuses = st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "M-SEARCH"]), st.sampled_from([200, 201, 404, 503, 0, None])
writes = st.builds(Write, who, methods, paths, statuses, st.none() | paths)
requested = st.tuples(
    often("", "no-cache", "no-store", "max-age=0", "max-age=20", "min-fresh=20", "only-if-cached", "max-stale=9999"),
    often("", "1", "2"),
    often("", "1"),
    often("", "bytes=0-3"),
    often("", '"1"', "*"),
).map(lambda given: tuple((name, value) for name, value in zip(NAMED, given, strict=True) if value))
meanwhile = st.just(()) | st.lists(clocks | writes | st.just(Purge()), max_size=2).map(tuple)
gets = st.builds(Get, who, paths, often("", "?page=2"), requested, answers, meanwhile, st.none() | answers)
purges = st.builds(Purge, often(None, "dev", "prod"), often(None, "acme", "bolt"), often(None, "generous"), st.none() | paths)
heads = st.builds(Head, who, paths, answers, often(True, False))
KINDS = [gets] * 14 + [clocks] * 4 + [writes, purges, st.builds(Forget, who), heads, heads]
steps = st.lists(st.sampled_from(KINDS).flatmap(lambda kind: kind), min_size=20, max_size=50)
