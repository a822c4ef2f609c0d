"""What a real gateway tells its supervisor (``sd_notify(3)``)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.server.systemd import Supervisor
from tests.support.origin import STALL, Origin, script
from tests.support.raw import Caller
from tests.systemd.manager import Manager
from tests.tls.served import Template, serving, until


@pytest.fixture(params=[False, True], ids=["path", "abstract"])
def any_manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path, abstract=request.param)
    yield manager
    manager.close()


def test_from_start_to_end(any_manager: Manager, template: Template, folder: Path, origin: Origin) -> None:
    """READY when both listeners accept, RELOADING and READY at SIGHUP, STOPPING at SIGTERM before open calls are over."""
    origin.behaviours["slow"] = script(0.7, STALL)
    with any_manager.started(folder, {"WATCHDOG_USEC": "200000"}) as served:
        any_manager.wait("READY=1")
        assert "data listener on" in served.text
        assert "admin listener on" in served.text
        any_manager.wait("WATCHDOG=1", 6)
        beats = [moment for moment, text in any_manager.told if text == "WATCHDOG=1"]
        assert beats[5] - beats[0] > 0.3, "more often than half of the time"
        served.hang_up()
        any_manager.wait("RELOADING=1")
        any_manager.wait("READY=1", 2)
        assert any(word.startswith("MONOTONIC_USEC=") and word[15:].isdigit() for word in any_manager.words)
        with Caller(served.listeners["data"]) as caller:
            caller.send(f"GET /elements/api-v2/slow HTTP/1.1\r\nHost: g\r\nX-Api-Key: {template.keys['usual'][1]}\r\n".encode())
            caller.send(f"Gateway-Instance: {template.handle}\r\n\r\n".encode())
            until(lambda: bool(origin.requests))
            served.process.terminate()
            any_manager.wait("STOPPING=1")
            assert served.process.poll() is None
            beating = any_manager.words.count("WATCHDOG=1")
            any_manager.wait("WATCHDOG=1", beating + 2)
            served.process.send_signal(signal.SIGTERM)  # who asks twice will not wait
        served.process.wait(10)
    order = [word for word in any_manager.words if word in ("READY=1", "RELOADING=1", "STOPPING=1")]
    assert order == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_a_loop_that_hangs_gives_no_sign(manager: Manager, folder: Path) -> None:
    with manager.started(folder, {"WATCHDOG_USEC": "200000"}) as served:
        manager.wait("WATCHDOG=1", 2)
        served.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(0.3)
            told = len(manager.told)
            time.sleep(0.5)
            assert len(manager.told) == told
        finally:
            served.process.send_signal(signal.SIGCONT)
        manager.wait("WATCHDOG=1", told + 1)


def test_a_supervisor_that_is_gone(folder: Path, tmp_path: Path) -> None:
    """Nothing fails, nobody waits."""
    with serving(folder, env={"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "200000"}) as served:
        time.sleep(0.3)
        assert not [event for event in served.events() if event["level"] in ("warning", "error")]
        assert served.stop() == 0


def test_a_watchdog_for_another_process() -> None:
    assert Supervisor({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, os.getpid()).alarm_s == 3.0
    assert Supervisor({"WATCHDOG_USEC": "3000000"}, os.getpid()).alarm_s == 3.0
    assert Supervisor({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, os.getpid()).alarm_s == 0.0
    assert Supervisor({"WATCHDOG_USEC": "soon"}, os.getpid()).alarm_s == 0.0
