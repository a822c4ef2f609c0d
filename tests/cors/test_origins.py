"""What may stand in ``cors.allowed_origins``: each origin as browsers write it, and nothing that looks like one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config import ConfigError, load
from gateway.origins import parse_origin
from tests.support.processes import ROOT, configuration


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "http://localhost:3000",
        "http://localhost",
        "http://127.0.0.1:8080",
        "http://[::1]:5173",
        "https://xn--bcher-kva.example:8443",
        "https://a_b.example",
        "http://app.example:443",
    ],
)
def test_an_origin_as_browsers_send_it_is_taken(origin: str) -> None:
    assert parse_origin(origin) == origin


@pytest.mark.parametrize(
    "origin",
    [*"""* null https://* https://*.example.com https://app.example.com/ https://app.example.com/path https://app.example.com?q
    https://app.example.com#f https://user@app.example.com app.example.com //app.example.com https:app.example.com https:// https://:443
    HTTPS://app.example.com https://App.example.com https://app.example.com:443 http://app.example.com:80 https://app.example.com:0
    https://app.example.com:065 https://app.example.com:65536 https://app.example.com: https://bücher.example https://a..b https://.a
    http://127.1 http://1.2.3.256 http://[::1 http://[0:0:0:0:0:0:0:1] http://[::FFFF] ftp://app.example.com file:// chrome-extension://x
    https://a.example,https://b.example""".split(),
     "", " https://app.example.com", "https://app.example.com\n", "https://a.example https://b.example", 7, None],
)  # fmt: skip
def test_what_no_browser_would_send_is_refused(origin: object) -> None:
    with pytest.raises(ValueError, match="an exact origin such as"):
        parse_origin(origin)


def test_each_wrong_one_is_a_line_that_says_found_and_expected(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('[cors]\nallowed_origins = ["https://a.example", "*", "null", "http://b.example/"]')
    with pytest.raises(ConfigError) as raised:
        load(path, {})

    assert [problem.partition(", expected an exact origin such as ")[0] for problem in raised.value.problems] == [
        "cors.allowed_origins.1: found '*'",
        "cors.allowed_origins.2: found 'null'",
        "cors.allowed_origins.3: found 'http://b.example/'",
    ]


def test_none_are_let_in_unless_somebody_says_so(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.touch()

    assert load(path, {}).cors.allowed_origins == ()
    assert load(path, {"GATEWAY__CORS__ALLOWED_ORIGINS": '["http://localhost:3000"]'}).cors.allowed_origins == ("http://localhost:3000",)


def test_a_gateway_does_not_start_with_a_wrong_one(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(configuration({"dev": "http://127.0.0.1:9"}, 'cors.allowed_origins = ["*"]'))
    command = [sys.executable, "-m", "gateway", "serve", "-c", str(tmp_path / "gateway.toml")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "cors.allowed_origins.0: found '*', expected an exact origin" in done.stderr
