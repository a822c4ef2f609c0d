"""A gateway that traces, the origin behind it, and the collector that it delivers to."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count

import pytest

from tests.support.answers import Answer
from tests.support.cases import BASE, ask
from tests.support.origin import Origin
from tests.support.processes import Gateway, collect, end_process, running_gateway, wait_ready
from tests.support.raw import Caller
from tests.tracing.receiver import Receiver, Trace

SETTINGS = """
upstream.response_timeout = "1s"
upstream.body_timeout = "1s"
[tracing]
enabled = true
endpoint = "{url}"
[elements.rawelement]
limits = ["100000/day"]
[elements.rawelement.cache]
ttl = "60s"
[[elements.rawelement.cache.rules]]
path = "/kept/**"
enabled = true
[[elements.rawelement.cache.rules]]
path = "/**"
enabled = false
[elements.limited]
limits = ["1/h"]
cache.enabled = false
"""
_serial = count(1)


@dataclass(frozen=True)
class Traced:
    """``environments``: ``dev`` and ``other`` are the origin, nobody listens at ``dead``."""

    gateway: Gateway
    origin: Origin
    receiver: Receiver

    def call(self, line: str, *fields: str, body: bytes = b"", key: str | None = None) -> tuple[Answer, str]:
        """The answer to a call, and the request id that it had."""
        request_id = f"call-{next(_serial)}"
        with Caller(self.gateway.data) as caller:
            caller.send(self.octets(line, request_id, *fields, body=body, key=key))
            answer = caller.answer(line.split(" ", maxsplit=1)[0])
        assert answer is not None, f"no answer to {line}"
        return answer, request_id

    def octets(self, line: str, request_id: str, *fields: str, body: bytes = b"", key: str | None = None) -> bytes:
        """A request for customer acme and, unless ``fields`` name another, the element ``rawelement``."""
        element = () if any(one.startswith("Gateway-Element") for one in fields) else ("Gateway-Element: rawelement",)
        named = ask(line, f"X-Request-Id: {request_id}", *element, *fields, body=body)
        return named.replace(b"@KEY@", (self.gateway.key if key is None else key).encode())

    def trace(self, line: str, *fields: str, body: bytes = b"", key: str | None = None) -> tuple[Answer, Trace]:
        """The answer to a call, and its trace once it has arrived."""
        answer, request_id = self.call(line, *fields, body=body, key=key)
        return answer, self.receiver.trace(request_id)

    def arrived(self, segment: str) -> list[str]:
        """The ``traceparent`` of each call to ``…/segment`` that reached the origin."""
        return [found.values("traceparent")[0] for found in self.origin.requests if found.target.partition("?")[0] == f"{BASE}/{segment}"]


@pytest.fixture(scope="session")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    with Origin() as origin, Receiver() as receiver, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # held and not listened on: connections are refused
        base_url = f"http://{origin.authority}{BASE}"
        environments = {"dev": base_url, "dead": f"http://127.0.0.1:{nobody.getsockname()[1]}{BASE}"}
        settings = SETTINGS.format(url=receiver.url)
        with running_gateway(tmp_path_factory.mktemp("tracing") / "gateway", environments, settings=settings) as gateway:
            named = ("--environment", "dev", "--customer", "acme", "--element", "limited")
            gateway.command("instances", "add", *named, "--token-file", "-", given=gateway.canaries.of("limited"))
            yield Traced(gateway, origin, receiver)


@contextmanager
def another(traced: Traced, receiver: Receiver, url: str = "", **variables: str) -> Iterator[Traced]:
    """A second process of the same gateway, with other environment variables, which delivers to ``url`` (default: to ``receiver``)."""
    environ = traced.gateway.environ | {"GATEWAY__TRACING__ENDPOINT": url or receiver.url} | variables
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "-c", str(traced.gateway.folder / "gateway.toml")],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    gateway = replace(traced.gateway, process=process, environ=environ, output=bytearray(), listeners={})
    assert process.stdout
    reader = threading.Thread(target=collect, args=(process.stdout, gateway.output), daemon=True)
    reader.start()
    try:
        gateway.listeners = wait_ready(gateway)
        yield Traced(gateway, traced.origin, receiver)
    finally:
        end_process(process)
        reader.join(5)
        process.stdout.close()
