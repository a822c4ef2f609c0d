"""The command line as a whole: help, version, exit status, errors."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from gateway import __version__
from gateway import cli as commands
from gateway.cli.output import shown


def test_help_names_every_command_and_imports_none(cli) -> None:
    code = "import sys; from gateway.cli import main\ntry: main()\nfinally: print(*sorted(sys.modules), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=60, check=True)

    for name in commands._COMMANDS:
        assert f" {name} " in result.stdout
    assert not {"gateway.config", "sqlalchemy", "aiohttp", "alembic", "gateway.cli.keys"} & set(result.stderr.split())


@pytest.mark.parametrize("name", commands._COMMANDS)
def test_every_command_has_help_of_its_own(bare, name: str) -> None:
    text = bare.run(name, "--help").stdout

    assert f"gateway {name}" in text or f"root {name}" in text


@pytest.mark.parametrize(
    "words",
    [["init"], ["serve"], ["demo"], ["sandbox"], ["check"], ["tail"], ["trace"], ["db", "upgrade"],
     *(["keys", verb] for verb in ("create", "list", "rotate", "revoke")),
     *(["pauses", verb] for verb in ("add", "list", "remove")),
     *(["instances", verb] for verb in ("add", "list", "show", "remove", "import", "export"))],
)  # fmt: skip
def test_every_command_takes_what_all_take(bare, words: list[str]) -> None:
    text = bare.run(*words, "--help").stdout

    assert all(option in text for option in ("--config", "-c", "--json", "--help"))


def test_the_version_is_told(bare) -> None:
    assert bare.run("--version").stdout == f"gateway {__version__}\n"


@pytest.mark.parametrize("words", [[], ["keys"], ["pauses"], ["instances"], ["db"]])
def test_a_group_alone_shows_its_help_as_wrong_usage(bare, words: list[str]) -> None:
    assert "Usage" in bare.run(*words, status=2).output


@pytest.mark.parametrize("words", [["nonsense"], ["keys", "nonsense"], ["--nonsense"], ["keys", "list", "nonsense"]])
def test_what_is_no_command_is_wrong_usage(bare, words: list[str]) -> None:
    bare.run(*words, status=2)


def test_every_mistake_in_the_configuration_is_a_line(cli) -> None:
    with (cli.folder / "gateway.toml").open("a") as stream:
        stream.write('[unknown]\na = 1\n[elements.hubspot]\nlimits = ["many"]\nscope = "planet"\n')
    for words in (["keys", "list"], ["instances", "list"], ["db", "upgrade"]):
        lines = cli.here(*words, status=2).stderr.splitlines()
        assert [line.split(":")[0] for line in lines] == ["elements.hubspot.limits.0", "elements.hubspot.scope", "unknown"]


def test_no_configuration_is_a_mistake_in_it(bare) -> None:
    assert "gateway init" in bare.here("keys", "list", status=2).stderr


def test_a_process_ends_as_it_should(cli) -> None:
    good, failed, wrong = (
        cli.process("keys", "list"),
        cli.process("keys", "revoke", "aaaaaaaaaaaa"),
        cli.process("keys", "list", "-c", "none"),
    )

    assert [one.returncode for one in (good, failed, wrong)] == [0, 1, 2]
    assert (good.stderr, failed.stdout, wrong.stdout) == ("", "", "")
    assert failed.stderr == "error: There is no such caller key: no key has this id\n"


def test_an_unforeseen_error_shows_its_kind_and_place_only(bare, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise KeyError("canary")

    monkeypatch.setattr("gateway.cli.db.load", broken)
    result = bare.run("db", "upgrade", status=1)

    assert result.stderr.startswith("error: KeyError at test_cli_usage.py:")
    assert "canary" not in result.output


def test_values_as_people_read_them() -> None:
    assert [shown(value) for value in (None, [], ["a", "b"], True, False, 0, "x")] == ["-", "-", "a, b", "yes", "no", "0", "x"]


def test_the_console_script_is_the_same(cli) -> None:
    assert isinstance(commands.app, typer.Typer)
    assert cli.process("--version").stdout == f"gateway {__version__}\n"
