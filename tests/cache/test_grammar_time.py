"""The time that it takes to read a field grows with its length and no faster, whatever stands in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from gateway.cache import Lifetimes
from gateway.cache.conditional import answer
from gateway.cache.control import control_of
from gateway.cache.entry import Entry, Subject, draft
from gateway.cache.freshness import wishes
from gateway.cache.ranges import single_range
from gateway.exchange import Headers

NOW = 1_700_000_000.0
CONFIGURED = Lifetimes(60, 30, 90, 10)
SUBJECT = Subject("acme", "hubspot")
LONG = 64 * 1024
PIECES = [
    "9",
    ",",
    "a,",
    '"',
    'a="',
    '\\"',
    "\\",
    " ",
    "\t",
    "=",
    ";",
    "a=",
    "max-age=1,",
    'W/"',
    'W/"a",',
    "*",
    "*,",
    "-",
    "0-1,",
    "é",
    "a;b=",
    "a=?1;b,",
    ", ",
]
FRESH = (("Cache-Control", "max-age=60"), ("ETag", '"a"'))
STORED = Entry(FRESH, b"0123456789", (), NOW, 0.0, 60.0, '"a"', None, SUBJECT)


def answered(name: str, text: str) -> object:
    return draft(200, Headers([(name, text), *FRESH]), Headers(), NOW, NOW, CONFIGURED, SUBJECT)


def wanted(name: str, text: str) -> object:
    return answer(STORED, Headers([(name, text), ("Range", "bytes=0-1")]), NOW)


READERS: dict[str, Callable[[str], object]] = {
    "Cache-Control": lambda text: control_of(Headers([("Cache-Control", text)])),
    "CDN-Cache-Control": lambda text: control_of(Headers([("CDN-Cache-Control", text)])),
    "CDN-Cache-Control, begun well": lambda text: control_of(Headers([("CDN-Cache-Control", f"a={text}")])),
    "Cache-Control of a caller": lambda text: wishes(Headers([("Cache-Control", text)])),
    "Range of a caller": lambda text: single_range(f"bytes={text}", 10),
} | {
    f"{name} of {whom}": partial(reader, name)
    for whom, reader, names in (
        ("an answer", answered, ("Age", "Expires", "Date", "Vary", "ETag", "Last-Modified", "Connection", "Content-Type")),
        ("a caller", wanted, ("If-None-Match", "If-Modified-Since", "If-Range")),
    )
    for name in names
}


@pytest.mark.parametrize("reader", READERS)
def test_long_values_take_time_in_proportion(reader: str) -> None:
    """All pieces together take some hundredths of a second; one reader that goes over the text again for each octet takes minutes."""
    started = time.process_time()
    for piece in PIECES:
        text = (piece * LONG)[:LONG]
        READERS[reader](text)
        READERS[reader](f"{text}\x00")
        READERS[reader](f'x="{text}')
    assert time.process_time() - started < 10
