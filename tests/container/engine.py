"""The image as tools/image.sh builds it with buildah, and containers of it made of the kernel's own parts, where no engine runs.

What ``inside.py`` sets up is what an engine would: namespaces, the image's files as a root that can be read-only, its user, environment
and command, volumes, secrets. Each container has a network of its own, so that the image's own ports are used and collide with nothing.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from socket import create_connection, socket
from typing import Any

from tests.container.inside import SETPRIV
from tests.support.processes import ROOT, collect

INSIDE = Path(__file__).with_name("inside.py")
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_ENOUGH_MEMORY = 6 * 1024**3


@dataclass(frozen=True)
class Image:
    """``root``: its files. ``config``: as Docker writes it (``User``, ``Env``, ``Cmd``, …). ``size``: octets of all layers, unpacked."""

    root: Path
    config: dict[str, Any]
    history: list[dict[str, Any]]
    size: int

    @property
    def environ(self) -> dict[str, str]:
        return dict(entry.split("=", 1) for entry in self.config["Env"])


@contextmanager
def built_image(folder: Path, tag: str) -> Iterator[Image]:
    """Build the image of this checkout in the new ``folder``, which is gone afterwards."""
    folder.mkdir()
    # The driver vfs copies every layer whole, a gigabyte in all: where memory allows, no disk has to see that.
    available = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text("utf-8"), re.MULTILINE)
    in_memory = available is not None and int(available[1]) * 1024 > _ENOUGH_MEMORY
    if in_memory:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3g,mode=0700", "tmpfs", str(folder)], check=True)
    try:
        yield _build(folder, tag)
    finally:
        if in_memory:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def _build(folder: Path, tag: str) -> Image:
    storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]
    settings = {"ENGINE": "buildah", "STORAGE": str(folder / "storage"), "PYTHON": sys.executable, "TMPDIR": str(folder)}
    # Last in line for the processor: it compiles for a minute, beside tests of what happens within a second.
    command = ["nice", "-n", "19", "tools/image.sh", tag]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    root = Path(_buildah(storage, "mount", _buildah(storage, "from", "--pull-never", tag)))
    known = json.loads(_buildah(storage, "inspect", "--type", "image", tag))
    size = sum(layer["size"] for layer in json.loads(known["Manifest"])["layers"])
    return Image(root, known["Docker"]["config"], known["Docker"]["history"], size)


def _buildah(storage: Sequence[str], *arguments: str) -> str:
    return subprocess.run(["buildah", *storage, *arguments], capture_output=True, text=True, check=True, timeout=120).stdout.strip()


@dataclass
class Container:
    """A container that runs; ``pid`` is its first process, as seen from here. What it says is in ``text``."""

    image: Image
    environ: dict[str, str]
    process: subprocess.Popen[bytes]
    output: bytearray = field(default_factory=bytearray)

    @property
    def pid(self) -> int:
        return _children(self.process.pid)[0]

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")

    def wait_for(self, words: str, within: float = 30.0) -> None:
        """Until it has said ``words``."""
        deadline = time.monotonic() + within
        while words not in self.text:
            assert self.process.poll() is None, f"ended with {self.process.poll()} before it said {words!r}:\n{self.text}"
            assert time.monotonic() < deadline, f"did not say {words!r} in time:\n{self.text}"
            time.sleep(0.05)

    def joining(self, *command: str) -> list[str]:
        """``docker exec``: the command line that runs ``command`` in here, as the image's user and in its folder."""
        user, _, group = self.image.config["User"].partition(":")
        where = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--uts", "--root", "--wd"]
        return [*where, *SETPRIV, f"--reuid={user}", f"--regid={group}", *command]

    def execute(self, *command: str, given: str = "") -> subprocess.CompletedProcess[str]:
        words = self.joining(*command)
        return subprocess.run(words, env=self.environ, input=given, capture_output=True, text=True, timeout=60, check=False)

    @contextmanager
    def beside(self, *command: str, until: str) -> Iterator[None]:
        """A second process in here, from when it has said ``until``."""
        process = subprocess.Popen(self.joining(*command), env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        second = Container(self.image, self.environ, process)
        with _read(second):
            second.wait_for(until)
            yield

    def request(self, port: int, method: str, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """(status, body) of a call to a port in here."""
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.sock = self._connect(port)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _connect(self, port: int) -> socket:
        # A socket belongs to the network in which it was made; a thread of its own keeps the change from everybody else.
        def connect() -> socket:
            with Path(f"/proc/{self.pid}/ns/net").open() as namespace:
                assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())
            return create_connection(("127.0.0.1", port), timeout=10)

        with ThreadPoolExecutor(1) as executor:
            return executor.submit(connect).result()

    def stop(self) -> int:
        """``docker stop``: the exit status after the image's signal to stop."""
        os.kill(self.pid, getattr(signal, self.image.config["StopSignal"]))
        return self.process.wait(40)


@contextmanager
def running(
    image: Image,
    *arguments: str,
    volumes: Mapping[str, Path],
    environ: Mapping[str, str] | None = None,
    secrets: Mapping[str, Path] | None = None,
    tmpfs: Sequence[str] = (),
    read_only: bool = True,
) -> Iterator[Container]:
    """``docker run``: a container of ``image`` with its entry point and ``arguments``, or its own where there are none."""
    values = image.environ | dict(environ or {})
    specification = {
        "root": str(image.root),
        "volumes": {place: str(folder) for place, folder in volumes.items()},
        "secrets": {name: str(path) for name, path in (secrets or {}).items()},
        "tmpfs": list(tmpfs),
        "read_only": read_only,
        "user": image.config["User"],
        "folder": image.config["WorkingDir"],
        "environ": values,
        "command": [*image.config["Entrypoint"], *(arguments or image.config["Cmd"])],
    }
    namespaces = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"]
    command = [*namespaces, sys.executable, str(INSIDE), json.dumps(specification)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    container = Container(image, values, process)
    with _read(container):
        yield container


def run_to_end(image: Image, *arguments: str, **options: Any) -> tuple[int, str]:
    """(exit status, output) of ``docker run --rm``."""
    with running(image, *arguments, **options) as container:
        status = container.process.wait(60)
    return status, container.text


@contextmanager
def _read(container: Container) -> Iterator[None]:
    """Keep what the process says while inside; on leaving it is ended by its id, with all that it started."""
    stream = container.process.stdout
    assert stream
    reader = threading.Thread(target=collect, args=(stream, container.output), daemon=True)
    reader.start()
    try:
        yield
    finally:
        # The program is a child of unshare or nsenter; the first process of a container takes all others along.
        for number in (*_children(container.process.pid), container.process.pid) if container.process.poll() is None else ():
            os.kill(number, signal.SIGKILL)
        container.process.wait(10)
        reader.join(5)
        stream.close()


def _children(number: int) -> list[int]:
    return [int(found) for found in Path(f"/proc/{number}/task/{number}/children").read_text("utf-8").split()]
