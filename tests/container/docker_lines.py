"""The ``docker`` lines of docs/container.md, done with ``engine`` in place of Docker. An option that is not known here fails."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.container.engine import Container, Image, run_to_end, running
from tests.support.processes import ROOT

PAGE = ROOT / "docs" / "container.md"


def lines(heading: str) -> list[str]:
    """The command lines of one section of the page."""
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [line.strip() for line in re.findall(r"^    .+$", section, re.MULTILINE)]


@dataclass
class Docker:
    """What a Docker client and its engine would know: volumes under ``folder``, containers by name, ``shell``'s variables.

    ``forced`` is added to every container's environment: where the test differs from what the page is about.
    """

    image: Image
    tag: str
    folder: Path
    shell: Mapping[str, str]
    forced: Mapping[str, str]
    stack: ExitStack
    containers: dict[str, tuple[Container, list[str]]] = field(default_factory=dict)

    def do(self, line: str) -> str:
        """What the line prints. Fails unless its exit status is 0."""
        line, _, source = line.partition(" < ")
        docker, verb, *words = shlex.split(line)
        assert docker == "docker"
        if verb == "run":
            return self._run(words)
        if verb == "exec":
            interactive, name, *command = words if words[0] == "-i" else ["", *words]
            given = (self.folder / source).read_text("utf-8") if interactive else ""
            done = self.containers[name][0].execute(*command, given=given)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout
        assert verb in {"stop", "start"}, line
        (name,) = words
        container, before = self.containers[name]
        if verb == "stop":
            assert container.stop() == 0, container.text
            return ""
        assert container.process.poll() is not None
        return self._run(before)

    def _run(self, words: list[str]) -> str:
        asked = _run_options().parse_args(words)
        assert asked.image == self.tag
        environ = {name: value or self.shell[name] for name, _, value in (entry.partition("=") for entry in asked.e)}
        options = {
            "volumes": {place: self._volume(name) for name, place in (volume.split(":") for volume in asked.v)},
            "environ": environ | dict(self.forced),
            "read_only": asked.read_only,
        }
        if not asked.detach:
            status, text = run_to_end(self.image, *asked.command, **options)
            assert status == 0, text
            return text
        container = self.stack.enter_context(running(self.image, *asked.command, **options))
        self.containers[asked.name] = container, words
        container.wait_for("admin listener on")
        return ""

    def _volume(self, name: str) -> Path:
        """A new one gets owner and mode of the folder that it covers, as Docker does it."""
        folder = self.folder / name
        if not folder.exists():
            (place,) = self.image.config["Volumes"]
            like = (self.image.root / place.lstrip("/")).stat()
            folder.mkdir()
            folder.chmod(like.st_mode & 0o7777)
            os.chown(folder, like.st_uid, like.st_gid)
        return folder


def _run_options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("docker run", exit_on_error=False)
    parser.add_argument("--rm", action="store_true")
    parser.add_argument("-d", dest="detach", action="store_true")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--name")
    parser.add_argument("--cap-drop", choices=["ALL"])
    parser.add_argument("--stop-timeout", type=int)
    parser.add_argument("-v", action="append", default=[])
    parser.add_argument("-e", action="append", default=[])
    parser.add_argument("-p", action="append", default=[])
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser
