"""``gateway instances``."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

WHERE = ("--environment", "dev", "--customer", "acme", "--element", "hubspot")


def add(cli, *more: str):
    return cli.json("instances", "add", *WHERE, "--token-file", "-", *more, stdin="canary-token\n")


def test_a_mapping_with_everything_said(cli) -> None:
    made = add(cli, "--instance-id", "7", "--hub", "crm", "--name", "n", "--tag", "a", "--tag", "b", "--group", "g")

    assert made["handle"].startswith("gwi_")
    assert (made["customer"], made["element"], made["instance_id"], made["hub"]) == ("acme", "hubspot", 7, "crm")
    assert (made["name"], made["tags"], made["group"], made["disabled"]) == ("n", ["a", "b"], "g", False)
    assert made["state"] == "active"
    assert cli.json("instances", "show", made["handle"]) == made


def test_a_token_is_read_from_a_file_too(cli, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary-token\r\n")

    assert cli.json("instances", "add", *WHERE, "--token-file", str(tmp_path / "token"))["handle"]


def test_a_token_is_never_an_argument(cli) -> None:
    assert "--token " not in cli.here("instances", "add", "--help").stdout
    cli.here("instances", "add", *WHERE, "--token", "canary", status=2)
    cli.here("instances", "add", *WHERE, "canary", status=2)


def test_without_a_terminal_somebody_must_say_where_the_token_is(cli) -> None:
    assert "--token-file" in cli.here("instances", "add", *WHERE, status=2).stderr


def test_on_a_terminal_the_token_is_asked_for_and_not_echoed(cli) -> None:
    ours, theirs = pty.openpty()
    try:
        with cli.started("instances", "add", *WHERE, "--json", stdin=theirs) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            prompt = process.stderr.read(len("Token: "))
            os.write(ours, b"canary-token\n")
            stdout, stderr = process.communicate(timeout=60)
        os.write(theirs, b"end")
        echoed = os.read(ours, 1000)
    finally:
        os.close(ours)
        os.close(theirs)

    assert (prompt, process.returncode) == ("Token: ", 0)
    assert json.loads(stdout)["handle"]
    assert b"canary" not in echoed
    assert "canary" not in stdout + stderr


@pytest.mark.parametrize("token", ["", "canary one", "canary\ntwo", "canary,three", "kanári"])
def test_a_token_that_is_none_is_refused_and_not_repeated(cli, token: str) -> None:
    result = cli.here("instances", "add", *WHERE, "--token-file", "-", stdin=token, status=2)

    assert "token" in result.stderr
    assert "canary" not in result.output


def test_a_token_file_that_is_not_there_is_wrong_usage(cli) -> None:
    cli.here("instances", "add", *WHERE, "--token-file", str(cli.folder / "none"), status=2)


def test_a_second_one_conflicts(cli) -> None:
    first = add(cli)
    result = cli.here("instances", "add", *WHERE, "--token-file", "-", "--json", stdin="other", status=1)
    problem = json.loads(result.stderr)

    assert (problem["status"], problem["handle"]) == (409, first["handle"])
    assert "requestId" not in problem


def test_mappings_are_listed_in_pages(cli) -> None:
    first, second = add(cli), add(cli, "--name", "second")
    page = cli.json("instances", "list", "--limit", "1")
    rest = cli.json("instances", "list", "--cursor", page["next_cursor"])
    people = cli.here("instances", "list", "--limit", "1")

    assert (page["items"], rest) == ([first], {"items": [second], "next_cursor": None})
    assert first["handle"] in people.stdout
    assert page["next_cursor"] in people.stderr
    assert cli.json("instances", "list", "--customer", "other")["items"] == []
    cli.here("instances", "list", "--limit", "0", status=2)
    cli.here("instances", "list", "--cursor", "x", status=1)


def test_mappings_that_need_authorization_are_found_by_it(cli) -> None:
    first, second = add(cli), add(cli, "--name", "second")
    with closing(sqlite3.connect(cli.folder / "gateway.db")) as connection, connection:
        connection.execute("UPDATE instances SET unauthorized_at = 1 WHERE handle = ?", (second["handle"],))
    people = cli.here("instances", "list", "--state", "needs_authorization").stdout

    assert second["handle"] in people
    assert "needs_authorization" in people
    assert first["handle"] not in people
    assert cli.json("instances", "list", "--state", "active")["items"] == [first]
    assert cli.json("instances", "show", second["handle"]) == second | {"state": "needs_authorization"}
    assert "needs_authorization" in cli.here("instances", "show", second["handle"]).stdout
    assert "needs_authorization" not in cli.here("instances", "export").stdout
    assert "state: " in cli.here("instances", "list", "--state", "off", status=2).stderr


def test_a_removed_mapping_is_gone(cli) -> None:
    made = add(cli)

    assert cli.json("instances", "remove", made["handle"]) == {"handle": made["handle"], "removed": True}
    cli.here("instances", "show", made["handle"], status=1)
    cli.here("instances", "remove", made["handle"], status=1)


def test_reading_and_removing_need_no_master_key(cli) -> None:
    made = add(cli)
    (cli.folder / "master.keys").unlink()

    cli.here("instances", "show", made["handle"])
    cli.here("instances", "export")
    adding = cli.here("instances", "add", *WHERE, "--name", "n", "--token-file", "-", stdin="t", status=2)
    cli.here("instances", "remove", made["handle"])
    assert adding.stderr.startswith("vault.keys: ")


def test_many_go_in_and_come_out(cli, tmp_path: Path) -> None:
    rows = "\n".join(json.dumps({"environment": "dev", "customer": f"c{n}", "element": "sfdc", "token": f"canary-{n}"}) for n in range(3))
    (tmp_path / "in.ndjson").write_text(rows)
    (tmp_path / "in.csv").write_text("environment,customer,element,token\ndev,c9,sfdc,canary-9\n")
    reports = [cli.json("instances", "import", str(tmp_path / name)) for name in ("in.ndjson", "in.csv")]
    stdin = cli.here("instances", "import", "-", "--format", "csv", stdin="environment,customer,element,token\ndev,c8,sfdc,canary-8\n")
    cli.here("instances", "export", "--format", "csv", "--output", str(tmp_path / "out.csv"))
    exported = cli.here("instances", "export", "--json")

    assert reports == [{"imported": 3, "errors": []}, {"imported": 1, "errors": []}]
    assert "1 mappings" in stdin.stdout
    assert [json.loads(line)["customer"] for line in exported.stdout.splitlines()] == ["c0", "c1", "c2", "c8", "c9"]
    assert (tmp_path / "out.csv").read_text().count("\n") == 6
    assert "canary" not in (tmp_path / "out.csv").read_text() + exported.output + stdin.output
    cli.here("instances", "export", "--json", "--format", "csv", status=2)


def test_a_wrong_line_is_told_and_nothing_goes_in(cli) -> None:
    text = "environment,customer,element,token\ndev,c1,sfdc,canary-1\nprod,c2,sfdc,canary-2\n"
    people = cli.here("instances", "import", "-", "--format", "csv", stdin=text, status=1)
    report = cli.json("instances", "import", "-", "--format", "csv", stdin=text, status=1)

    assert "line 3: environment" in people.stderr
    assert (report["imported"], [error["line"] for error in report["errors"]]) == (0, [3])
    assert cli.json("instances", "list")["items"] == []
    assert "canary" not in people.output


def test_what_is_no_text_is_wrong_usage(cli, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"\xff\xfe")

    cli.here("instances", "import", str(tmp_path / "in.csv"), status=2)
    cli.here("instances", "import", str(tmp_path / "none.csv"), status=2)


def test_no_file_and_no_process_shows_a_token(cli) -> None:
    """The whole way as a user goes it, as processes, with its octets looked at."""
    words = ("instances", "add", *WHERE, "--token-file", "-", "--json")
    added = cli.process(*words, stdin="canary-token")
    again = cli.process(*words, stdin="canary-token")
    exported = cli.process("instances", "export")
    octets = b"".join(path.read_bytes() for path in cli.folder.iterdir())

    assert (added.returncode, again.returncode, exported.returncode) == (0, 1, 0)
    assert json.loads(added.stdout)["handle"] in exported.stdout
    assert "canary" not in "".join(one.stdout + one.stderr for one in (added, again, exported))
    assert b"acme" in octets
    assert b"canary" not in octets


def test_a_fault_in_the_store_shows_no_values(cli) -> None:
    with closing(sqlite3.connect(cli.folder / "gateway.db")) as connection, connection:
        connection.execute("ALTER TABLE instances DROP COLUMN hub")
    result = cli.here("instances", "add", *WHERE, "--token-file", "-", stdin="canary-token", status=1)

    assert "The database cannot be reached" in result.stderr
    assert "Traceback" not in result.output
    assert "acme" not in result.output
    assert "canary" not in result.output
