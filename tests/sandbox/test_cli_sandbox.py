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
from gateway.sandbox.catalog import ELEMENTS

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


def test_every_element_and_the_providers_limits_on_request() -> None:
    command = [sys.executable, "-c", PROGRAM, "--listen", "127.0.0.1:0", "--json", "--everything", "--limits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        with urlopen(said["url"].replace("/elements/api-v2", "/sandbox/limits")) as response:  # noqa: S310
            limits = json.load(response)
        process.terminate()

    assert said["customers"]["hooli"] == list(ELEMENTS)
    assert limits["enabled"] is True


def test_help_tells_the_options_and_the_control_routes(app: typer.Typer) -> None:
    said = " ".join(CliRunner().invoke(app, ["--help"], terminal_width=200).output.split())

    for word in ("--listen", "--seed", "--limits", "--everything", "--json", "sandbox-user", "sandbox-org", "GET /sandbox"):
        assert word in said


def test_a_bad_address_is_wrong_usage(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["--listen", "nowhere"])

    assert (result.exit_code, "address" in result.output) == (2, True)


def test_an_address_in_use_is_a_failure_in_one_line(app: typer.Typer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(app, ["--listen", f"127.0.0.1:{taken.getsockname()[1]}"])

    assert (result.exit_code, result.output.startswith("Cannot listen on 127.0.0.1:")) == (1, True)
