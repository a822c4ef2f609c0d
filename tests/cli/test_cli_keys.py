"""``gateway keys``."""

from __future__ import annotations

import json

from gateway.callers.keys import parse


def test_a_key_with_everything_said(cli) -> None:
    made = cli.json(
        "keys", "create", "--name", "n", "--environment", "dev", "--customer", "a*", "--customer", "b", "--element", "sfdc",
        "--scope", "hub", "--scope", "platform:read", "--method", "get", "--priority", "batch", "--expires", "90d",
        "--limit", "100/10s", "--limit", "1000/day",
    )  # fmt: skip

    assert parse(made["key"]) is not None
    assert made["id"] in made["key"]
    assert (made["name"], made["environments"], made["customers"], made["elements"]) == ("n", ["dev"], ["a*", "b"], ["sfdc"])
    assert (made["scopes"], made["methods"], made["priority"]) == (["hub", "platform:read"], ["GET"], "batch")
    assert made["limits"] == ["100/10s", "1000/day"]
    assert made["expires_at"]
    assert "100/10s, 1000/day" in cli.here("keys", "list").stdout


def test_a_key_with_nothing_said_and_where_it_is_listed(cli) -> None:
    made = cli.json("keys", "create", "--name", "n")
    key = made.pop("key")
    listed = cli.here("keys", "list")

    assert (made["environments"], made["customers"], made["scopes"], made["expires_at"]) == (["dev"], ["*"], ["hub"], None)
    assert made in cli.json("keys", "list")["items"]
    assert made["id"] in listed.stdout
    assert key[-43:] not in listed.output


def test_people_see_the_key_on_a_line_of_its_own(cli) -> None:
    assert parse(cli.here("keys", "create", "--name", "n").stdout.splitlines()[-1])


def test_rotate_and_revoke(cli) -> None:
    made = cli.json("keys", "create", "--name", "n")
    rotated = cli.json("keys", "rotate", made["id"], "--overlap", "1h")
    revoked = cli.json("keys", "revoke", made["id"])
    again = cli.here("keys", "revoke", made["id"], "--json", status=1)

    assert rotated["id"] == made["id"]
    assert rotated["key"] != made["key"]
    assert rotated["previous_expires_at"]
    assert revoked == {"id": made["id"], "revoked": True}
    assert json.loads(again.stderr)["type"] == "urn:gateway:problem:not-found"
    assert again.stdout == ""


def test_wrong_options_are_wrong_usage(cli) -> None:
    for options in (
        ["--expires", "soon"],
        ["--scope", "root"],
        ["--priority", "urgent"],
        ["--method", "G T"],
        ["--customer", ""],
        ["--limit", "100/week"],
        ["--limit", "100"],
        ["--nonsense"],
    ):
        cli.here("keys", "create", "--name", "n", *options, status=2)
    cli.here("keys", "create", status=2)
    cli.here("keys", "rotate", "aaaaaaaaaaaa", "--overlap", "x", status=2)

    assert len(cli.json("keys", "list")["items"]) == 1


def test_an_unknown_environment_is_a_failure(cli) -> None:
    assert "configured: dev" in cli.here("keys", "create", "--name", "n", "--environment", "prod", status=1).stderr


def test_keys_ask_for_neither_master_keys_nor_cloud_elements_secrets(cli) -> None:
    (cli.folder / "master.keys").unlink()

    cli.json("keys", "create", "--name", "n")


def test_the_trail_tells_who_and_what_on_standard_error(cli) -> None:
    result = cli.here("keys", "create", "--name", "n", "--json")
    line = json.loads(result.stderr)

    assert line["actor"].startswith("cli:")
    assert (line["verb"], line["id"]) == ("key.create", json.loads(result.stdout)["id"])
