"""Deliveries that go wrong: calls are served as ever, one line says so, and a stop is not held up."""

from __future__ import annotations

import json
import signal
import socket
import time
from typing import Any

from tests.tracing.conftest import Traced, another
from tests.tracing.receiver import Receiver

CANARY = "CANARY-collector-77ab1c"
FAILS, AGAIN, LOST = "traces cannot be delivered", "traces are delivered again", "traces were lost"


def lines(traced: Traced, event: str) -> list[dict[str, Any]]:
    """What the gateway has said of ``event`` so far."""
    return [json.loads(line) for line in traced.gateway.text.splitlines() if f'"event": "{event}"' in line]


def told(traced: Traced, event: str, times: int) -> None:
    """Make calls until ``event`` was said ``times`` times; each of them is served."""

    def said() -> bool:
        assert traced.call("GET ~/x")[0].status == 200
        return len(lines(traced, event)) >= times

    assert traced.receiver.wait(said, 20), f"{event!r} was not said {times} times:\n{traced.gateway.text[-3000:]}"


def stop(traced: Traced) -> float:
    """Seconds from SIGTERM to the end of the process, which must be a good one."""
    started = time.monotonic()
    traced.gateway.process.send_signal(signal.SIGTERM)
    assert traced.gateway.process.wait(20) == 0
    took = time.monotonic() - started
    assert traced.receiver.wait(lambda: bool(lines(traced, "stopped")))
    return took


def test_a_collector_that_refuses_recovers_and_hangs(traced: Traced) -> None:
    variables = {
        "COLLECTOR_TOKEN": f"Bearer {CANARY}",
        "GATEWAY__TRACING__HEADERS": '{"Authorization": "env:COLLECTOR_TOKEN"}',
        "GATEWAY__TRACING__SERVICE_NAME": "gateway-east",
        "HTTP_PROXY": "http://127.0.0.1:9",  # nothing is sent where it was not configured to go
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=other",
    }
    with Receiver() as receiver, another(traced, receiver, **variables) as this:
        _, trace = this.trace("GET ~/x")
        assert receiver.fields[0]["authorization"] == f"Bearer {CANARY}"
        assert trace.server.resource["service.name"] == "gateway-east"

        for times, status in enumerate((401, 302), 1):
            receiver.answer = status
            told(this, FAILS, times)
            receiver.answer = 200
            told(this, AGAIN, times)
        said = [(line["collector"], line["reason"]) for line in lines(this, FAILS)]
        assert said == [(f"127.0.0.1:{receiver.port}", "status 401"), (f"127.0.0.1:{receiver.port}", "status 302")]

        receiver.holding.set()
        assert this.call("GET ~/x")[0].status == 200
        assert stop(this) < 9
        (lost,) = lines(this, LOST)
        assert lost["calls"] >= 1
        assert CANARY not in this.gateway.text


def test_a_dead_collector_costs_nothing_but_a_line(traced: Traced) -> None:
    with Receiver() as unused, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # held and not listened on: connections are refused
        with another(traced, unused, f"http://127.0.0.1:{nobody.getsockname()[1]}") as this:
            told(this, FAILS, 1)
            for _ in range(300):
                this.call("GET ~/x")
            assert stop(this) < 4
            (line,) = lines(this, FAILS)
            assert line["reason"] == "ConnectionError"
            (lost,) = lines(this, LOST)
            served = [one for one in this.gateway.text.splitlines() if '"request_id": "call-' in one]
            assert lost["calls"] == len(served)
            assert "opentelemetry" not in this.gateway.text
            assert "urllib3" not in this.gateway.text


def test_what_waits_is_delivered_before_the_end(traced: Traced) -> None:
    with Receiver() as receiver, another(traced, receiver) as this:
        asked = {this.call("GET ~/x")[1] for _ in range(200)}
        stop(this)

        assert {span.attributes["gateway.request.id"] for span in receiver.spans() if span.kind == "server"} == asked
        assert not lines(this, LOST)
