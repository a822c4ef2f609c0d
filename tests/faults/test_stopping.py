"""The gateway is told to end, is killed, and starts again (faults 43-46)."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from tests.acceptance.commands import run as gateway_command
from tests.faults.conftest import QUICK, Stage, Template, copied, problem, serving
from tests.support.answers import MalformedError
from tests.support.cases import BASE
from tests.support.origin import BODY, STALL, Origin, ok, script
from tests.support.raw import Caller

PATIENT = QUICK.replace('listen.drain_timeout = "1s"', 'listen.drain_timeout = "10s"').replace(
    'upstream.response_timeout = "1s"', 'upstream.response_timeout = "8s"'
)
READY_S = 10.0  # 2 s are promised; the rest is for a machine that is busy with other tests


def prepared(template: Template, folder: Path, origin: Origin, settings: str) -> Path:
    return copied(template, folder, {"dev": f"http://{origin.authority}{BASE}"}, settings)


def test_sigterm_with_every_kind_of_caller(template: Template, tmp_path: Path) -> None:
    """Idle ones are closed at once, all others finish, told that the connection ends; each is one line; the exit status is 0."""
    with Origin() as origin, serving(template, prepared(template, tmp_path, origin, PATIENT), stop=False) as gateway:
        stage = Stage(gateway, origin, template)
        body = b"a" * 1000
        origin.behaviours.update(waiting=script(0.8, ok(b"1")), download=script(ok(b"", length=1000) + body[:9], 0.8, body[9:]))
        with Caller(stage.address) as unused, Caller(stage.address) as idle:
            idle.send(stage.request("GET ~/x"))
            assert idle.answer() is not None
            waiting, download = stage.open("GET ~/waiting"), stage.open("GET ~/download")
            upload = stage.open("POST ~/upload", b"first", fields=("Content-Length: 10",))
            chunked = stage.open("POST ~/chunked", b"5\r\nfirst\r\n", fields=("Transfer-Encoding: chunked",))
            assert origin.wait(lambda: len(origin.requests) == 5)
            started = time.monotonic()
            gateway.process.send_signal(signal.SIGTERM)
            assert unused.ended(1.0) == "closed"
            assert idle.ended(1.0) == "closed"
            assert stage.ready() == (503, {"status": "draining"})
            upload.send(b"later")
            chunked.send(b"5\r\nlater\r\n0\r\n\r\n")
            for caller, method, expected in (
                (upload, "POST", BODY),
                (chunked, "POST", BODY),
                (waiting, "GET", b"1"),
                (download, "GET", body),
            ):
                answer = caller.answer(method)
                assert answer is not None
                assert (answer.status, answer.complete, answer.body) == (200, True, expected)
                assert answer.closing or caller is download, "its head was sent before"
                assert caller.ended() == "closed"
                caller.close()
            assert gateway.process.wait(5) == 0
            assert time.monotonic() - started < 5.0
        assert all(item.complete for item in origin.requests)
        assert stage.outcomes() == ["ok"] * 5


def test_the_time_to_finish_is_over(template: Template, tmp_path: Path) -> None:
    """One second, then those who are left are cut: an answer that has begun does not look whole; the process ends in time."""
    with Origin() as origin, serving(template, prepared(template, tmp_path, origin, QUICK + "\n"), stop=False) as gateway:
        stage = Stage(gateway, origin, template)
        drip = [step for _ in range(200) for step in (b"a", 0.05)]
        origin.behaviours["drip"] = script(ok(b"", length=200), *drip)
        download = stage.open("GET ~/drip")
        download.wait_for(b"aaa")
        started = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        status = gateway.process.wait(6)
        assert 0.7 < time.monotonic() - started < 4.0
        answer = download.answer()
        assert answer is not None
        assert not answer.complete
        download.close()
        assert status == 0, "the time to finish is part of an orderly end"
        assert len(stage.outcomes()) == 1


def test_a_second_signal(template: Template, tmp_path: Path) -> None:
    """It ends within a second, whoever is inside; they are cut, and counted in the log."""
    with Origin() as origin, serving(template, prepared(template, tmp_path, origin, PATIENT), stop=False) as gateway:
        stage = Stage(gateway, origin, template)
        origin.behaviours["hanging"] = script(STALL)
        callers = [stage.open("POST ~/hanging") for _ in range(5)]
        callers.append(stage.open("POST ~/upload", b"first", fields=("Content-Length: 10",)))
        assert origin.wait(lambda: len(origin.requests) == 6)
        gateway.process.send_signal(signal.SIGTERM)
        assert origin.wait(lambda: stage.ready()[0] == 503)
        assert gateway.process.poll() is None
        started = time.monotonic()
        gateway.process.send_signal(signal.SIGINT)
        gateway.process.wait(6)
        assert time.monotonic() - started < 2.0
        for caller in callers:
            assert caller.drain(1.0) == b""
            assert caller.ending != "open"
            caller.close()
        assert len(stage.outcomes()) == 6
        assert origin.wait(lambda: all(item.wire.closed.is_set() for item in origin.requests))


def test_killed_and_started_again(template: Template, tmp_path: Path) -> None:
    """In mid-load, three times: nothing that was acknowledged is lost, and it is soon ready again."""
    with Origin() as origin:
        prepared(template, tmp_path, origin, QUICK)
        made: list[tuple[str, str]] = []
        for round_ in range(3):
            started = time.monotonic()
            with serving(template, tmp_path, stop=False) as gateway:
                stage = Stage(gateway, origin, template)
                assert time.monotonic() - started < READY_S
                assert stage.ready() == (200, {"status": "ready"})
                for key, customer in made:
                    assert stage.call("GET ~/x", key=key, customer=customer).status == 200
                threads = [threading.Thread(target=hammer, args=(stage,)) for _ in range(3)]
                for thread in threads:
                    thread.start()
                for number in range(4):
                    customer = f"made-{round_}-{number}"
                    mapping = {"environment": "dev", "customer": customer, "element": "plain", "token": "CANARY-token-made"}
                    added = stage.admin("POST", "/admin/v1/instances", mapping)
                    created = stage.admin("POST", "/admin/v1/keys", {"name": customer})
                    assert (added.status, created.status) == (201, 201)
                    made.append((created.json()["key"], customer))
                gateway.process.kill()
                gateway.process.wait(5)
                for thread in threads:
                    thread.join(10)
        with serving(template, tmp_path) as gateway:
            stage = Stage(gateway, origin, template)
            for key, customer in made:
                assert stage.call("GET ~/x", key=key, customer=customer).status == 200
            with stage.steady():
                pass
        with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def hammer(stage: Stage) -> None:
    """Call until the gateway is gone."""
    request = stage.request("POST ~/x", "Content-Length: 2", body=b"{}")
    try:
        with Caller(stage.address, patience=2.0) as caller:
            while caller.send(request) and caller.answer("POST"):
                pass
    except (MalformedError, OSError):
        return  # killed in the middle of an answer


MISTAKES = {'upstream.response_timeout = "soon"\n': "upstream.response_timeout", "[[[": "gateway.toml"}


def test_mistakes_at_the_next_start(template: Template, tmp_path: Path) -> None:
    """Refused with status 2, everything stays as it was; mended, what worked works."""
    with Origin() as origin:
        toml = prepared(template, tmp_path, origin, "") / "gateway.toml"
        good, before = toml.read_text("utf-8"), (tmp_path / "gateway.db").read_bytes()
        for mistake, told in MISTAKES.items():
            toml.write_text(mistake + good, "utf-8")
            done = gateway_command(tmp_path, "serve", "-c", "gateway.toml", env=template.environ)
            assert done.returncode == 2, (done.stdout, done.stderr)
            assert told in done.stderr
            assert "Traceback" not in done.stderr
            assert (tmp_path / "gateway.db").read_bytes() == before
        toml.write_text(good, "utf-8")
        with serving(template, tmp_path) as gateway:
            assert Stage(gateway, origin, template).call("GET ~/x").status == 200


def test_an_address_in_use(template: Template, tmp_path: Path) -> None:
    """A second gateway on the same port says so and ends; the first goes on, and so does its database."""
    with Origin() as origin, serving(template, prepared(template, tmp_path, origin, QUICK)) as gateway:
        stage = Stage(gateway, origin, template)
        taken = (tmp_path / "gateway.toml").read_text("utf-8").replace("127.0.0.1:0", f"127.0.0.1:{stage.address[1]}", 1)
        (tmp_path / "second.toml").write_text(taken, "utf-8")
        with stage.steady():
            done = gateway_command(tmp_path, "serve", "-c", "second.toml", env=template.environ)
            assert done.returncode == 2, (done.stdout, done.stderr)
            assert "listen.data" in done.stderr
            assert "Traceback" not in done.stderr
            assert stage.call("GET ~/x").status == 200
            problem(stage.call("GET ~/x", key="gwk_no_such"), "unauthenticated")
