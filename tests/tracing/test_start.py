"""What starts and what does not: nothing of OpenTelemetry where tracing is off, a clear word where its packages are missing."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config import ConfigError, load_for_serving, tracing_headers
from gateway.settings import Config
from tests.support.processes import ROOT

KEYS = f"k1:{base64.b64encode(bytes(range(32))).decode()}"
ENVIRON = {"USER_SECRET": "user-1", "ORGANIZATION_SECRET": "organization-1", "KEYS": KEYS, "TOKEN": "Bearer token-1"}
SERVABLE = """
listen.data = "127.0.0.1:0"
listen.admin = "127.0.0.1:0"
vault.keys = "env:KEYS"
[environments.dev]
base_url = "http://127.0.0.1:9/elements/api-v2"
user_secret = "env:USER_SECRET"
organization_secret = "env:ORGANIZATION_SECRET"
"""
STARTED = """
import asyncio, sys
from pathlib import Path
from gateway.app import running
from gateway.config import load_for_serving
from gateway.database.engine import upgrade

async def main():
    config, environments, keys = load_for_serving(Path(sys.argv[1]))
    upgrade(config.database_path())
    async with running(config, environments, keys):
        print(*sorted({"opentelemetry", "requests"} & {name.partition(".")[0] for name in sys.modules}))

asyncio.run(main())
"""


def written(folder: Path, text: str = "") -> Path:
    path = folder / "gateway.toml"
    path.write_text(SERVABLE + text, "utf-8")
    return path


def python(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """A process that finds modules in the folder ``before`` before all others."""
    environ = {**os.environ, **ENVIRON, "PYTHONPATH": os.pathsep.join([*([before] if before else []), str(ROOT)])}
    return subprocess.run([sys.executable, *arguments], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("text", "loaded"), [("", ""), ("[tracing]\nenabled = true", "opentelemetry requests")])
def test_nothing_is_loaded_where_it_is_off(tmp_path: Path, text: str, loaded: str) -> None:
    done = python("-c", STARTED, str(written(tmp_path, text)))

    assert (done.returncode, done.stdout.strip()) == (0, loaded), done.stderr


def test_without_its_packages_the_extra_is_named(tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    (shadow / "opentelemetry").mkdir(parents=True)
    (shadow / "opentelemetry" / "__init__.py").touch()
    path = written(tmp_path, '[tracing]\nenabled = true\nheaders = { X-Token = "env:NOT_THERE" }')
    done = python("-m", "gateway", "check", "-c", str(path), before=str(shadow))

    assert done.returncode == 2
    assert 'cloud-elements-gateway[tracing]"`' in done.stderr.replace("\n", "")
    assert "tracing.headers.X-Token: found no environment variable NOT_THERE" in done.stderr.replace("\n", " ")


def test_off_by_default_and_then_nothing_is_asked_of_it(tmp_path: Path) -> None:
    config, _, _ = load_for_serving(written(tmp_path, '[tracing]\nheaders = { X-Token = "env:NOT_THERE" }'), ENVIRON)

    assert not config.tracing.enabled
    assert tracing_headers(config, ENVIRON) == {}
    assert Config().tracing.endpoint == "http://127.0.0.1:4318"


def test_headers_are_secrets_from_outside(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    text = '[tracing]\nenabled = true\nheaders = { Authorization = "env:TOKEN", X-Other = "file:token" }'
    config, _, _ = load_for_serving(written(tmp_path, text), ENVIRON)
    headers = tracing_headers(config, ENVIRON)

    assert {name: value.reveal() for name, value in headers.items()} == {"Authorization": "Bearer token-1", "X-Other": "from-file"}
    assert "token-1" not in repr(config) + repr(headers)
    with pytest.raises(ConfigError, match="no environment variable TOKEN"):
        tracing_headers(config, {})


MISTAKES = [
    ("enabled = 3", "tracing.enabled: found 3, "),
    ("sample_ratio = 1.5", "tracing.sample_ratio: found 1.5, "),
    ("sample_ratio = nan", "tracing.sample_ratio: found nan, "),
    ('service_name = ""', "tracing.service_name: found '', "),
    ('endpoint = "collector:4318"', 'expected a URL such as "http://127.0.0.1:4318"'),
    ('endpoint = "http://me:canary-9c1e@collector:4318"', "tracing.endpoint: found a value of another form, "),
    ('endpoint = "http://collector:4318/v1/traces/"', "without /v1/traces, which is added"),
    ('headers = { Authorization = "canary-9c1e" }', "tracing.headers.Authorization: found a literal, expected "),
    ('headers = { Authorization = "env:BAD" }', "tracing.headers.Authorization: found a secret with control characters"),
    ('headers = { "Bad Name" = "env:TOKEN" }', "tracing.headers.Bad Name: found 'Bad Name', "),
    ("ratio = 1", "tracing.ratio: found an unknown key"),
]


@pytest.mark.parametrize(("line", "said"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_named_and_shows_no_secret(tmp_path: Path, line: str, said: str) -> None:
    enabled = "" if line.startswith("enabled") else "enabled = true\n"
    environ = {**ENVIRON, "BAD": "canary-9c1e\r\nX: y"}
    with pytest.raises(ConfigError) as raised:
        load_for_serving(written(tmp_path, f"[tracing]\n{enabled}{line}"), environ)
    (problem,) = raised.value.problems

    assert said in problem
    assert "canary-9c1e" not in problem


def test_the_environment_has_its_say(tmp_path: Path) -> None:
    said = {"ENABLED": "true", "SAMPLE_RATIO": "0.25", "ENDPOINT": "https://c.test/otlp/", "HEADERS": '{"X-Token": "env:TOKEN"}'}
    environ = {**ENVIRON, **{f"GATEWAY__TRACING__{name}": value for name, value in said.items()}}
    config, _, _ = load_for_serving(written(tmp_path), environ)

    assert (config.tracing.enabled, config.tracing.sample_ratio, config.tracing.endpoint) == (True, 0.25, "https://c.test/otlp")
    assert tracing_headers(config, environ)["X-Token"].reveal() == "Bearer token-1"
