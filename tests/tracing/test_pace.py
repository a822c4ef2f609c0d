"""Calls come before traces: the thread that delivers rests, and what is too much is dropped, in this process and without a gateway."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from gateway.telemetry.spans import Span
from gateway.telemetry.tracing_exchange import TracedExchange
from gateway.telemetry.tracing_export import _BATCH, MAX_WAITING, Delivery
from tests.tracing.receiver import Receiver

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
CALL = TracedExchange("id-1", "GET", "/x", 0.0, 1_700_000_000.0, TRACEPARENT, goes_on=False, clock=lambda: 0.0)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """What a delivery sets for the whole process is set back."""
    loggers = [logging.getLogger(name) for name in ("opentelemetry", "urllib3")]
    levels, interval = [logger.level for logger in loggers], sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@contextmanager
def delivery(receiver: Receiver, spans: Callable[[TracedExchange], Sequence[Span]]) -> Iterator[Delivery]:
    made = Delivery(receiver.url, {}, "gateway", spans)
    try:
        yield made
    finally:
        made.close()


def one_span(exchange: TracedExchange) -> list[Span]:
    return [Span("GET", "server", "00f067aa0ba902b7", "", 1, 2)]


def test_the_thread_rests_three_times_as_long_as_it_works() -> None:
    moments: list[float] = []

    def laborious(exchange: TracedExchange) -> list[Span]:
        ends = time.thread_time() + 0.002
        while time.thread_time() < ends:
            pass
        moments.append(time.monotonic())
        return one_span(exchange)

    with Receiver() as receiver, delivery(receiver, laborious) as made:
        for _ in range(2 * _BATCH):
            made.take(CALL)
        assert receiver.wait(lambda: len(moments) == 2 * _BATCH)

    assert moments[_BATCH] - moments[_BATCH - 1] > 3 * _BATCH * 0.002


def test_handing_over_never_waits_and_the_oldest_go_where_it_is_too_much() -> None:
    with capture_logs() as said, Receiver() as receiver:
        receiver.holding.set()
        with delivery(receiver, one_span) as made:
            started = time.monotonic()
            for _ in range(3 * MAX_WAITING):
                made.take(CALL)
            took = time.monotonic() - started
            receiver.holding.clear()
        arrived = len(receiver.spans())

    events = [line["event"] for line in said]
    assert took < 2
    assert arrived <= MAX_WAITING + 3 * _BATCH
    assert events.count("more calls are traced than can be delivered: lower tracing.sample_ratio") == 1
    assert [line["calls"] for line in said if line["event"] == "traces were lost"] == [3 * MAX_WAITING - arrived]


def test_a_fault_in_making_spans_is_said_and_ends_nothing() -> None:
    faults = iter((KeyError("canary"), None))

    def faulty(exchange: TracedExchange) -> list[Span]:
        fault = next(faults, None)
        if fault:
            raise fault
        return one_span(exchange)

    with capture_logs() as said, Receiver() as receiver, delivery(receiver, faulty) as made:
        made.take(CALL)
        assert receiver.wait(lambda: bool(said))
        made.take(CALL)
        assert receiver.wait(lambda: bool(receiver.spans()))

    assert said[0] == {"event": "spans could not be made", "error": "KeyError", "calls": 1, "log_level": "error"}


def test_after_the_end_nothing_is_sent() -> None:
    with Receiver() as receiver:
        receiver.answer = 503  # to be tried again, says OTLP
        with capture_logs() as said, delivery(receiver, one_span) as made:
            made.take(CALL)
            assert receiver.wait(lambda: bool(said))
            made.take(CALL)
            time.sleep(0.6)  # until it is on its way
        receiver.answer = 200

        assert not receiver.wait(lambda: bool(receiver.bodies), 3)
    assert [line["event"] for line in said] == ["traces cannot be delivered", "traces were lost"]
