"""Contract 3, 5: what `gateway init` makes and what start-up refuses, all mistakes at once, with exit status 2."""

from __future__ import annotations

import base64
import json
import re
import secrets
import stat
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.commands import command, environ, initialize, run, toml

URL = "http://127.0.0.1:9/elements/api-v2"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration that works, and one stored token."""
    folder = tmp_path_factory.mktemp("startup")
    initialize(folder, toml({"dev": URL}))
    where = ("--environment", "dev", "--customer", "acme", "--element", "hubspot")
    command(folder, "instances", "add", *where, "--token-file", "-", given="CANARYtoken4713==")
    return folder


def refused(folder: Path, **env: str) -> str:
    """What ``gateway serve`` writes on standard error; it must end with 2 by itself."""
    try:
        done = run(folder, "serve", "-c", "gateway.toml", env=environ(**env))
    except subprocess.TimeoutExpired:
        raise AssertionError("it serves") from None
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert "CANARY" not in done.stdout + done.stderr
    assert "listener on" not in done.stdout
    return done.stderr


def configured(folder: Path, tmp_path: Path, text: str) -> Path:
    """A copy of ``folder`` with ``text`` as its configuration."""
    for name in ("gateway.db", "master.keys"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "gateway.toml").write_text(text, "utf-8")
    return tmp_path


def test_init(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "new", "--json")
    answer = json.loads(done.stdout)
    assert answer.keys() == {"config", "admin_key"}
    assert answer["admin_key"].startswith("gwk_")
    folder = tmp_path / "new"
    assert stat.S_IMODE((folder / "master.keys").stat().st_mode) == 0o600
    assert "#" in (folder / "gateway.toml").read_text("utf-8")
    assert answer["admin_key"].rpartition("_")[2].encode() not in (folder / "gateway.db").read_bytes()
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    again = run(tmp_path, "init", "new")
    assert again.returncode == 1
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_no_master_key(made: Path, tmp_path: Path) -> None:
    folder = configured(made, tmp_path, toml({"dev": URL}))
    (folder / "master.keys").unlink()
    assert "vault" in refused(folder)


@pytest.mark.parametrize("text", ["", "k1:short", "k1:" + base64.b64encode(b"x" * 31).decode()])
def test_a_master_key_that_is_none(made: Path, tmp_path: Path, text: str) -> None:
    folder = configured(made, tmp_path, toml({"dev": URL}))
    (folder / "master.keys").write_text(text, "utf-8")
    problem = refused(folder)
    assert "vault" in problem
    assert not text[3:] or text[3:] not in problem


def test_a_key_that_cannot_decrypt_what_is_stored(made: Path, tmp_path: Path) -> None:
    """Another key under the same id, and another id."""
    for name in ("k1", "other"):
        folder = configured(made, tmp_path, toml({"dev": URL}))
        (folder / "master.keys").write_text(f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}\n", "utf-8")
        assert refused(folder).strip()


def test_every_mistake_at_once(made: Path, tmp_path: Path) -> None:
    """Each with its path, what was found and what was expected."""
    text = f"""
default_environment = "nowhere"
colour = "blue"
[listen]
data = "no address"
admim = "127.0.0.1:0"
[environments.dev]
base_url = "ftp://x"
user_secret = "CANARYplain"
organization_secret = "env:NOT_THERE_AT_ALL"
[environments.two]
base_url = "{URL}"
user_secret = "file:not-there.txt"
[elements.hubspot]
limits = ["100/fortnight", "5 per second"]
scope = "galaxy"
[elements.hubspot.cache]
ttl = "long"
[cache]
max_bytes = "-1"
"""
    folder = configured(made, tmp_path, text)
    (folder / "master.keys").unlink()
    problem = refused(folder)
    for path in (
        "colour", "listen.data", "listen.admim", "environments.dev.base_url", "environments.two.organization_secret",

        "elements.hubspot.limits.0", "elements.hubspot.limits.1", "elements.hubspot.scope", "elements.hubspot.cache.ttl", "cache.max_bytes",
    ):  # fmt: skip
        assert re.search(rf"^\W*{re.escape(path)}\b.*found.*expected", problem, re.MULTILINE), (path, problem)
    for path in ("default_environment", "environments.dev.user_secret", "NOT_THERE_AT_ALL", "not-there.txt", "vault"):
        assert path in problem, f"{path} is reported only once the others are mended:\n{problem}"


def test_secrets_that_are_missing_or_plain_all_at_once(made: Path, tmp_path: Path) -> None:
    text = toml({"dev": URL, "two": URL}).replace("env:CE_USER", "CANARYplain").replace("env:CE_ORGANIZATION", "env:NOT_THERE_AT_ALL")
    folder = configured(made, tmp_path, text)
    (folder / "master.keys").unlink()
    problem = refused(folder)
    for name in ("dev", "two"):
        assert f"environments.{name}.user_secret" in problem
        assert f"environments.{name}.organization_secret" in problem
    assert "NOT_THERE_AT_ALL" in problem
    assert "vault" in problem


def test_plain_secrets_where_they_are_allowed(made: Path, tmp_path: Path) -> None:
    """It gets as far as listening, on an address that is not this machine's."""
    text = toml({"dev": URL}, "allow_plain_secrets = true").replace('"env:CE_USER"', '"plain"').replace("127.0.0.1:0", "203.0.113.1:1", 1)
    problem = refused(configured(made, tmp_path, text))
    assert "listen.data" in problem
    assert "secret" not in problem


@pytest.mark.parametrize("text", ["not toml at all", "a = 1\na = 2"])
def test_no_toml(made: Path, tmp_path: Path, text: str) -> None:
    assert "gateway.toml" in refused(configured(made, tmp_path, text))


def test_no_configuration(tmp_path: Path) -> None:
    assert "gateway.toml" in refused(tmp_path)


def test_no_environment(made: Path, tmp_path: Path) -> None:
    assert "environments" in refused(configured(made, tmp_path, 'listen.data = "127.0.0.1:0"\n'))


def test_overrides_are_checked_as_well(made: Path) -> None:
    problem = refused(made, GATEWAY__LISTEN__DATA="nonsense", GATEWAY__ELEMENTS__HUBSPOT__LIMITS='["x"]', GATEWAY__NOBODY__KNOWS="1")
    for path in ("listen.data", "elements.hubspot.limits.0", "nobody"):
        assert path in problem.lower()


def test_an_override_wins_over_the_file(made: Path) -> None:
    assert "environments.dev.base_url" in refused(made, GATEWAY__ENVIRONMENTS__DEV__BASE_URL="ftp://x")


def test_check_says_the_same_as_serve(made: Path, tmp_path: Path) -> None:
    folder = configured(made, tmp_path, toml({"dev": URL}, 'colour = "blue"'))
    done = run(folder, "check", "-c", "gateway.toml")
    assert done.returncode == 2
    assert "colour" in done.stdout + done.stderr
    assert run(made, "check", "-c", "gateway.toml").returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "--nonsense"),
        ("nonsense",),
        ("instances", "add", "--token", "x"),
        ("keys", "create", "--name", "x", "--scope", "root"),
    ],
)
def test_wrong_usage(made: Path, words: tuple[str, ...]) -> None:
    done = run(made, *words)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
