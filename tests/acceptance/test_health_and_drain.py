"""Contract 1, 5: health, and how a gateway ends."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.commands import ORGANIZATION, USER, Process, command, exchange, initialize, serving, toml, until
from tests.acceptance.world import BASE, World
from tests.support.origin import STALL, Origin, ok, script
from tests.support.raw import Caller


def test_healthz_on_both_listeners_without_a_key(world: World) -> None:
    for address in world.served.listeners.values():
        for method in ("GET", "HEAD"):
            assert world.ask(address, method, "/healthz").status == 200


def test_readyz(world: World) -> None:
    answer = world.operations("/readyz")
    assert (answer.status, answer.json()) == (200, {"status": "ready"})


@dataclass
class Small:
    """A gateway of its own before an origin, with one key and one instance; ended by the test."""

    folder: Path
    served: Process
    origin: Origin
    key: str
    handle: str

    def head(self, method: str, path: str, *fields: str) -> bytes:
        lines = (
            f"{method} {BASE}{path} HTTP/1.1",
            "Host: g",
            f"X-Api-Key: {self.key}",
            f"Gateway-Instance: {self.handle}",
            *fields,
            "",
            "",
        )
        return "\r\n".join(lines).encode()

    def ready(self) -> tuple[int, object]:
        answer = exchange(self.served.listeners["admin"], "GET", "/readyz")
        return answer.status, answer.json()

    def refuses(self) -> bool:
        """Whether no new call is taken."""
        try:
            with socket.create_connection(self.served.listeners["data"], 1) as sock:
                sock.settimeout(1)
                sock.sendall(self.head("GET", "/late"))
                return b" 503 " in sock.recv(100) or sock.recv(1) == b""
        except OSError:
            return True


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Origin, str, str]]:
    folder = tmp_path_factory.mktemp("drain")
    with Origin() as origin:
        initialize(folder, toml({"dev": f"http://{origin.authority}/elements/api-v2"}, 'listen.drain_timeout = "20s"'))
        key = command(folder, "keys", "create", "--name", "drain")["key"]
        where = ("--environment", "dev", "--customer", "acme", "--element", "plain")
        handle = command(folder, "instances", "add", *where, "--token-file", "-", given="CANARYtoken4712==")["handle"]
        yield folder, origin, key, handle


@pytest.fixture
def small(prepared: tuple[Path, Origin, str, str]) -> Iterator[Small]:
    folder, origin, key, handle = prepared
    origin.forget()
    origin.behaviours.clear()
    with serving(folder) as served:
        yield Small(folder, served, origin, key, handle)
    for secret in (USER, ORGANIZATION, "CANARYtoken4712", key):
        assert secret not in served.text


def test_sigterm_lets_open_calls_finish(small: Small) -> None:
    """A slow download, a slow upload and an answer still to come all end well; /readyz says so meanwhile; exit 0."""
    body = b"x" * 1000
    small.origin.behaviours["download"] = script(ok(b"", length=1000) + body[:10], 1.2, body[10:])
    small.origin.behaviours["waiting"] = script(1.2, ok(b'{"late":1}'))
    address = small.served.listeners["data"]
    with Caller(address) as down, Caller(address) as up, Caller(address) as waiting, Caller(address):
        down.send(small.head("GET", "/download"))
        waiting.send(small.head("GET", "/waiting"))
        up.send(small.head("POST", "/upload", "Content-Length: 10"), b"first")
        assert small.origin.wait(lambda: len(small.origin.requests) == 3)
        started = time.monotonic()
        small.served.terminate()
        until(lambda: small.ready() == (503, {"status": "draining"}))
        until(small.refuses)
        assert exchange(small.served.listeners["admin"], "GET", "/healthz").status == 200
        up.send(0.6, b"later")
        answers = [up.answer("POST"), down.answer(), waiting.answer()]
        assert [(answer.status, answer.complete) for answer in answers if answer] == [(200, True)] * 3
        assert answers[1] is not None
        assert answers[1].body == body
        upload = next(request for request in small.origin.requests if request.method == "POST")
        assert bytes(upload.payload) == b"firstlater"
        assert small.served.ended(5) == 0
        assert time.monotonic() - started < 10, "an idle connection or nothing at all was waited for"


def test_sigterm_without_calls_ends_soon(small: Small) -> None:
    started = time.monotonic()
    small.served.terminate()
    assert small.served.ended(5) == 0
    assert time.monotonic() - started < 3


def test_a_second_sigterm_ends_at_once(small: Small) -> None:
    small.origin.behaviours["hanging"] = script(STALL)
    with Caller(small.served.listeners["data"]) as caller:
        caller.send(small.head("GET", "/hanging"))
        assert small.origin.wait(lambda: bool(small.origin.requests))
        small.served.terminate()
        until(lambda: small.ready() == (503, {"status": "draining"}))
        assert small.served.process.poll() is None
        started = time.monotonic()
        small.served.terminate()
        small.served.ended(5)
        assert time.monotonic() - started < 3


def test_a_lost_database_is_degraded_and_calls_go_on(prepared: tuple[Path, Origin, str, str], tmp_path: Path) -> None:
    """1: `a lost Redis or database makes it degraded, never 503, while calls can still be served`."""
    folder, origin, key, handle = prepared
    shutil.copytree(folder, tmp_path / "lost")
    with serving(tmp_path / "lost") as served:
        small = Small(tmp_path / "lost", served, origin, key, handle)
        with Caller(served.listeners["data"]) as caller:

            def call() -> int:
                caller.send(small.head("GET", "/contacts"))
                answer = caller.answer()
                return answer.status if answer else 0

            assert call() == 200
            for name in ("gateway.db", "gateway.db-wal"):
                (tmp_path / "lost" / name).write_bytes(b"garbage" * 1000)
            seen = []

            def degraded() -> bool:
                seen.append((call(), small.ready()[0]))
                return small.ready()[1] != {"status": "ready"}

            until(degraded, 20.0)
            assert set(seen) == {(200, 200)}
            status, document = small.ready()
            assert status == 200
            assert isinstance(document, dict)
            assert document["status"] == "degraded"
            assert document["reasons"]


def test_each_call_is_one_json_line(small: Small) -> None:
    """Issue 2: an access log of one JSON line a call, without query and secrets."""
    exchange_head = small.head("GET", "/contacts?apiSecret=CANARYquery", "X-Request-Id: logged-1")
    with Caller(small.served.listeners["data"]) as caller:
        caller.send(exchange_head)
        answer = caller.answer()
    assert answer is not None
    until(lambda: "logged-1" in small.served.text)
    lines = [json.loads(line) for line in small.served.text.splitlines() if "logged-1" in line]
    assert len(lines) == 1
    assert (lines[0]["method"], lines[0]["status"], lines[0]["customer"], lines[0]["element"]) == ("GET", 200, "acme", "plain")
    assert "CANARYquery" not in small.served.text
