"""A restart behind inherited sockets refuses and resets nobody: who calls meanwhile waits in line."""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.origin import BODY, Origin, ok, script
from tests.systemd.manager import Manager
from tests.tls.authority import HERE, Authority
from tests.tls.served import Template, ask, until

TLS = '[listen.data_tls]\ncertificate = "server.pem"\nkey = "server.key"'


@dataclass
class Callers:
    """Threads that call one after the other, each call on a new connection; ``failures`` are those without a whole answer."""

    template: Template
    address: tuple[str, int]
    tls: ssl.SSLContext | None
    served: int = 0
    failures: list[str] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self, path: str, pause_s: float) -> None:
        who = (f"Gateway-Instance: {self.template.handle}", f"X-Api-Key: {self.template.keys['usual'][1]}")
        while not self.ending.is_set():
            try:
                answer = ask(self.address, self.tls, "GET", f"/elements/api-v2/{path}", *who)
                assert (answer.status, answer.body) == (200, BODY)
                self.served += 1
            except Exception as error:
                self.failures.append(repr(error))
            self.ending.wait(pause_s)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_nobody_notices(manager: Manager, template: Template, origin: Origin, tmp_path: Path, secure: bool) -> None:
    """Calls go on while one gateway drains, while there is none, and while the next one starts. Some take longer than that."""
    origin.behaviours["slow"] = script(0.4, ok(BODY, "Cache-Control: no-store"))
    folder = template.copy(tmp_path / "g", f"http://{origin.authority}", *([TLS] if secure else []))
    authority = Authority()
    authority.certificate(HERE).store(folder, "server")
    callers = Callers(template, manager.address("data"), authority.trusting() if secure else None)
    threads = [threading.Thread(target=callers.run, args=(path, pause)) for path, pause in [("x", 0.005)] * 3 + [("slow", 0.01)] * 2]
    try:
        with manager.started(folder) as first:
            for thread in threads:
                thread.start()
            until(lambda: callers.served > 40)
            assert first.stop() == 0
        between = callers.served
        time.sleep(0.2)
        assert callers.served == between, "served by nobody"
        with manager.started(folder) as second:
            until(lambda: callers.served > between + 40, 20.0)
            assert second.stop() == 0
            after = callers.served
            with manager.started(folder):
                until(lambda: callers.served > after + 20, 20.0)
                callers.ending.set()
                for thread in threads:
                    thread.join(20)
    finally:
        callers.ending.set()
    assert callers.failures == []
