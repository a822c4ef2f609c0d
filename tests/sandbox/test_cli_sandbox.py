"""``gateway sandbox`` as a process: it says where it is, serves, and stops when told."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.sandbox import sandbox

PROGRAM = "import typer; from gateway.cli.sandbox import sandbox; typer.run(sandbox)"


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(sandbox)
    return app


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--listen", "127.0.0.1:0", "--json"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        with urlopen(said["url"] + "/elements/keys") as response:  # noqa: S310
            keys = json.load(response)
        process.send_signal(number)

        assert process.wait(10) == 0
    assert (said["user_secret"], said["organization_secret"]) == ("sandbox-user", "sandbox-org")
    assert said["customers"]["initech"] == ["sapc4chd", "closeio"]
    assert "closeio" in keys


def test_the_text_names_url_secrets_and_customers() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.terminate()

    assert "/elements/api-v2 (user secret sandbox-user, organization secret sandbox-org)" in lines[0]
    assert lines[1:] == ["  acme: hubspot, sfdc\n", "  globex: hubspot, servicenowoauth\n", "  initech: sapc4chd, closeio\n"]


def test_a_bad_address_is_wrong_usage(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["--listen", "nowhere"])

    assert (result.exit_code, "address" in result.output) == (2, True)


def test_an_address_in_use_is_a_failure_in_one_line(app: typer.Typer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(app, ["--listen", f"127.0.0.1:{taken.getsockname()[1]}"])

    assert (result.exit_code, result.output.startswith("Cannot listen on 127.0.0.1:")) == (1, True)
