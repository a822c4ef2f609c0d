"""The access log: a JSON line a call, and never in anybody's way."""

from __future__ import annotations

import io
import json
import threading
import time

import pytest

from gateway.exchange import Exchange
from gateway.telemetry import lines
from gateway.telemetry.access_log import AccessLog, line


def exchange(path: str = "/x") -> Exchange:
    made = Exchange("id-1", "GET", path, 5.0, 1_700_000_000.25)
    made.status, made.total_seconds, made.upstream_seconds, made.caller = 200, 0.0123456, 0.01, "abc"
    return made


def test_a_line_is_json_and_one_line() -> None:
    text = line(exchange('/a"\n\r\u2028\ud800é'))

    assert text.endswith("\n")
    assert text.isascii()
    assert text.count("\n") == 1
    assert json.loads(text)["path"] == '/a"\n\r\u2028\ud800é'


def test_what_a_line_says() -> None:
    entry = json.loads(line(exchange()))

    assert entry["time"] == "2023-11-14T22:13:20.250Z"
    assert (entry["request_id"], entry["method"], entry["status"], entry["caller"]) == ("id-1", "GET", 200, "abc")
    assert (entry["ms"], entry["upstream_ms"]) == (12.346, 10.0)
    assert not {"problem", "upstream_status", "elements_request_id"} & entry.keys()


def test_what_happened_is_said_where_it_happened() -> None:
    made = exchange()
    made.problem, made.upstream_status, made.elements_request_id = "rate-limited", 503, "e1"
    entry = json.loads(line(made))

    assert (entry["problem"], entry["upstream_status"], entry["elements_request_id"]) == ("rate-limited", 503, "e1")


def test_lines_come_in_order_and_all_before_the_end() -> None:
    stream = io.StringIO()
    log = AccessLog(stream)
    log.start()
    for number in range(1000):
        log.record(exchange(f"/{number}"))
    log.close()

    assert [json.loads(one)["path"] for one in stream.getvalue().splitlines()] == [f"/{number}" for number in range(1000)]
    assert log.dropped == 0


def test_lines_do_not_wait_for_the_end() -> None:
    stream = io.StringIO()
    log = AccessLog(stream)
    log.start()
    log.record(exchange())
    deadline = time.monotonic() + 5
    while not stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    written = stream.getvalue()
    log.close()

    assert written


class Broken(io.StringIO):
    """A pipe whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_what_cannot_be_written_is_counted_and_nobody_is_told() -> None:
    log = AccessLog(Broken())
    log.start()
    for _ in range(3):
        log.record(exchange())
    log.close()

    assert log.dropped == 3


class Stuck(io.StringIO):
    """A pipe that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.go.wait(30)
        return len(text)


def test_a_reader_that_reads_nothing_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_WAITING", 50)
    stream = Stuck()
    log = AccessLog(stream)
    log.start()
    log.record(exchange())
    time.sleep(0.2)  # the thread has taken it, and is stuck
    began = time.monotonic()
    for _ in range(80):
        log.record(exchange())
    assert time.monotonic() - began < 0.5
    assert log.dropped == 30

    log.close()
    assert time.monotonic() - began < 3
    stream.go.set()
