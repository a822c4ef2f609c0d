"""The rules that make spans of a record, and the record itself, on a clock of the test's own."""

from __future__ import annotations

from itertools import chain, repeat

from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Exchange
from gateway.telemetry.access_log import line
from gateway.telemetry.recent import as_json
from gateway.telemetry.spans import Span, spans_of
from gateway.telemetry.tracing_exchange import TracedExchange

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
BASE_URLS = {"dev": "https://ce.test/elements/api-v2"}
PHASES = ("resolve", "cache", "limits", "upstream", "limits", "upstream", "answer")


def traced(*moments: float, path: str = "/elements/api-v2/contacts/7", goes_on: bool = True) -> TracedExchange:
    """A record that began at 100 s, whose clock shows ``moments`` and then the last of them for ever."""
    times = chain(moments, repeat(moments[-1] if moments else 100.0))
    exchange = TracedExchange("id-1", "GET", path, 100.0, 1_700_000_000.5, TRACEPARENT, goes_on=goes_on, clock=lambda: next(times))
    exchange.environment, exchange.status, exchange.upstream_status = "dev", 200, 200
    return exchange


def walked(exchange: Exchange) -> None:
    """What rooms write on the way of a call."""
    exchange.phase = "resolve"
    exchange.caller, exchange.resource = "abc", "/contacts/{id}"
    exchange.note("cache", "miss", "uri-miss")
    exchange.phase = "upstream"
    exchange.upstream_calls += 1
    exchange.phase = "answer"
    exchange.total_seconds = 0.25


def test_a_traced_record_reads_like_any_other() -> None:
    plain, other = Exchange("id-1", "GET", "/elements/api-v2/contacts/7", 100.0, 1_700_000_000.5), traced()
    plain.traceparent = other.traceparent
    plain.environment, plain.status, plain.upstream_status = "dev", 200, 200
    for exchange in (plain, other):
        walked(exchange)

    assert as_json(other) == as_json(plain)
    assert line(other) == line(plain)


def test_the_id_that_goes_up_changes_with_each_attempt() -> None:
    exchange = traced()
    ids = []
    for phase in PHASES:
        if phase == "upstream":
            ids.append(exchange.traceparent.split("-")[2])
        exchange.phase = phase

    assert exchange.attempts == ids
    assert len(set(ids) | {exchange.parent}) == 3


def test_the_span_that_was_drawn_is_the_one_that_goes_up() -> None:
    exchange = traced(goes_on=False)

    assert (exchange.parent, exchange.traceparent, exchange.starts_trace) == ("", TRACEPARENT, True)


@given(st.lists(st.floats(0, 5), min_size=7, max_size=7), st.floats(0, 6), st.floats(0, 6), st.booleans())
def test_every_span_is_inside_of_the_call(moments: list[float], total: float, answering: float, answered: bool) -> None:
    exchange = traced(*(100.0 + moment for moment in sorted(moments)))
    for phase in PHASES:
        exchange.phase = phase
    exchange.total_seconds = total
    exchange.answering = 100.0 + answering if answered else 0.0
    server, *steps = spans_of(exchange, "http", BASE_URLS)

    assert len(steps) == len(PHASES) + 1 + answered
    assert all(server.start_ns <= span.start_ns <= server.end_ns for span in steps)
    assert all(server.start_ns <= span.end_ns <= server.end_ns for span in steps)
    assert (server.start_ns, server.end_ns) == (1_700_000_000_500_000_000, 1_700_000_000_500_000_000 + int(total * 1e9))


def test_times_are_those_of_the_clock() -> None:
    exchange = traced(100.25, 100.5)
    exchange.phase = "resolve"
    exchange.note("cache", "miss")
    exchange.total_seconds, exchange.answering = 1.0, 100.75
    _, identify, resolve, answer = spans_of(exchange, "http", BASE_URLS)
    begun = 1_700_000_000_500_000_000

    def offsets(span: Span) -> tuple[float, float]:
        return (span.start_ns - begun) / 1e9, (span.end_ns - begun) / 1e9

    assert [offsets(identify), offsets(resolve), offsets(answer)] == [(0.0, 0.25), (0.25, 0.75), (0.75, 1.0)]
    assert (resolve.events[0].time_ns - begun) / 1e9 == 0.5


def test_the_upstreams_default_port_and_a_path_that_was_cut() -> None:
    exchange = traced(path="/elements/api-v2/contacts/../x")
    exchange.phase = "upstream"
    span = spans_of(exchange, "https", BASE_URLS)[2]

    assert span.attributes["server.port"] == 443
    assert span.attributes["url.full"] == "https://ce.test/elements/api-v2"


def test_a_fault_of_ours_is_seen_on_the_step_that_it_ended() -> None:
    exchange = traced()
    exchange.phase = "resolve"
    exchange.status, exchange.problem = 503, "store-unavailable"
    errors = {span.name: span.error for span in spans_of(exchange, "http", BASE_URLS)}

    assert errors == {"GET": "store-unavailable", "identify": "", "resolve": "store-unavailable"}
