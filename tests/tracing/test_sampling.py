"""Which calls are traced; one that is not has the same record, and the same cost, as without tracing."""

from __future__ import annotations

from aiohttp.http import RawRequestMessage
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from gateway.exchange import Exchange, Headers
from gateway.server import intake
from gateway.telemetry.tracing import Tracing
from gateway.telemetry.tracing_exchange import TracedExchange

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
traces = st.integers(1, (1 << 128) - 1).map(lambda number: f"00-{number:032x}-{SPAN}-00")


def ignored(exchange: Exchange) -> None:
    """Nobody looks at what was delivered."""


def tracing(ratio: float = 1.0) -> Tracing:
    return Tracing(ratio, ignored, lambda: 0.0)


def begun(traceparent: str | None, by: Tracing | None) -> Exchange:
    """The record of a call as intake begins it."""
    pairs = [("traceparent", traceparent)] if traceparent else []
    fields = CIMultiDictProxy(CIMultiDict(pairs))
    raw = tuple((name.encode(), value.encode()) for name, value in pairs)
    message = RawRequestMessage("GET", "/elements/api-v2/x", (1, 1), fields, raw, False, None, False, False, URL("/x"))  # type: ignore[arg-type]
    return intake.begin(message, Headers(pairs), 0.0, by)


def test_off_there_is_no_traced_record() -> None:
    given_one, drawn = begun(f"00-{TRACE}-{SPAN}-01", None), begun(None, None)

    assert type(given_one) is type(drawn) is Exchange
    assert given_one.traceparent == f"00-{TRACE}-{SPAN}-01"
    assert drawn.traceparent.endswith("-00")


def test_the_callers_flag_wins() -> None:
    for ratio in (0.0, 1.0):
        assert type(begun(f"00-{TRACE}-{SPAN}-00", tracing(ratio))) is Exchange
        assert type(begun(f"00-{TRACE}-{SPAN}-01", tracing(ratio))) is TracedExchange
        assert type(begun(f"00-{TRACE}-{SPAN}-03", tracing(ratio))) is TracedExchange


def test_who_is_not_sampled_is_as_without_tracing() -> None:
    assert begun(f"00-{TRACE}-{SPAN}-00", tracing()).traceparent == f"00-{TRACE}-{SPAN}-00"
    drawn = begun(None, tracing(0.0))
    assert type(drawn) is Exchange
    assert drawn.traceparent.endswith("-00")


@given(traces)
def test_none_and_all(traceparent: str) -> None:
    assert not tracing(0.0).samples(traceparent, goes_on=False)
    assert tracing(1.0).samples(traceparent, goes_on=False)


@given(traces, st.floats(0, 1), st.floats(0, 1))
def test_a_greater_ratio_keeps_the_traces_of_a_smaller_one(traceparent: str, one: float, other: float) -> None:
    small, great = sorted((one, other))

    assert tracing(small).samples(traceparent, goes_on=False) <= tracing(great).samples(traceparent, goes_on=False)


def test_the_ratio_is_the_share() -> None:
    half = tracing(0.25)
    sampled = sum(type(begun(None, half)) is TracedExchange for _ in range(4000))

    assert 800 < sampled < 1200  # six standard deviations and more


def test_only_traced_calls_are_handed_on() -> None:
    taken: list[Exchange] = []
    watch = Tracing(1.0, taken.append, lambda: 0.0)
    plain, traced = begun(f"00-{TRACE}-{SPAN}-00", watch), begun(None, watch)
    for exchange in (plain, traced):
        watch.record(exchange)

    assert taken == [traced]
