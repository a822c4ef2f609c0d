"""Listening sockets that are handed over (``sd_listen_fds(3)``), to a real process."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from gateway.config import supervision
from gateway.server.systemd import inherited
from tests.acceptance.commands import environ
from tests.support.origin import BODY
from tests.systemd.manager import Manager, handing_over, variables
from tests.tls.served import Template, ask, serving


def call(template: Template, address: tuple[str, int]) -> tuple[int, bytes]:
    who = (f"Gateway-Instance: {template.handle}", f"X-Api-Key: {template.keys['usual'][1]}")
    answer = ask(address, None, "GET", "/elements/api-v2/x", *who)
    return answer.status, answer.body


def test_both_listeners(template: Template, folder: Path, manager: Manager) -> None:
    with manager.started(folder) as served:
        assert served.listeners == {"data": manager.address("data"), "admin": manager.address("admin")}
        assert call(template, manager.address("data")) == (200, BODY)
        assert ask(manager.address("admin"), None, "GET", "/readyz").status == 200
        for number in (3, 4):
            flags = Path(f"/proc/{served.process.pid}/fdinfo/{number}").read_text("ascii").split("flags:")[1].split()[0]
            assert int(flags, 8) & os.O_CLOEXEC, "a child would inherit it"
        assert served.stop() == 0


def test_one_of_them(template: Template, folder: Path, manager: Manager) -> None:
    """The other one listens where the configuration says."""
    (sock,) = sockets = (manager.sockets["data"],)
    with serving(folder, words=handing_over(*sockets), env=variables("data"), inherit=[sock.fileno()]) as served:
        assert served.listeners["data"] == manager.address("data")
        assert served.listeners["admin"] != manager.address("admin")
        assert call(template, manager.address("data"))[0] == 200


def test_not_for_this_process(folder: Path) -> None:
    """A variable that leaked from another service is not meant for us."""
    with serving(folder, env={**variables("data", "admin"), "LISTEN_PID": "1"}) as served:
        assert len(served.listeners) == 2


def datagram() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def unbound() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def local() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind("")
    sock.listen()
    return sock


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_sockets_that_cannot_be_used(folder: Path) -> None:
    """All are told at once, and nothing is served; one without a name is called so by systemd's own convention."""
    handed = (
        (listening(), "data.socket", "LISTEN_FDNAMES: found a socket named 'data.socket', expected data and admin, each once"),
        (datagram(), "data", "LISTEN_FDS: found no listening TCP socket behind 'data', expected ListenStream="),
        (local(), "data", "LISTEN_FDS: found no listening TCP socket behind 'data', expected ListenStream="),
        (unbound(), "admin", "LISTEN_FDS: found no listening TCP socket behind 'admin', expected ListenStream="),
        (listening(), "data", ""),
        (listening(), "data", "LISTEN_FDNAMES: found a second socket named 'data'"),
        (listening(), "", "LISTEN_FDNAMES: found a socket named 'unknown', expected data and admin"),
    )
    sockets = [sock for sock, _, _ in handed]
    env = environ(**(variables(*(name for _, name, _ in handed if name)) | {"LISTEN_FDS": str(len(sockets))}))
    words, numbers = handing_over(*sockets), [sock.fileno() for sock in sockets]
    done = subprocess.run(words, cwd=folder, env=env, pass_fds=numbers, capture_output=True, text=True, timeout=60, check=False)
    for sock in sockets:
        sock.close()
    assert done.returncode == 2, (done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    expected = [told for _, _, told in handed if told]
    assert len(lines) == len(expected), done.stderr
    assert all(line.startswith(told) for line, told in zip(lines, expected, strict=True)), done.stderr


def test_a_count_that_is_none() -> None:
    assert inherited({"LISTEN_PID": "7", "LISTEN_FDS": "two"}, 7) == ({}, ["LISTEN_FDS: found 'two', expected a number of sockets"])
    assert inherited({"LISTEN_PID": "8", "LISTEN_FDS": "two"}, 7) == ({}, [])
    assert inherited({}, 7) == ({}, [])


def test_the_variables_are_taken_out() -> None:
    said = {
        "LISTEN_PID": "7",
        "LISTEN_FDS": "2",
        "LISTEN_FDNAMES": "data:admin",
        "NOTIFY_SOCKET": "/n",
        "WATCHDOG_USEC": "9",
        "WATCHDOG_PID": "7",
    }
    place = {**said, "PATH": "/bin"}
    assert supervision(place) == said
    assert place == {"PATH": "/bin"}
