"""The database fails under a running gateway, or before it starts (faults 38, 40): what is remembered goes on, the rest is told so.

The file is hurt from outside: other processes' locks, limits, missing tables. One second after a fault is over, all is well again.
"""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.acceptance.commands import run as gateway_command
from tests.faults.conftest import QUICK, Stage, Template, copied, problem, serving
from tests.support.cases import BASE
from tests.support.origin import Origin

TABLES = ("instances", "caller_keys", "revision")
WITHIN = 12.0  # seconds until a look-up that the database does not answer is given up, and the state of /readyz with it
_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
connection.execute("UPDATE revision SET value = value")
print("locked", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


@contextmanager
def staged(template: Template, folder: Path) -> Iterator[Stage]:
    """A gateway of its own, since its database will be hurt. ``acme`` and the usual key are remembered."""
    with Origin() as origin:
        copied(template, folder, {"dev": f"http://{origin.authority}{BASE}"}, QUICK)
        with serving(template, folder) as gateway:
            stage = Stage(gateway, origin, template)
            assert stage.call("GET ~/x").status == 200
            yield stage


def degraded(stage: Stage) -> bool:
    status, document = stage.ready()
    assert status == 200, "calls can still be served"
    return bool(document["status"] == "degraded" and document["reasons"])


def goes_on(stage: Stage) -> None:
    """Calls whose key and mapping are remembered."""
    for _ in range(3):
        assert stage.call("GET ~/x").status == 200
        assert stage.call("POST ~/x", "Content-Length: 2", body=b"{}").status == 200


def is_well_again(stage: Stage, unknown: str = "third") -> None:
    """Ready, and what was never asked for is found."""
    assert stage.origin.wait(lambda: stage.admin("POST", "/admin/v1/keys", {"name": "afterwards"}).status == 201, WITHIN), "no write"
    assert stage.origin.wait(lambda: stage.ready() == (200, {"status": "ready"}), WITHIN), stage.ready()
    assert stage.call("GET ~/x", customer=unknown).status == 200
    assert stage.call("GET ~/x", key=stage.template.spare).status == 200


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another process holds the file exclusively while inside."""
    words = [sys.executable, "-c", _LOCK, str(file)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "locked\n"
            yield
        finally:
            process.stdin.close()
            process.wait(10)


def test_locked_by_another_process(template: Template, tmp_path: Path) -> None:
    """Readers need no lock (WAL): every call goes on. A write waits for a bounded time and is refused, and was not made."""
    with staged(template, tmp_path) as stage, stage.steady():
        with locked(tmp_path / "gateway.db"):
            goes_on(stage)
            assert stage.call("GET ~/x", customer="other").status == 200
            started = time.monotonic()
            problem(stage.admin("POST", "/admin/v1/keys", {"name": "in vain"}), "store-unavailable")
            assert time.monotonic() - started < 7.0
            goes_on(stage)
        is_well_again(stage)
        names = [key["name"] for key in stage.admin("GET", "/admin/v1/keys").json()["items"]]
        assert "in vain" not in names
        assert "afterwards" in names


def test_nothing_can_be_written(template: Template, tmp_path: Path) -> None:
    """The file made read-only, and the disk full to the process: what is read goes on, what would be written is refused."""
    with staged(template, tmp_path) as stage, stage.steady():
        process_id = stage.gateway.process.pid
        old = resource.prlimit(process_id, resource.RLIMIT_FSIZE)
        files = [tmp_path / f"gateway.db{end}" for end in ("", "-wal", "-shm")]
        for file in files:
            file.chmod(0o400)
        resource.prlimit(process_id, resource.RLIMIT_FSIZE, (0, old[1]))
        try:
            goes_on(stage)
            for _ in range(2):
                problem(stage.admin("POST", "/admin/v1/keys", {"name": "in vain"}), "store-unavailable")
            answer = stage.call("GET ~/x", customer="other")
            if answer.status != 200:
                problem(answer, "store-unavailable")
            goes_on(stage)
        finally:
            resource.prlimit(process_id, resource.RLIMIT_FSIZE, old)
            for file in files:
                file.chmod(0o600)
        is_well_again(stage)
        assert "in vain" not in stage.admin("GET", "/admin/v1/keys").body.decode()


def test_the_tables_are_gone(template: Template, tmp_path: Path) -> None:
    """Dropped by another process, and brought back: 503 for who is not remembered, degraded meanwhile, then ready."""
    with staged(template, tmp_path) as stage, stage.steady():
        file = tmp_path / "gateway.db"
        with closing(sqlite3.connect(file)) as connection:
            kept = "\n".join(line for line in connection.iterdump() if any(f'"{name}"' in line or f" {name} " in line for name in TABLES))
            for name in TABLES:
                connection.execute(f"DROP TABLE {name}")
            connection.commit()
        assert stage.origin.wait(lambda: degraded(stage), WITHIN)
        goes_on(stage)
        started = time.monotonic()
        for _ in range(3):
            problem(stage.call("GET ~/x", customer="third"), "store-unavailable")
            problem(stage.call("GET ~/x", key=template.spare), "store-unavailable")
        problem(stage.admin("GET", "/admin/v1/keys"), "store-unavailable")
        assert time.monotonic() - started < 7.0
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(f"BEGIN;\n{kept.replace('BEGIN TRANSACTION;', '').replace('COMMIT;', '')}\nCOMMIT;")
        is_well_again(stage)
    assert set(stage.outcomes()) == {"ok", "store-unavailable"}


def test_one_table_is_gone(template: Template, tmp_path: Path) -> None:
    """Mappings alone: a key that is known and a mapping that is not."""
    with staged(template, tmp_path) as stage:
        with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection:
            connection.execute("ALTER TABLE instances RENAME TO elsewhere")
            connection.commit()
        goes_on(stage)
        problem(stage.call("GET ~/x", customer="other"), "store-unavailable")
        assert stage.call("GET ~/x", key=template.spare).status == 200
        assert stage.origin.wait(lambda: degraded(stage), 3.0), "mappings cannot be read, and /readyz says ready"


def deleted(stage: Stage) -> Path:
    """Take the file away from the gateway; what it held is in the file returned."""
    file = stage.gateway.folder / "gateway.db"
    aside = file.with_name("aside")
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(aside)) as target:
        source.backup(target)
    for end in ("", "-wal", "-shm"):
        Path(f"{file}{end}").unlink(missing_ok=True)
    return aside


def test_the_file_is_deleted(template: Template, tmp_path: Path) -> None:
    """What is remembered goes on, who is not gets an answer or is told; and so is who asks for the gateway's health."""
    with staged(template, tmp_path) as stage:
        with stage.steady():
            deleted(stage)
            goes_on(stage)
            for answer in (stage.call("GET ~/x", customer="other"), stage.call("GET ~/x", key=template.spare)):
                if answer.status != 200:
                    problem(answer, "store-unavailable")
            goes_on(stage)
        assert stage.origin.wait(lambda: degraded(stage), 3.0), "there is no database any more, and /readyz says ready"


def test_no_write_is_lost_where_the_file_is_deleted(template: Template, tmp_path: Path) -> None:
    """It is refused, or it is there when the file is put back; and what was remembered goes on either way."""
    with staged(template, tmp_path) as stage:
        aside = deleted(stage)
        written = stage.admin("POST", "/admin/v1/keys", {"name": "into nothing"})
        statuses = [stage.call("GET ~/x").status for _ in range(4)]
        shutil.move(aside, tmp_path / "gateway.db")
        is_well_again(stage)
        with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM caller_keys")}
        assert written.status == 503 or "into nothing" in names, "what was acknowledged is lost"
        assert "afterwards" in names, "what is acknowledged now is written to the deleted file"
        assert statuses == [200] * 4, "what was remembered does not go on"


@pytest.mark.parametrize(
    ("damage", "words"),
    [*((damage, ("serve",)) for damage in ("garbage", "cut", "flipped", "folder")), ("flipped", ("check",)), ("cut", ("keys", "list"))],
    ids=str,
)
def test_a_damaged_file_at_start(template: Template, tmp_path: Path, damage: str, words: tuple[str, ...]) -> None:
    """A clear error, no traceback, the file left as it is."""
    copied(template, tmp_path, {"dev": f"http://127.0.0.1:9{BASE}"}, QUICK)
    file = tmp_path / "gateway.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = file.read_bytes()
    if damage == "folder":
        file.unlink()
        file.mkdir()
    else:
        hurt = {"garbage": b"garbage" * 3000, "cut": whole[:5000], "flipped": whole[:100] + b"\xff" * 4000 + whole[4100:]}
        file.write_bytes(hurt[damage])
    hurt_file = None if damage == "folder" else file.read_bytes()
    try:
        done = gateway_command(tmp_path, *words, "-c", "gateway.toml", env=template.environ)
    except subprocess.TimeoutExpired:
        raise AssertionError("it serves") from None
    assert done.returncode in (1, 2), (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr[-2000:]
    assert "gateway.db" in done.stderr + done.stdout, (done.stdout, done.stderr)
    assert "listener on" not in done.stdout
    assert hurt_file is None or file.read_bytes() == hurt_file
