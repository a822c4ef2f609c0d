"""requirements-runtime.lock is the part of requirements.lock that the image needs, pin by pin and hash by hash."""

from __future__ import annotations

import re
import tomllib

from tests.support.processes import ROOT


def locked(name: str) -> dict[str, frozenset[str]]:
    """Each ``package==version`` of a lock file with its hashes."""
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text("utf-8"))
    return {
        pin[0]: frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry))
        for entry in entries
        if (pin := re.match(r"[a-z0-9-]+==[^ ;]+", entry))
    }


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;! ]", requirement, maxsplit=1)[0] for requirement in requirements}


def test_each_pin_and_hash_is_that_of_the_lock() -> None:
    everything, runtime = locked("requirements.lock"), locked("requirements-runtime.lock")
    assert {pin: hashes for pin, hashes in runtime.items() if everything.get(pin) != hashes} == {}, "make lock writes both"
    assert all(runtime.values())


def test_it_has_what_the_project_asks_for_and_nothing_of_the_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    runtime = {pin.partition("==")[0] for pin in locked("requirements-runtime.lock")}
    wanted = names(project["dependencies"]) | names(extras["tracing"])
    assert wanted - runtime == set()
    assert runtime & (names(extras["test"]) - wanted) == set()


def test_the_build_backend_is_found_where_the_dockerfile_looks_for_it() -> None:
    assert [pin for pin in locked("requirements.lock") if pin.startswith("setuptools==")]
    assert not [pin for pin in locked("requirements-runtime.lock") if pin.startswith(("setuptools==", "pip=="))]
