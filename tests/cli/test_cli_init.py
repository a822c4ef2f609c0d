"""``gateway init``, ``gateway db upgrade``."""

from __future__ import annotations

import base64
import json
import re
import stat
from pathlib import Path

import pytest

from gateway.cli.sample import SAMPLE
from gateway.config import load, master_keys, without_effect
from gateway.database.engine import is_current
from gateway.settings import Config
from tests.cli.conftest import Cli

MADE = {"gateway.toml", "master.keys", "gateway.db"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_to_start_from(bare) -> None:
    folder = bare.folder / "a" / "b"
    said = json.loads(bare.run("init", str(folder), "--json").stdout)

    assert said.keys() == {"config", "admin_key"}
    assert Path(said["config"]) == folder / "gateway.toml"
    assert names(folder) == MADE
    assert [stat.S_IMODE((folder / name).stat().st_mode) for name in ("master.keys", "gateway.db")] == [0o600, 0o600]
    config = load(folder / "gateway.toml", {})
    assert list(config.environments) == ["dev"]
    assert [(key_id, len(key)) for key_id, key in master_keys(config, {})] == [("k1", 32)]
    assert is_current(config.database_path())


def test_the_admin_key_is_one_and_nothing_else(cli) -> None:
    (key,) = cli.json("keys", "list")["items"]

    assert (key["name"], key["scopes"], key["environments"]) == ("admin", ["admin"], ["dev"])


def test_the_admin_key_is_shown_once_and_kept_nowhere(bare) -> None:
    said = json.loads(bare.run("init", str(bare.folder), "--json").stdout)
    octets = b"".join((bare.folder / name).read_bytes() for name in names(bare.folder))

    assert re.fullmatch("gwk_[a-z0-9]{12}_[A-Za-z0-9]{43}", said["admin_key"])
    assert said["admin_key"][-43:].encode() not in octets


def test_people_are_told_the_key_and_what_is_next(bare) -> None:
    text = bare.run("init", str(bare.folder)).stdout

    assert re.search("^gwk_[a-z0-9]{12}_[A-Za-z0-9]{43}$", text, re.MULTILINE)
    assert "gateway serve" in text


def test_the_master_key_is_shown_nowhere(bare) -> None:
    result = bare.run("init", str(bare.folder))
    key = (bare.folder / "master.keys").read_text().strip().partition(":")[2]

    assert len(base64.b64decode(key)) == 32
    assert key not in result.output


@pytest.mark.parametrize("there", [*sorted(MADE), "gateway.db-wal", "gateway.db-shm"])
def test_it_overwrites_nothing_and_then_writes_nothing(bare, there: str) -> None:
    (bare.folder / there).write_text("mine")
    result = bare.run("init", str(bare.folder), status=1)

    assert there in result.stderr
    assert names(bare.folder) == {there}
    assert (bare.folder / there).read_text() == "mine"


def test_twice_is_an_error_and_harms_nothing(cli) -> None:
    before = {name: (cli.folder / name).read_bytes() for name in names(cli.folder)}
    cli.run("init", str(cli.folder), status=1)

    assert {name: (cli.folder / name).read_bytes() for name in names(cli.folder)} == before


def test_a_failure_takes_everything_away_again(bare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY__DATABASE__URL", "sqlite:///nowhere/gateway.db")
    bare.run("init", str(bare.folder / "new"), status=1)
    monkeypatch.setenv("GATEWAY__LISTEN__DATA", "nonsense")
    bare.run("init", str(bare.folder / "new"), status=2)

    assert names(bare.folder) == set()


def test_a_place_that_is_no_folder_is_an_error(bare) -> None:
    (bare.folder / "file").touch()
    result = bare.run("init", str(bare.folder / "file" / "new"), status=1)

    assert result.stderr.startswith("error: Nothing was written")


def test_every_line_of_the_sample_can_be_taken_out_of_its_comment(tmp_path: Path) -> None:
    uncommented = re.sub(r"^# ((\[|[a-z_]+ *= ).*)$", r"\1", SAMPLE, flags=re.MULTILINE)
    (tmp_path / "all.toml").write_text(uncommented)
    (tmp_path / "as_is.toml").write_text(SAMPLE)

    assert uncommented != SAMPLE
    config = load(tmp_path / "all.toml", {})
    assert config.elements["hubspot"].cache.rules[0].path == "/objects/**"
    assert without_effect(config) == without_effect(load(tmp_path / "as_is.toml", {}))
    told = set(re.findall(r"^\[([a-z]+)", uncommented, re.MULTILINE))
    assert told == {
        name for name, field in Config.model_fields.items() if name not in ("shared", "folder") and not _plain(field.annotation)
    }


def _plain(annotation: object) -> bool:
    return not (isinstance(annotation, type) and hasattr(annotation, "model_fields")) and "dict" not in str(annotation)


def test_db_upgrade_makes_the_database_that_others_ask_for(cli) -> None:
    (cli.folder / "gateway.db").unlink()
    asked = cli.here("keys", "list", status=1)
    made = cli.json("db", "upgrade")
    again = cli.here("db", "upgrade")

    assert "gateway db upgrade" in asked.stderr
    assert made == {"database": str(cli.folder / "gateway.db"), "version": "0002"}
    assert "0002" in again.stdout
    assert cli.json("keys", "list") == {"items": [], "next_cursor": None}


def test_an_older_database_is_not_upgraded_by_asking_it(cli) -> None:
    (cli.folder / "gateway.db").write_bytes(b"")
    asked = cli.here("instances", "list", status=1)

    assert "gateway db upgrade" in asked.stderr
    assert (cli.folder / "gateway.db").read_bytes() == b""


def test_check_says_its_mistakes_as_json_too(cli: Cli) -> None:
    (cli.folder / "gateway.toml").write_text("nonsense = 1\n", "utf-8")
    done = cli.process("check", "-c", str(cli.folder / "gateway.toml"), "--json")
    document = json.loads(done.stdout)

    assert (done.returncode, document["ok"], done.stderr) == (2, False, "")
    assert any(problem.startswith("nonsense: found an unknown key") for problem in document["problems"])
