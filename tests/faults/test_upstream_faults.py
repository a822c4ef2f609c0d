"""An upstream that is not there, hangs, vanishes or says too much (faults 1-3, 9-11, 15, 22): what the caller gets, and what stays."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.errors import UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.client import Client
from gateway.upstream.protocol import ClientSettings, Timeouts
from gateway.upstream.protocol import Origin as Upstream
from tests.faults.conftest import SLACK, Stage, Template, copied, problem, serving
from tests.support.cases import BASE
from tests.support.origin import BODY, CLOSE, RESET, STALL, Origin, Recorded, Wire, head, ok, script
from tests.support.raw import Caller

# Cannot be asked of any name server: in all it is longer than a name may be (RFC 1035 2.3.4).
NO_NAME = ".".join(["n" * 60] * 5)
TCP_REPAIR = 19


@pytest.fixture(scope="module")
def shared_absent(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    # Bound and not listening: refuses. Listening with a full backlog: takes no connection and refuses none.
    with Origin() as origin, socket.socket() as refusing, socket.socket() as full, socket.socket() as first, socket.socket() as second:
        for taken in (refusing, full):
            taken.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        urls = {
            "dev": f"http://{origin.authority}{BASE}",
            "refusing": f"http://127.0.0.1:{refusing.getsockname()[1]}{BASE}",
            "full": f"http://127.0.0.1:{full.getsockname()[1]}{BASE}",
            "nowhere": f"http://{NO_NAME}{BASE}",
        }
        with serving(template, copied(template, tmp_path_factory.mktemp("absent"), urls)) as gateway:
            yield Stage(gateway, origin, template)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("environment", "slug", "least"),
    [("refusing", "upstream-unreachable", 0.0), ("full", "upstream-timeout", 0.7), ("nowhere", "upstream-unreachable", 0.0)],
)
def test_an_upstream_that_is_not_there(shared_absent: Stage, environment: str, slug: str, least: float, method: str) -> None:
    """Also for twelve callers at once: each is answered by itself, none waits for another's time-out."""
    stage = shared_absent
    with stage.steady():
        started = time.monotonic()
        callers = [stage.open(f"{method} ~/x", fields=(f"Gateway-Environment: {environment}",)) for _ in range(12)]
        for caller in callers:
            problem(caller.answer(method), slug)
            caller.close()
        assert least <= time.monotonic() - started < (least and SLACK) + 1.0
    assert stage.outcomes() == [slug] * 12


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upstream_that_never_answers(stage: Stage, method: str) -> None:
    """Each call is made once, and its connection is given up."""
    stage.origin.behaviours["silent"] = script(STALL)
    with stage.steady():
        callers = [stage.open(f"{method} ~/silent") for _ in range(12)]
        for caller in callers:
            problem(caller.answer(method), "upstream-timeout")
            caller.close()
        assert stage.arrived("silent") == 12
        assert stage.origin.wait(lambda: all(item.wire.closed.is_set() for item in stage.own()))
    assert stage.outcomes() == ["upstream-timeout"] * 12


@pytest.mark.parametrize("how", [CLOSE, RESET], ids=["closed", "reset"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "PATCH"])
def test_a_new_connection_that_ends_without_a_word(stage: Stage, method: str, how: object) -> None:
    """It was no stale one: what came of the call is unknown, a POST least of all is made again."""
    stage.origin.behaviours["empty"] = script(CLOSE if how is CLOSE else RESET)
    with stage.steady():
        problem(stage.call(f"{method} ~/empty"), "upstream-unreachable")
        assert 1 <= stage.arrived("empty") <= (1 if method in ("POST", "PATCH") else 2)
    assert stage.outcomes() == ["upstream-unreachable"]


def stale(wire: Wire, request: Recorded) -> None:
    """Serves the first call of a connection; ends it without a word when a second one comes."""
    wire.read_body(request)
    if request.index:
        wire.close(reset=request.target.endswith("reset"))
    else:
        wire.send(ok(BODY, "Cache-Control: no-store"))


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("PUT", b'{"a":1}'), ("PUT", b"a" * 50_000), ("DELETE", b""), ("OPTIONS", b"")])
def test_a_stale_connection_is_not_noticed(stage: Stage, method: str, body: bytes, ending: str) -> None:
    stage.origin.behaviours[ending] = stale
    length = (f"Content-Length: {len(body)}",) if body else ()
    with stage.steady():
        assert stage.call("GET ~/first").status == 200  # leaves a connection in the pool
        answer = stage.call(f"{method} ~/{ending}", *length, body=body)
        assert (answer.status, answer.body) == (200, BODY)
        found = [item for item in stage.origin.requests if item.target.endswith(ending)]
        assert [bytes(item.payload) for item in found] == [body, body]
        assert len({item.values("x-request-id")[0] for item in found}) == 1
    assert stage.outcomes() == ["ok", "ok"]


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_stale_connection_never_makes_a_write_twice(stage: Stage, method: str, ending: str) -> None:
    stage.origin.behaviours[ending] = stale
    with stage.steady():
        assert stage.call("GET ~/first").status == 200
        problem(stage.call(f"{method} ~/{ending}", "Content-Length: 2", body=b"{}"), "upstream-unreachable")
        assert stage.arrived(ending) == 1


