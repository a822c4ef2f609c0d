"""A gateway that finds itself overloaded at the least lateness: what is refused, and how."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from tests.acceptance.commands import until
from tests.support.answers import Answer
from tests.support.processes import Gateway, running_gateway
from tests.support.raw import Caller

_TRIES = 400


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Kept busy by callers who do not wait for their answers, and late by more than it likes: it lets in a twentieth."""
    settings = 'listen.overload_lag = "0.01ms"'
    with running_gateway(tmp_path_factory.mktemp("shedding"), {"dev": "http://127.0.0.1:9/elements/api-v2"}, settings=settings) as gateway:
        over = threading.Event()
        busy = [threading.Thread(target=keep_busy, args=(gateway, over)) for _ in range(3)]
        for thread in busy:
            thread.start()
        yield gateway
        over.set()
        for thread in busy:
            thread.join()


def keep_busy(gateway: Gateway, over: threading.Event) -> None:
    """Pipelined requests, which are read whatever the load."""
    with Caller(gateway.data) as caller:
        while not over.is_set():
            caller.send(b"GET /elements/api-v2/ping HTTP/1.1\r\nHost: gateway\r\n\r\n" * 40)
            for _ in range(40):
                caller.answer()


def asked(caller: Caller, gateway: Gateway, more: str = "", method: str = "GET", body: str = "") -> Answer:
    fields = f"Host: gateway\r\nX-Api-Key: {gateway.key}\r\nGateway-Customer: acme\r\n{more}"
    caller.send(f"{method} /elements/api-v2/contacts HTTP/1.1\r\n{fields}\r\n{body}".encode())
    answer = caller.answer(method)
    assert answer is not None
    return answer


def counted(gateway: Gateway) -> float:
    with Caller(gateway.admin) as caller:
        caller.send(b"GET /metrics HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        answer = caller.answer()
    assert answer is not None
    assert answer.status == 200, answer.body
    lines = answer.body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("gateway_requests_total{"))


@pytest.mark.parametrize(("method", "body"), [("GET", ""), ("POST", "{}")], ids=["unread", "read"])
def test_what_is_refused_is_told_so_and_the_connection_goes_on(gateway: Gateway, method: str, body: str) -> None:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    refused = served = 0
    with Caller(gateway.data) as caller:
        for number in range(_TRIES):
            answer = asked(caller, gateway, f"X-Request-Id: {method}-{number}\r\n{length}", method, body)
            assert answer.value("x-request-id") == f"{method}-{number}"
            problem = json.loads(answer.body)
            if problem["type"] == "urn:gateway:problem:overloaded":
                refused += 1
                assert (answer.status, answer.value("retry-after"), answer.value("via")) == (503, "1", "1.1 gateway")
                assert problem["requestId"] == f"{method}-{number}"
            else:
                served += 1
            if refused > 20 and served > 1:
                break
    assert (refused > 20, served > 1) == (True, True)
    assert f'"request_id": "{method}-' in gateway.text


def test_health_is_told_and_never_refused(gateway: Gateway) -> None:
    with Caller(gateway.data) as caller:
        for _ in range(100):
            caller.send(b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n")
            answer = caller.answer()
            assert answer is not None
            assert answer.status == 200
    with Caller(gateway.admin) as caller:
        caller.send(b"GET /readyz HTTP/1.1\r\nHost: gateway\r\n\r\n")
        ready = caller.answer()
    assert ready is not None
    assert (ready.status, json.loads(ready.body)["status"]) == (200, "degraded")
    assert "overloaded" in ready.body.decode()


def test_each_is_counted_and_logged_once(gateway: Gateway) -> None:
    before = counted(gateway)
    with Caller(gateway.data) as caller:
        for number in range(50):
            asked(caller, gateway, f"X-Request-Id: counted-{number}\r\n")
    assert counted(gateway) - before >= 50
    until(lambda: gateway.text.count('"request_id": "counted-') == 50)
