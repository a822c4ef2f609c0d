"""What a container engine does before the first process of a container: ``unshare … python inside.py SPECIFICATION`` (JSON).

Runs in new namespaces of mounts, processes, network and host name, as their first process, and becomes the program: the image's files
are the root, read-only if asked for, with the mounts of the specification on them; loopback is up and the only network; the user is
the image's, without groups and without any capability. Not emulated: control groups, seccomp, user namespaces, name resolution.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
SETPRIV = ["/usr/bin/setpriv", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
DEVICES = ("null", "zero", "full", "random", "urandom")


def main(specification: dict[str, Any]) -> None:
    root = Path(specification["root"])
    _mount("--bind", root, root)
    _mount("-t", "proc", "-o", "nosuid,nodev,noexec", "proc", root / "proc")
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", root / "dev")
    for name in DEVICES:
        (root / "dev" / name).touch()
        _mount("--bind", Path("/dev", name), root / "dev" / name)
    for place in specification["tmpfs"]:
        _mount("-t", "tmpfs", "-o", "mode=1777,nosuid,nodev,noexec", "tmpfs", root / place.lstrip("/"))
    if specification["secrets"]:
        _secrets(root / "run/secrets", specification["secrets"])
    for place, folder in specification["volumes"].items():
        _mount("--bind", Path(folder), root / place.lstrip("/"))
    if specification["read_only"]:
        _mount("-o", "remount,bind,ro", root)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
    os.chroot(root)
    os.chdir(specification["folder"])
    user, _, group = specification["user"].partition(":")
    os.execve(SETPRIV[0], [*SETPRIV, f"--reuid={user}", f"--regid={group}", *specification["command"]], specification["environ"])  # noqa: S606


def _secrets(folder: Path, secrets: dict[str, str]) -> None:
    """Each as a file of its own; they keep owner and mode, as with Docker Compose."""
    folder.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder)
    for name, source in secrets.items():
        (folder / name).touch()
        _mount("--bind", "-o", "ro", Path(source), folder / name)


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