def test_a_kept_connection_that_falls_silent(stage: Stage) -> None:
    """Its host froze: found out by the time for an answer, and then it is out of the pool."""

    def frozen(wire: Wire, request: Recorded) -> None:
        wire.perform(STALL if request.index else ok(BODY, "Cache-Control: no-store"), request)

    stage.origin.behaviours["frozen"] = frozen
    with stage.steady():
        assert stage.call("GET ~/first").status == 200
        problem(stage.call("GET ~/frozen"), "upstream-timeout")
        assert stage.call("GET ~/frozen").status == 200
        assert stage.arrived("frozen") == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_kept_connection_whose_host_lost_its_memory(stage: Stage, method: str) -> None:
    """The host restarted: nothing was said, and what is sent to it is answered by a RST."""
    refused = []

    def vanish(wire: Wire, request: Recorded) -> None:
        wire.send(ok(BODY, "Cache-Control: no-store"))
        try:
            wire._socket.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except PermissionError as error:
            refused.append(error)
            return
        wire._socket.close()  # in repair mode: neither FIN nor RST
        wire.closed.set()

    stage.origin.behaviours["vanish"] = vanish
    with stage.steady():
        assert stage.call("GET ~/vanish").status == 200
        if not refused:
            assert stage.origin.wait(stage.origin.requests[0].wire.closed.is_set)
            answer = stage.call(f"{method} ~/x")
            if method == "GET":
                assert (answer.status, answer.body) == (200, BODY)
            else:
                problem(answer, "upstream-unreachable")
            assert stage.arrived("x") == (method == "GET")
    if refused:
        pytest.skip("forgetting a TCP connection without a word needs CAP_NET_ADMIN")


def test_what_an_upstream_says_unasked_reaches_nobody(stage: Stage) -> None:
    """A second answer behind each tenth one, while eight callers call: each gets its own answer."""

    def own(wire: Wire, request: Recorded) -> None:
        wire.read_body(request)
        name = request.target.partition("?n=")[2]
        evil = ok(b'{"evil":true}') if int(name) % 10 == 3 else b""
        wire.send(ok(name.encode(), "Cache-Control: no-store") + evil)

    stage.origin.behaviours["own"] = own

    def calls(first: int) -> list[tuple[str, bytes]]:
        with Caller(stage.address) as caller:
            found = []
            for number in range(first, first + 25):
                caller.send(stage.request(f"GET ~/own?n={number}"))
                answer = caller.answer()
                found.append((str(number), answer.body if answer else b""))
            return found

    with stage.steady():
        with ThreadPoolExecutor(8) as pool:
            answers = [pair for pairs in pool.map(calls, range(0, 200, 25)) for pair in pairs]
        assert [(name, body) for name, body in answers if body != name.encode()] == []
        assert len(answers) == 200
    assert set(stage.outcomes()) == {"ok"}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (socket.EAI_NONAME, UpstreamUnreachable),
        (socket.EAI_AGAIN, UpstreamUnreachable),
        (socket.EAI_FAIL, UpstreamUnreachable),
        (None, UpstreamTimeout),
    ],
    ids=["no-such-name", "server-failure", "refused", "no-answer"],
)
async def test_a_name_that_is_not_resolved(monkeypatch: pytest.MonkeyPatch, fault: int | None, error: type[Exception]) -> None:
    """In this process, with a resolver that fails: the pool's place is free again each time."""
    loop = asyncio.get_running_loop()

    async def resolve(*_: object, **__: object) -> list[object]:
        if fault is None:
            await asyncio.sleep(30)
        raise socket.gaierror(fault, "told so")

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    upstream = Upstream.of("http://upstream.invalid/elements/api-v2")
    async with Client(ClientSettings(Timeouts(connect=0.1), max_connections=2)) as client:
        for _ in range(6):
            with pytest.raises(error) as raised:
                await client.send(upstream, head("GET / HTTP/1.1"), b"", head_only=False)
            assert "upstream.invalid" not in str(raised.value)
            assert type(raised.value) is error
