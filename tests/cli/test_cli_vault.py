"""``gateway vault``: a new master key takes over, and the old one can go."""

from __future__ import annotations

import base64
import secrets

from tests.cli.conftest import Cli

ACME = ("--environment", "dev", "--customer", "acme", "--element", "hubspot", "--token-file", "-")


def test_a_master_key_is_replaced(cli: Cli) -> None:
    cli.here("instances", "add", *ACME, stdin="CANARY-token")
    ring = cli.folder / "master.keys"
    (old,) = ring.read_text("utf-8").split()
    (first,) = cli.json("vault", "status")["keys"]
    assert first == {"id": old.partition(":")[0], "present": True, "encrypts": True, "secrets": 1, "kept_answers": 0}

    new = f"k2:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    ring.write_text(f"{new}\n{old}\n", "utf-8")
    done = cli.json("vault", "rotate")
    assert done == {"id": "k2", "mappings": 1, "kept_answers": 0, "unreadable": 0}
    table = cli.here("vault", "status").stdout.splitlines()
    assert [line.split() for line in table[1:]] == [["k2", "yes", "yes", "1", "0"], [first["id"], "yes", "no", "0", "0"]]

    ring.write_text(f"{new}\n", "utf-8")
    fields = dict(line.split() for line in cli.here("vault", "rotate").stdout.splitlines())
    assert fields == {"id": "k2", "mappings": "0", "kept_answers": "0", "unreadable": "0"}


def test_what_stays_behind_is_told(cli: Cli) -> None:
    cli.here("instances", "add", *ACME, stdin="CANARY-token")
    ring = cli.folder / "master.keys"
    ring.write_text(f"k2:{base64.b64encode(secrets.token_bytes(32)).decode()}\n", "utf-8")

    result = cli.here("vault", "rotate", status=1)
    assert "1 do not decrypt and stayed as they were" in result.stderr
    assert cli.json("vault", "rotate", status=1)["unreadable"] == 1
    assert "CANARY" not in result.output
