"""The one SQLite file: opened with checks, written in transactions that survive a kill, watched for changes by other processes.

A write takes SQLite's write lock at its beginning (``BEGIN IMMEDIATE``), so that what it read still holds when it writes; two
processes queue for that lock, at most ``_BUSY_MS``. Every write that look-ups must notice moves the counter ``revision`` in its
own transaction; ``follow`` watches it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import URL, event, literal, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.database.schema import VERSIONS, metadata, revision
from gateway.errors import StoreUnavailable

_BUSY_MS = 5000
_WRITES = "gateway_writes"
_log = structlog.get_logger("gateway.database")

# At debug level it logs the values of every statement.
logging.getLogger("aiosqlite").setLevel(logging.INFO)


class UnusableDatabase(StoreUnavailable):
    """The database cannot be used as it is"""


class Database:
    """An open database. ``opened`` is its revision at opening: what is remembered of it is never older."""

    def __init__(self, engine: AsyncEngine, path: Path, file: tuple[int, int] | None) -> None:
        """``file`` says which file stood at ``path`` when it was opened."""
        self._engine = engine
        self._path = path
        self._file = file
        self._writing = engine.execution_options(**{_WRITES: True})
        self._listeners: list[Callable[[], None]] = []
        self.opened = 0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with; ``StoreUnavailable`` if the database fails."""
        with _translated():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self, *, quiet: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end; ``StoreUnavailable`` if the database fails, ``IntegrityError`` as it is.

        ``quiet``: look-ups need not notice it.
        """
        await self._require_file()
        with _translated():
            async with self._writing.begin() as connection:
                yield connection
                if not quiet:
                    await connection.execute(update(revision).values(value=revision.c.value + 1))
        if not quiet:
            for listener in self._listeners:
                listener()

    async def probe(self) -> None:
        """``StoreUnavailable`` if look-ups and writes cannot work."""
        await self._require_file()
        async with self.read() as connection:
            for table in metadata.sorted_tables:
                await connection.execute(select(literal(1)).select_from(table).limit(1))

    async def _require_file(self) -> None:
        """SQLite goes on with a file that was deleted, and what it acknowledges then is lost. One that was put in its place is
        opened instead."""
        found = await asyncio.to_thread(_identity, self._path)
        if found is None:
            raise UnusableDatabase("the database file was taken away")
        if found != self._file:
            await self._engine.dispose()
            self._file = found
            for listener in self._listeners:
                listener()

    async def revision(self) -> int:
        """How many writes there were that look-ups must notice."""
        async with self.read() as connection:
            return int((await connection.execute(select(revision.c.value))).scalar_one())

    @contextmanager
    def listening(self, on_change: Callable[[], None]) -> Iterator[None]:
        """Inside, ``on_change`` is called after each noticeable write of this process, before the writer goes on."""
        self._listeners.append(on_change)
        try:
            yield
        finally:
            self._listeners.remove(on_change)


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    """The database at ``path``; ``UnusableDatabase`` if it is missing, damaged, or of another version than this program's."""
    await asyncio.to_thread(_check, path)
    url = URL.create("sqlite+aiosqlite", database=_uri(path), query={"uri": "true"})
    # hide_parameters: an error must not quote what was being written.
    engine = create_async_engine(url, hide_parameters=True, pool_timeout=_BUSY_MS / 1000, max_overflow=0)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    try:
        database = Database(engine, path, await asyncio.to_thread(_identity, path))
        database.opened = await database.revision()
        yield database
    finally:
        await engine.dispose()


async def follow(database: Database, interval_s: float, on_change: Callable[[], None]) -> None:
    """Call ``on_change`` whenever somebody wrote: at once for this process, within ``interval_s`` seconds for others.

    Endless: run it as a task and cancel it. While the database cannot be read it goes on trying.
    """
    seen, reachable = database.opened, True
    with database.listening(on_change):
        while True:
            try:
                found = await database.revision()
            except Exception as error:  # whatever it is: who stops looking never learns of a key that was taken away
                if reachable:
                    _log.warning(
                        "database unreachable", reason=error.detail if isinstance(error, StoreUnavailable) else type(error).__name__
                    )
                reachable = False
            else:
                reachable = True
                if found != seen:
                    seen = found
                    on_change()
            await asyncio.sleep(interval_s)


def upgrade(path: Path) -> str:
    """Bring an empty or older database to this version, all or nothing; returns the version. Blocks.

    ``UnusableDatabase`` if it is damaged, newer than this program, or cannot be written.
    """
    try:
        path.touch(0o600)
    except OSError as error:
        raise UnusableDatabase(f"{path} cannot be made or written ({type(error).__name__})") from error
    if is_current(path):
        return VERSIONS[-1]
    from alembic import command  # noqa: PLC0415 - seldom needed: it and what it loads take 10 MiB
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    engine = create_engine(URL.create("sqlite", database=_uri(path), query={"uri": "true"}), hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    try:
        with _translated(), engine.execution_options(**{_WRITES: True}).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except StoreUnavailable as error:
        raise UnusableDatabase(f"{path} could not be upgraded: {error.detail}") from error
    finally:
        engine.dispose()
    return VERSIONS[-1]


def version(path: Path) -> str | None:
    """The version of the database at ``path``, None if it is empty; ``UnusableDatabase`` if missing or damaged. Blocks."""
    if not path.is_file():
        raise UnusableDatabase(f"there is no database at {path}: `gateway db upgrade` makes one")
    _keep_private(path)
    try:
        with closing(sqlite3.connect(_uri(path), uri=True, timeout=_BUSY_MS / 1000)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "alembic_version" in tables:
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                return str(row[0]) if row else None
    except sqlite3.DatabaseError as error:
        raise UnusableDatabase(f"{path} cannot be read: {error}") from error
    if tables:
        raise UnusableDatabase(f"{path} is a database of something else")
    return None


def is_current(path: Path) -> bool:
    """Whether the database has this program's version, not an older one; ``UnusableDatabase`` if it is newer. Blocks."""
    found = version(path)
    if found is not None and found not in VERSIONS:
        raise UnusableDatabase(f"{path} was written by a newer version of Gateway ({found}; this one knows {VERSIONS[-1]})")
    return found == VERSIONS[-1]


def _check(path: Path) -> None:
    if not is_current(path):
        raise UnusableDatabase(f"{path} is of an older version: run `gateway db upgrade`")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _keep_private(path: Path) -> None:
    """Nobody but the owner reads it. SQLite gives -wal and -shm the mode of the file itself, when it makes them."""
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        # Another owner's file, or one that SQLite just took away.
        with suppress(PermissionError, FileNotFoundError):
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def _uri(path: Path) -> str:
    """An address under which SQLite opens ``path`` and never makes it."""
    return f"{path.absolute().as_uri()}?mode=rw"


def _prepare(connection: Any, _: object) -> None:
    # Transactions are begun by ``_begin``; the driver's own guessing leaves out DDL and takes the lock too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # an acknowledged write survives a power cut, too
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Any) -> None:
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeoutError, sqlite3.Error) as error:
        raise StoreUnavailable(f"the database failed ({_symbol(error)})", retry_after=1) from error


def _symbol(error: BaseException) -> str:
    """SQLite's name of what went wrong, such as SQLITE_BUSY."""
    return getattr(getattr(error, "orig", error), "sqlite_errorname", type(error).__name__)
