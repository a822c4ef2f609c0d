"""The migrations lead to the tables that the program knows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, create_engine

import gateway.database
from gateway.database.engine import UnusableDatabase, upgrade, version
from gateway.database.schema import VERSIONS, metadata

FOLDER = Path(gateway.database.__file__).parent / "migrations"


def test_the_program_knows_every_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    scripts = ScriptDirectory.from_config(config)

    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == VERSIONS


def test_an_upgraded_database_has_the_tables_of_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert upgrade(path) == version(path) == VERSIONS[-1]
    engine = create_engine(URL.create("sqlite", database=str(path)))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()

    assert differences == []


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    upgrade(path)
    before = path.read_bytes()
    upgrade(path)

    assert path.read_bytes() == before


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("CREATE TABLE caller_keys (in_the_way)")

    with pytest.raises(UnusableDatabase):
        upgrade(path)

    with closing(sqlite3.connect(path)) as connection:
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")] == [
            "alembic_version",
            "caller_keys",
        ]
