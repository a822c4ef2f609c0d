"""The last calls, the newest first, and what is unknown left out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Exchange
from gateway.telemetry import Telemetry
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent, as_json


def exchange(number: int = 0) -> Exchange:
    return Exchange(f"id-{number}", "GET", "/x", 0.0, 1_700_000_000.0)


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 60))
def test_the_newest_come_first_and_the_oldest_go(size: int, count: int, limit: int) -> None:
    recent = Recent(size)
    for number in range(count):
        recent.add(exchange(number))

    assert [one["request_id"] for one in recent.last(limit)] == [f"id-{number}" for number in reversed(range(count))][: min(size, limit)]


def test_decisions_come_with_their_reasons() -> None:
    made = exchange()
    made.note("cache", "bypass", "no-store")
    made.note("limits", "allowed")

    assert as_json(made)["decisions"] == [
        {"room": "cache", "decision": "bypass", "reason": "no-store"},
        {"room": "limits", "decision": "allowed", "reason": ""},
    ]


def test_what_is_unknown_is_left_out() -> None:
    record = as_json(exchange())

    assert record.keys() == {"time", "request_id", "method", "path", "status", "outcome", "phase", "cache", "ms", "decisions"}
    assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize(
    ("name", "shown"), [("customer", "customer"), ("handle", "instance"), ("problem", "problem"), ("limited", "limited")]
)
def test_what_is_known_is_shown(name: str, shown: str) -> None:
    made = exchange()
    setattr(made, name, "something")

    assert as_json(made)[shown] == "something"


def test_a_call_is_in_flight_until_it_is_recorded() -> None:
    telemetry, made = Telemetry(Metrics(), None, Recent()), exchange()
    telemetry.begin(made)
    assert made in telemetry.metrics.live
    telemetry.record(made)

    assert made not in telemetry.metrics.live
    assert telemetry.recent.last(9)[0]["request_id"] == "id-0"
