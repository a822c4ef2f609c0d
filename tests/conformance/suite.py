"""npm's ``http-cache-tests`` (the suite behind cache-tests.fyi) against the data listener of a real gateway.

The package is installed once into the user's cache folder, by npm and without running its scripts. Its server stands in for Cloud
Elements, its client is a caller like any other. The gateway is configured by documented settings alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conformance.verdicts import Outcome, Run, Test
from tests.support.processes import end_process, running_gateway


class Unavailable(Exception):
    """The suite cannot be had here; the text says what to do about it."""


PACKAGES = ("http-cache-tests@0.4.5", "node-fetch@2.7.0")
# The suite expects that an answer with Last-Modified alone is reused at once, and that one which says nothing is not after its pause
# of 3 s: an operator's lifetime of 2 s is both. The others are what an operator who wants answers while Cloud Elements is down sets.
# Its origin answers in turn, failures among them: each call is one.
SETTINGS = """
[elements.conformance]
retries = 0
breaker.enabled = false
[elements.conformance.cache]
ttl = "2s"
negative_ttl = "2s"
stale_if_error = "1m"
"""
_HERE = Path(__file__).parent


def installed() -> Path:
    """The folder of the package, installed if it is not. Raises ``Unavailable``."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is missing: apt-get install nodejs npm")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloud-elements-gateway"
    place = home / "-".join(PACKAGES).replace("@", "-")
    if not place.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as fresh:
            _install(Path(fresh) / "made")
            if not place.is_dir():  # another process may have been faster
                (Path(fresh) / "made").rename(place)
    return place / "node_modules" / "http-cache-tests"


def published(package: Path, run: Run) -> dict[str, Mapping[str, Outcome]]:
    """The results that the package brings, by the name and version of the proxy."""
    return {f"{name} {version}": json.loads((package / "results" / file).read_text("utf-8")) for file, name, version in run.published}


def measured(folder: Path, package: Path, asked_again: Collection[str] = ()) -> Run:
    """What comes of the suite, or of the tests ``asked_again`` alone; ``folder`` is empty and for this run."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        _origin(package, folder) as origin,
        running_gateway(folder / "gateway", {"dev": origin}, settings=SETTINGS, element="conformance") as gateway,
    ):
        host, port = gateway.data
        base, out = f"http://{host}:{port}/c/acme/conformance/elements/api-v2", folder / "results.json"
        command = ["node", "--no-warnings", str(_HERE / "run.mjs"), str(package), base, gateway.key, str(out)]
        done = subprocess.run(
            [*command, *([",".join(asked_again)] if asked_again else [])], capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(out.read_text("utf-8"))
    tests = {one["id"]: Test(one["id"], one["suite"], one["kind"], tuple(one["depends_on"])) for one in found["tests"]}
    return Run(tests, found["results"], [(one["file"], one["name"], one["version"]) for one in found["published"]])


def _install(place: Path) -> None:
    command = ["npm", "install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--prefix", str(place), *PACKAGES]
    place.mkdir()
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode:
        why = re.search(r"npm error code (\w+)", done.stderr)
        raise Unavailable(
            f"npm could not install {' '.join(PACKAGES)} ({why[1] if why else done.returncode}): is a registry configured and reached?"
        )


@contextmanager
def _origin(package: Path, folder: Path) -> Iterator[str]:
    """The suite's server; its URL."""
    environ = os.environ | {"npm_config_protocol": "http", "npm_config_port": "0", "npm_config_pidfile": str(folder / "pid")}
    command = ["node", "--no-warnings", str(_HERE / "serve.mjs"), str(package)]
    process = subprocess.Popen(command, cwd=package, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout
    try:
        line = process.stdout.readline().decode()
        place = re.search(r"Listening on (http://127\.0\.0\.1:\d+)/", line)
        assert place, f"the suite's server says {line!r}"
        yield place[1]
    finally:
        end_process(process)
        process.stdout.close()
