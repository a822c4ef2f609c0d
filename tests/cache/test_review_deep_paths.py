"""A path of thousands of parts: what a write to it touches is remembered for a while, so it may not take megabytes (threats 43)."""

from __future__ import annotations

import tracemalloc
from time import process_time

from gateway.cache.invalidation import segments, touched

DEEP = "/a" * 4000  # as long as a request line may be


def test_what_a_deep_write_touches_is_small() -> None:
    segments(DEEP)
    tracemalloc.start()
    try:
        what = touched("DELETE", DEEP, element_call=True)
        octets, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert what.covers(segments(DEEP))
    assert octets < 500_000, f"{octets / 1e6:.0f} MB for one write, and 1024 of them are remembered"


def test_a_deep_write_is_quick() -> None:
    segments(DEEP)
    began = process_time()
    for _ in range(10):
        touched("DELETE", DEEP, element_call=True)
    assert process_time() - began < 0.1


def test_a_deep_write_still_touches_the_items_above() -> None:
    what = touched("DELETE", "/a/1/b/2/c/3", element_call=True)
    assert all(what.covers(segments(path)) for path in ("/a", "/a/1", "/a/1/b", "/a/1/b/2", "/a/1/b/2/c", "/a/1/b/2/c/3", "/a/1/b/2/c/3/d"))
    assert not any(what.covers(segments(path)) for path in ("/a/2", "/a/1/b/3"))
