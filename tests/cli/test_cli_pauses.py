"""``gateway pauses``."""

from __future__ import annotations

import json

import pytest

SOME = ("--customer", "acme", "--for", "10m", "--reason", "it moves")


def test_added_listed_and_removed(cli) -> None:
    made = cli.json("pauses", "add", "--environment", "dev", "--element", "hubspot", *SOME)
    assert (made["environment"], made["customer"], made["element"], made["reason"]) == ("dev", "acme", "hubspot", "it moves")
    assert cli.json("pauses", "list") == {"items": [made], "next_cursor": None}
    listed = cli.here("pauses", "list").stdout
    assert made["id"] in listed
    assert "it moves" in listed

    assert cli.json("pauses", "remove", made["id"]) == {"id": made["id"], "removed": True}
    assert cli.json("pauses", "list")["items"] == []
    again = cli.here("pauses", "remove", made["id"], "--json", status=1)
    assert json.loads(again.stderr)["type"] == "urn:gateway:problem:not-found"


def test_people_see_when_it_ends(cli) -> None:
    lines = dict(line.split(maxsplit=1) for line in cli.here("pauses", "add", *SOME).stdout.splitlines())

    assert lines.keys() == {"id", "environment", "customer", "element", "reason", "created_at", "ends_at"}
    assert lines["environment"] == "-"
    assert lines["ends_at"].endswith(" UTC")
    assert cli.here("pauses", "remove", lines["id"]).stdout == f"Pause {lines['id']} is removed.\n"


def test_page_by_page(cli) -> None:
    made = [cli.json("pauses", "add", *SOME)["id"] for _ in range(3)]
    first = cli.here("pauses", "list", "--limit", "2")
    cursor = cli.json("pauses", "list", "--limit", "2")["next_cursor"]
    (last,) = cli.json("pauses", "list", "--limit", "2", "--cursor", cursor)["items"]

    assert first.stderr == f"There are more: --cursor {cursor}\n"
    assert last["id"] == made[0]


@pytest.mark.parametrize(
    "options",
    [
        ["--for", "10m", "--reason", "x"],
        ["--customer", "acme", "--reason", "x"],
        ["--customer", "acme", "--for", "10m"],
        ["--customer", "acme", "--for", "soon", "--reason", "x"],
        ["--customer", "acme", "--for", "31d", "--reason", "x"],
        ["--customer", "acme", "--for", "10m", "--reason", ""],
        ["--customer", "a/b", "--for", "10m", "--reason", "x"],
    ],
)
def test_wrong_options_are_wrong_usage(cli, options: list[str]) -> None:
    cli.here("pauses", "add", *options, status=2)
    assert cli.json("pauses", "list")["items"] == []


def test_a_pause_of_nothing_says_what_is_missing(cli) -> None:
    said = cli.here("pauses", "add", "--for", "10m", "--reason", "x", status=2).stderr
    assert "at least one of environment, customer" in said


def test_an_unknown_environment_is_a_failure(cli) -> None:
    assert "configured: dev" in cli.here("pauses", "add", *SOME, "--environment", "prod", status=1).stderr


def test_the_trail_is_on_standard_error(cli) -> None:
    result = cli.here("pauses", "add", *SOME, "--json")
    line = json.loads(result.stderr)

    assert line["actor"].startswith("cli:")
    assert (line["verb"], line["id"]) == ("pause.add", json.loads(result.stdout)["id"])


def test_pauses_ask_for_neither_master_keys_nor_cloud_elements_secrets(cli) -> None:
    (cli.folder / "master.keys").unlink()

    cli.json("pauses", "add", *SOME)
