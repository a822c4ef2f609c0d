"""``[upstream] client``: the one that is named calls, and the other is not even loaded. Real processes."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cases import BASE, ask, post
from tests.support.lane import Lane
from tests.support.origin import BODY, CLOSE, Origin, head, ok, script
from tests.support.processes import ROOT, running_gateway

LEAN = {"client", "connection", "pool"}
SESSION = {"session_client", "session_call", "session_body"}
LOADED = """
import sys
import gateway.app
from gateway.outbound import client_of
from gateway.settings import Config, Upstream
client_of(Config(upstream=Upstream(client=sys.argv[1])))
print(*(name.removeprefix("gateway.upstream.") for name in sys.modules if name.startswith("gateway.upstream.")))
"""


@pytest.mark.parametrize(
    ("name", "loaded", "other"),
    [
        ("lean", LEAN, SESSION),
        ("aiohttp", SESSION, LEAN),
    ],
)
def test_the_other_is_not_loaded(name: str, loaded: set[str], other: set[str]) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED, name], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    modules = set(done.stdout.split())
    assert loaded <= modules
    assert not other & modules


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """A gateway that calls by aiohttp's session."""
    settings = 'upstream.client = "aiohttp"\nupstream.response_timeout = "1s"'
    folder: Path = tmp_path_factory.mktemp("aiohttp")
    with Origin() as origin, running_gateway(folder, {"dev": f"http://{origin.authority}{BASE}"}, settings=settings) as gateway:
        yield Lane(gateway, origin)


def test_calls_pass_as_they_do(lane: Lane) -> None:
    lane.sentinel()
    answer = lane.ask(ask("GET ~//a/b%20c?d=%2F&&", "X-Odd: \xe4", "x-odd: 2"))
    assert (answer.status, answer.body) == (200, BODY)
    (seen,) = [request for request in lane.origin.requests if b"b%20c" in request.head]
    assert seen.line == f"GET {BASE}//a/b%20c?d=%2F&& HTTP/1.1"
    assert seen.values("x-odd") == ["\xe4", "2"]
    assert seen.values("authorization") == [lane.authorization()]
    assert not {name.lower() for name, _ in seen.fields} & {"user-agent", "accept", "accept-encoding", "content-type"}


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_pass_both_ways(lane: Lane, size: int, chunked: bool) -> None:
    body = random.Random(size).randbytes(size)
    lane.origin.behaviours["echo"] = script(lambda request: ok(bytes(request.payload)))
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if size else b"0\r\n\r\n"
    octets = ask("POST ~/echo", "Transfer-Encoding: chunked", body=framed) if chunked else post("~/echo", body)
    answer = lane.ask(octets)
    assert (answer.status, answer.complete, answer.body == body) == (200, True, True)
    assert lane.origin.requests[-1].framing == ("chunked" if chunked else "length")


def test_a_kept_connection_that_died_is_replaced(lane: Lane) -> None:
    """The upstream closes behind each answer without saying so."""
    lane.origin.behaviours["brief"] = script(ok(BODY, "Cache-Control: no-store"), CLOSE)
    assert [lane.ask(ask("GET ~/brief")).status for _ in range(10)] == [200] * 10


@pytest.mark.parametrize(
    ("name", "steps", "status"),
    [
        ("short", (head("200 OK", "Content-Length: 5"), b"hel", CLOSE), 200),
        ("odd", (head("200 OK", "Content-Length: 5", "Transfer-Encoding: chunked"), b"0\r\n\r\n"), 502),
        ("late", (30.0,), 504),
    ],
)
def test_a_fault_is_told_as_it_is(lane: Lane, name: str, steps: tuple[bytes | float, ...], status: int) -> None:
    lane.origin.behaviours[name] = script(*steps)
    answer = lane.ask(post(f"~/{name}", b"x"))
    assert answer.status == status
    assert answer.complete is (status != 200)  # half an answer never looks whole
