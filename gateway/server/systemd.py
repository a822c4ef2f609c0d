"""systemd's two protocols: listening sockets handed over at start (``sd_listen_fds(3)``) and word of how it goes (``sd_notify(3)``).

Without systemd all of it is silent. The variables come from ``gateway.config``, which takes them out of the process environment, so
that no child takes them for its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping

import structlog

log = structlog.get_logger("gateway.server")

_FIRST = 3  # SD_LISTEN_FDS_START
_LISTENERS = ("data", "admin")


def inherited(variables: Mapping[str, str], pid: int) -> tuple[dict[str, socket.socket], list[str]]:
    """The sockets that were handed over to the process ``pid``, by listener, and what is wrong with them, a line each."""
    if variables.get("LISTEN_PID") != str(pid):
        return {}, []
    text = variables.get("LISTEN_FDS", "")
    if not text.isascii() or not text.isdigit():
        return {}, [f"LISTEN_FDS: found {text!r}, expected a number of sockets"]
    said = variables.get("LISTEN_FDNAMES", "")
    names = said.split(":") if said else []
    names += ["unknown"] * (int(text) - len(names))  # sd_listen_fds_with_names(3)
    sockets: dict[str, socket.socket] = {}
    problems: list[str] = []
    for number, name in enumerate(names[: int(text)], _FIRST):
        if name not in _LISTENERS or name in sockets:
            found = "a second socket named" if name in sockets else "a socket named"
            problems.append(f"LISTEN_FDNAMES: found {found} {name!r}, expected data and admin, each once (FileDescriptorName=)")
            continue
        taken = _listening(number)
        if taken is None:
            problems.append(f"LISTEN_FDS: found no listening TCP socket behind {name!r}, expected ListenStream= with an address and a port")
            continue
        sockets[name] = taken
    return sockets, problems


def _listening(number: int) -> socket.socket | None:
    try:
        os.set_inheritable(number, False)
        found = socket.socket(fileno=number)
    except OSError:
        return None
    stream = found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM
    if not stream or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.detach()  # not ours to close
        return None
    found.setblocking(False)
    return found


class Supervisor:
    """Whoever started the gateway, if it listens. ``variables`` hold NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID."""

    def __init__(self, variables: Mapping[str, str], pid: int) -> None:
        path = variables.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        microseconds = variables.get("WATCHDOG_USEC", "")
        ours = variables.get("WATCHDOG_PID", str(pid)) == str(pid)
        self.alarm_s = int(microseconds) / 1e6 if ours and microseconds.isascii() and microseconds.isdigit() else 0.0
        """After how many seconds without a sign of life it would end us; 0: never."""

    def tell(self, *states: str) -> None:
        """Pass on assignments such as ``READY=1``. Nobody waits for whoever does not listen."""
        if not self._address.startswith(("/", "\0")):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            try:
                sock.sendto("\n".join(states).encode(), self._address)
            except OSError as error:
                log.debug("the supervisor takes no message", error=type(error).__name__)

    def reloading(self) -> None:
        """The configuration is read again, until the next READY=1."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    async def watchdog(self) -> None:
        """A sign of life twice in the time that is given, from the loop that serves, until cancelled."""
        while self.alarm_s:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self.alarm_s / 2)
