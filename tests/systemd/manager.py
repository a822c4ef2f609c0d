"""What systemd does for a service, done by the test: it holds the listening sockets, hands them over, and is told how it goes."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.raw import Address
from tests.tls.served import SERVE, Served, serving, until

# The first descriptors are the sockets, in order, and LISTEN_PID is the process that is to take them: known only once it is there.
_HAND_OVER = """
import fcntl, os, sys
numbers = [int(number) for number in sys.argv[1].split(",") if number]
kept = [fcntl.fcntl(number, fcntl.F_DUPFD, 100) for number in numbers]
for place, number in enumerate(kept, 3):
    os.dup2(number, place)
os.closerange(3 + len(kept), 1024)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


def handing_over(*sockets: socket.socket) -> tuple[str, ...]:
    """The command that serves with ``sockets`` as its first descriptors."""
    return (sys.executable, "-c", _HAND_OVER, ",".join(str(sock.fileno()) for sock in sockets), *SERVE)


def variables(*names: str) -> dict[str, str]:
    return {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}


class Manager:
    """Holds the sockets of both listeners for as long as it lives, and listens at ``NOTIFY_SOCKET``."""

    def __init__(self, folder: Path, *, abstract: bool = False) -> None:
        self.sockets = {name: socket.create_server(("127.0.0.1", 0), backlog=1024) for name in ("data", "admin")}
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = f"@gateway-test-{folder.name}-{id(self)}" if abstract else str(folder / "n")
        self._notify.bind("\0" + path[1:] if abstract else path)
        self.environment = {**variables(*self.sockets), "NOTIFY_SOCKET": path}
        self.told: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def address(self, name: str) -> Address:
        host, port = self.sockets[name].getsockname()
        return str(host), int(port)

    @property
    def words(self) -> list[str]:
        """Each assignment that it was told, in order."""
        return [word for _, text in self.told for word in text.split("\n")]

    def wait(self, word: str, times: int = 1, within: float = 20.0) -> None:
        until(lambda: self.words.count(word) >= times, within)

    @contextmanager
    def started(self, folder: Path, more: Mapping[str, str] | None = None) -> Iterator[Served]:
        """The gateway in ``folder``, with the sockets."""
        sockets = tuple(self.sockets.values())
        env = self.environment | dict(more or {})
        with serving(folder, words=handing_over(*sockets), env=env, inherit=[sock.fileno() for sock in sockets]) as served:
            yield served

    def close(self) -> None:
        for sock in self.sockets.values():
            sock.close()
        with contextlib.suppress(OSError):
            self._notify.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._notify.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while text := self._notify.recv(4096).decode():
                self.told.append((time.monotonic(), text))
