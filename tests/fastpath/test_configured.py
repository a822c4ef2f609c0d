"""Whatever else is configured: pages of other origins, tracing, the other client; and what only a look at one call shows."""

from __future__ import annotations

import re
from itertools import product

import pytest

from tests.fastpath.asking import AGENT, NO_STORE, SCRIPTS, get, post
from tests.fastpath.conftest import Make
from tests.fastpath.playing import Play, Stage
from tests.fastpath.sides import Pair, Side
from tests.support.origin import script

AGENT_1 = AGENT.format("configured")
PAGE = "Origin: https://page.example"


def walk(name: str, *fields: str, element: str = "plain") -> list[Play]:
    """Calls of one caller, of which most can take a fast path."""
    reads = [Play((get(f"/c/{n % 4}/{name}", AGENT_1, *fields, element=element),)) for n in range(8)]
    return [*reads, *[Play((post(f"/c/{n}/{name}", b"{}", AGENT_1, *fields, element=element),), ("POST",)) for n in range(5)]]


@pytest.mark.parametrize("name", ["plain", "fresh", "404", "vary"])
def test_pages_of_other_origins(own: Make, name: str) -> None:
    with own(first='cors.allowed_origins = ["https://page.example"]') as pair:
        pair.behave(**SCRIPTS)
        stage = Stage(pair)
        stage.compare([*walk(name), *walk(name, PAGE), *walk(name), *walk(name, "Origin: https://else.example")])
        assert name == "404" or pair.fast.taken["begun"] + pair.fast.taken["repeated"] >= 8


def test_the_other_client(own: Make) -> None:
    with own(first='upstream.client = "aiohttp"') as pair:
        pair.behave(**SCRIPTS)
        for side in pair:
            caller = pair.caller(side)
            for number in range(8):
                caller.send(side.filled(get(f"/c/{number % 2}/{('plain', 'fresh')[number % 2]}", AGENT_1)))
                assert (answer := caller.answer()) is not None
                assert answer.status == 200
        assert pair.fast.taken["begun"] == 0


@pytest.mark.parametrize(
    "first",
    [
        "upstream.keep_alive = '0s'",
        "upstream.max_connections = 1",
        "cache.max_object_bytes = 8",
        "cache.max_bytes = 4096",
        "listen.max_body_bytes = 2",
        "callers.bulkhead = 1",
        "upstream.call_timeout = '9s'",
        "upstream.retry_ratio = 0",
    ],
)
def test_settings_that_matter_to_the_fast_paths(own: Make, first: str) -> None:
    more = "[elements.narrowed]\nadaptive = true\nshadow = true\nlimits = ['3/h']\nbreaker.enabled = false"
    first = first if "max_body" not in first else ""
    with own(more, first=first) as pair:
        pair.behave(**SCRIPTS)
        stage = Stage(pair)
        for element in ("plain", "kept", "narrowed"):
            for name in ("plain", "fresh", "404", "reset"):
                stage.compare(walk(name, element=element))


def traced(number: int, flags: str) -> str:
    return f"traceparent: 00-aaaaaaaa{number:024d}-00f067aa0ba902b7-{flags}"


def exemplars(side: Side, metric: str) -> set[str]:
    text = side.operator("GET", "/metrics", None, "Accept: application/openmetrics-text").body.decode()
    return set(re.findall(rf'^{metric}_bucket.* # \{{trace_id="(\w+)"\}}', text, re.MULTILINE))


@pytest.mark.parametrize("name", ["plain", "fresh"])
def test_a_bucket_points_to_the_last_call_that_is_traced(own: Make, name: str) -> None:
    with own() as pair:
        pair.behave(**SCRIPTS)
        stage = Stage(pair)
        fields = [traced(n, "01" if n % 2 else "00") for n in range(9)]
        stage.compare([Play((get(f"/c/{name}", AGENT_1, field),)) for field in fields])
        metrics = ["gateway_request_duration_seconds"] + ["gateway_upstream_duration_seconds"] * (name == "plain")
        for side, metric in product(pair, metrics):
            found = exemplars(side, metric)
            assert found, "no exemplar"
            assert found <= {field.split("-")[1] for field in fields if field.endswith("01")}
            assert fields[7].split("-")[1] in found, f"{'fast' if side.fast else 'slow'}: not the last one"
            assert fields[8].split("-")[1] not in found
        assert pair.fast.taken["repeated" if name == "fresh" else "answered"] >= 4


def test_a_caller_that_has_said_all(own: Make) -> None:
    """It half-closes behind its request: a fast path does what the corridor does."""
    with own() as pair:
        pair.behave(**SCRIPTS, slow=script(0.1, NO_STORE))
        for name in ("plain", "slow", "fresh"):
            ends = []
            for side in pair:
                caller = pair.caller(side)
                for number in range(5):
                    caller.send(side.filled(get(f"/c/{number}/plain", AGENT_1)))
                    assert caller.answer() is not None
                caller.send(side.filled(get(f"/c/1/{name}", AGENT_1)))
                caller.finish()
                answer = caller.answer()
                ends.append((answer.status if answer else None, caller.ended(2.0)))
            if name == "slow":
                assert ends[0] == ends[1]
        Stage(pair).settled()


def test_the_time_that_an_answer_says_it_took(own: Make) -> None:
    """``Server-Timing`` and records tell of the upstream's time, and of ours without it."""
    with own() as pair:
        pair.behave(**SCRIPTS, slow=script(0.2, NO_STORE))
        _timed(pair)


def _timed(pair: Pair) -> None:
    for side in pair:
        caller = pair.caller(side)
        for name in (*["plain"] * 5, "slow"):
            caller.send(side.filled(get(f"/c/1/{name}", AGENT_1)))
            answer = caller.answer()
            assert answer is not None
        assert answer is not None
        own, queue, upstream = map(float, re.findall(r"dur=([\d.]+)", answer.value("server-timing")))
        assert 200 <= upstream < 1000
        assert own < 100
        assert queue == 0
        record = side.operator("GET", "/admin/v1/exchanges?limit=1").json()["items"][0]
        assert abs(record["upstream_ms"] - upstream) < 1
        assert upstream <= record["ms"] < upstream + 100
        for metric in ("gateway_request_duration_seconds", "gateway_upstream_duration_seconds"):
            text = side.operator("GET", "/metrics").body.decode()
            seconds = sum(float(value) for value in re.findall(rf"^{metric}_sum\{{.*\}} (\S+)$", text, re.MULTILINE))
            assert 0.2 <= seconds < 1.5, metric
