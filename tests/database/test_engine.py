"""The database file: its checks at opening, its transactions, how changes are noticed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.database.engine import Database, UnusableDatabase, follow, is_current, open_database, upgrade, version
from gateway.errors import StoreUnavailable

ADD = text("INSERT INTO caller_keys (id, name, digest, environments, customers, elements, methods, scopes, priority, created_at)"
           " VALUES (:id, 'n', x'00', '[]', '[]', '[]', '[]', '[]', 'batch', 1)")  # fmt: skip
COUNT = text("SELECT count(*) FROM caller_keys")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "odd % name?#.db"
    upgrade(path)
    return path


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with open_database(path) as database:
        yield database


async def count(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(COUNT)).scalar_one())


async def test_it_keeps_its_promises_to_those_who_were_answered(database: Database) -> None:
    async with database.read() as connection:
        pragmas = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


async def test_nobody_else_can_read_any_of_its_files(path: Path) -> None:
    await asyncio.to_thread(path.chmod, 0o644)
    async with open_database(path) as database, database.write() as connection:
        await connection.execute(ADD, {"id": "a"})
        files = list(path.parent.iterdir())

    assert {file.name.removeprefix(path.name) for file in files} == {"", "-wal", "-shm"}
    async with open_database(path):
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


async def test_a_missing_file_names_the_command_to_run_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UnusableDatabase, match="gateway db upgrade"):
        async with open_database(tmp_path / "none.db"):
            pass

    assert not (tmp_path / "none.db").exists()


async def test_an_empty_file_names_the_command_to_run(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()

    with pytest.raises(UnusableDatabase, match="gateway db upgrade"):
        async with open_database(tmp_path / "empty.db"):
            pass


async def test_a_damaged_file_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(b"this is no database at all " * 100)

    with pytest.raises(UnusableDatabase, match="cannot be read"):
        async with open_database(path):
            pass
    with pytest.raises(UnusableDatabase, match="cannot be read"):
        upgrade(path)


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")

    with pytest.raises(UnusableDatabase, match="something else"):
        upgrade(path)


async def test_a_newer_database_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(UnusableDatabase, match="newer"):
        async with open_database(path):
            pass
    with pytest.raises(UnusableDatabase, match="newer"):
        upgrade(path)
    assert version(path) == "9999"


def test_a_folder_that_does_not_exist_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(UnusableDatabase, match="FileNotFoundError"):
        upgrade(tmp_path / "nowhere" / "a.db")


async def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    before = await database.revision()

    async def fail() -> None:
        async with database.write() as connection:
            await connection.execute(ADD, {"id": "a"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert (await count(database), await database.revision()) == (0, before)


async def test_a_cancelled_write_leaves_nothing_and_frees_the_lock(database: Database) -> None:
    inside = asyncio.Event()

    async def write() -> None:
        async with database.write() as connection:
            await connection.execute(ADD, {"id": "a"})
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await inside.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with database.write() as connection:
        await connection.execute(ADD, {"id": "b"})

    assert await count(database) == 1


async def test_only_noticeable_writes_move_the_revision(database: Database) -> None:
    start = database.opened
    async with database.write(quiet=True) as connection:
        await connection.execute(ADD, {"id": "a"})
    quiet = await database.revision()
    async with database.write() as connection:
        await connection.execute(ADD, {"id": "b"})

    assert (quiet, await database.revision()) == (start, start + 1)


async def test_errors_of_the_driver_are_ours_and_hold_no_values(path: Path, database: Database) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE caller_keys RENAME TO hidden")

    with pytest.raises(StoreUnavailable) as caught:
        async with database.write() as write:
            await write.execute(ADD, {"id": "canary"})

    assert caught.value.status == 503
    assert caught.value.retry_after
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__cause__}"


async def test_a_lock_that_is_never_given_back_is_an_error_of_ours(path: Path) -> None:
    async with open_database(path) as database:
        async with database.read() as connection:
            await connection.execute(text("PRAGMA busy_timeout = 50"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
                async with database.write() as write:
                    await write.execute(ADD, {"id": "a"})


WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.database.engine import open_database, upgrade
from sqlalchemy import text

async def main(path, name):
    upgrade(path)
    async with open_database(path) as database:
        for number in range(40):
            async with database.write() as connection:
                found = (await connection.execute(text("SELECT count(*) FROM caller_keys"))).scalar_one()
                await connection.execute(text(
                    "INSERT INTO caller_keys (id, name, digest, environments, customers, elements, methods, scopes, priority, created_at)"
                    " VALUES (:id, 'n', x'00', '[]', '[]', '[]', '[]', '[]', 'batch', :at)"), {"id": f"{name}{number}", "at": found})
            print(number, flush=True)

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def start(path: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_make_and_write_one_database_without_losing_a_write(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    processes = [start(path, name) for name in ("a", "b")]
    errors = [process.communicate(timeout=60)[1] for process in processes]

    assert errors == ["", ""]
    with closing(sqlite3.connect(path)) as connection:
        seen = [at for (at,) in connection.execute("SELECT created_at FROM caller_keys ORDER BY created_at")]
        moved = connection.execute("SELECT value FROM revision").fetchone()
    assert seen == list(range(80))  # each saw all that were before it
    assert moved == (80,)


def test_what_was_acknowledged_survives_a_kill(path: Path) -> None:
    process = start(path, "a")
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(5)]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    assert is_current(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM caller_keys").fetchone()[0] >= len(acknowledged)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@contextlib.asynccontextmanager
async def following(database: Database, seen: list[int]) -> AsyncIterator[asyncio.Event]:
    moved = asyncio.Event()

    def on_change() -> None:
        seen.append(1)
        moved.set()

    task = asyncio.create_task(follow(database, 0.01, on_change))
    await asyncio.sleep(0)
    try:
        yield moved
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_write_of_another_process_is_noticed(path: Path, database: Database) -> None:
    seen: list[int] = []
    async with following(database, seen) as moved, open_database(path) as other:
        await asyncio.sleep(0.03)
        quiet = list(seen)
        async with other.write() as connection:
            await connection.execute(ADD, {"id": "a"})
        await asyncio.wait_for(moved.wait(), 5)

    assert (quiet, seen) == ([], [1])


async def test_a_write_between_opening_and_following_is_noticed(path: Path, database: Database) -> None:
    async with open_database(path) as other, other.write() as connection:
        await connection.execute(ADD, {"id": "a"})

    async with following(database, []) as moved:
        await asyncio.wait_for(moved.wait(), 5)


async def test_a_write_of_this_process_is_noticed_before_the_writer_goes_on(database: Database) -> None:
    seen: list[int] = []
    async with following(database, seen):
        async with database.write() as connection:
            await connection.execute(ADD, {"id": "a"})
        assert seen == [1]


async def test_following_survives_a_database_that_fails_for_a_while(path: Path, database: Database) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE revision RENAME TO hidden")
    async with following(database, []) as moved:
        await asyncio.sleep(0.05)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("ALTER TABLE hidden RENAME TO revision")
            connection.execute("UPDATE revision SET value = value + 1")

        await asyncio.wait_for(moved.wait(), 5)
