"""The database of the catalogue: where it is, how it is opened, and the steps to the present schema."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiosqlite
from sqlalchemy import event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from classroom.catalogue.fulltext import FullText, PostgresFullText, SqliteFullText
from classroom.model import ClassroomError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from threading import Thread

    from sqlalchemy import URL, Connection

logger = logging.getLogger(__name__)

STEPS = Path(__file__).parent / "migrations"
SQLITE_FILE = "catalogue.db"
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_BUSY_S = 5.0
_CONNECT_S = 5.0
_WRITES = "classroom_writes"
_POOL = 5  # connections; who comes when all are taken waits for one
_MIGRATION_LOCK = 0x6C69616E  # of PostgreSQL: two servers that start at once take turns


_UNAVAILABLE = (
    "资源目录的数据库暂时不可用，上课和录制不受影响；请稍后再试。 "
    "The database of the catalogue is not available; lessons and recordings go on. Try again later."
)


class BadDatabaseUrl(ClassroomError):
    """The setting ``database_url`` names no database that we know."""


class UnknownSchema(ClassroomError):
    """No step leads on from the schema that the database has: it is of a newer server."""


class CatalogueUnavailable(ClassroomError):
    """The database does not answer, or cannot be used; lessons and recordings go on without it."""


def database_url(given: str | None, state: Path) -> URL:
    """The database that is meant: as given, or SQLite in ``state``. Raises BadDatabaseUrl; never tells a password."""
    if given is None:
        return make_url(f"sqlite+aiosqlite:///{(state / SQLITE_FILE).resolve()}")
    try:
        url = make_url(given)
        driver = _DRIVERS[url.drivername.partition("+")[0]]
    except (ArgumentError, KeyError, ValueError):
        raise BadDatabaseUrl(
            "database_url 应为 postgresql://用户:密码@主机/库 或 sqlite:///文件。 "
            "database_url must be postgresql://user:password@host/database or sqlite:///file."
        ) from None
    return url.set(drivername=driver)


class Database:
    """An open database. ``fulltext`` is how it searches. One write at a time; reading goes on meanwhile."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.fulltext: FullText = SqliteFullText() if self.is_sqlite else PostgresFullText()
        options: dict[str, Any] = {
            "pool_size": _POOL,
            "max_overflow": 0,
            "pool_use_lifo": True,  # the one used last has what is needed at hand
            "hide_parameters": True,
        }
        self._threads: WeakSet[Thread] = WeakSet()  # of connections to SQLite, each has one
        if self.is_sqlite:
            options["async_creator"] = self._connect_sqlite
        else:
            # Compiling a query (JIT) would take longer than any of ours does.
            arguments = {"timeout": _CONNECT_S, "server_settings": {"jit": "off", "application_name": "classroom"}}
            options |= {"pool_pre_ping": True, "connect_args": arguments}
        self._engine: AsyncEngine = create_async_engine(url, **options)
        self._write = asyncio.Lock()
        self._opened = asyncio.Event()
        self._tried = asyncio.Event()
        if self.is_sqlite:
            event.listen(self._engine.sync_engine, "connect", _set_up_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)
        self._writer = self._engine.execution_options(**{_WRITES: True})

    async def open(self) -> None:
        """Bring the schema up to date. A damaged SQLite file is put aside. Raises CatalogueUnavailable."""
        try:
            if self.is_sqlite:
                await asyncio.to_thread(self._put_aside_damaged)
            async with self.writing() as connection:
                if not self.is_sqlite:
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
                await connection.run_sync(_migrate)
            self._opened.set()
        finally:
            self._tried.set()

    async def opened(self) -> None:
        """Wait until it is open for the first time; whoever opens it tries until it is."""
        await self._opened.wait()

    async def tried(self) -> bool:
        """Wait until somebody has tried to open it; whether it is open."""
        await self._tried.wait()
        return self._opened.is_set()

    async def close(self) -> None:
        """Let go of all connections."""
        await self._engine.dispose()
        # Nobody waits for the thread of a connection whose user was cancelled while it was made; it calls this loop.
        for thread in list(self._threads):
            if thread.is_alive():
                await asyncio.to_thread(thread.join, _BUSY_S)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with. Raises CatalogueUnavailable."""
        if not self._opened.is_set():
            raise CatalogueUnavailable(_UNAVAILABLE)
        with _told_apart():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: all of it or nothing. Raises CatalogueUnavailable."""
        with _told_apart():
            async with self._write, self._writer.begin() as connection:
                yield connection

    def _connect_sqlite(self) -> aiosqlite.Connection:
        connection = aiosqlite.connect(self.url.database or "", timeout=_BUSY_S, check_same_thread=False)
        connection._thread.daemon = True
        self._threads.add(connection._thread)
        return connection

    def _put_aside_damaged(self) -> None:
        path = Path(self.url.database or "")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            return
        try:
            connection = sqlite3.connect(path, timeout=_BUSY_S)
            try:
                (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            finally:
                connection.close()
        except sqlite3.OperationalError:
            return  # busy, or not to be opened: not for us to move
        except sqlite3.DatabaseError as error:
            answer = str(error)
        if answer != "ok":
            aside = path.with_suffix(".broken")
            path.replace(aside)
            for rest in ("-wal", "-shm"):
                path.with_name(path.name + rest).unlink(missing_ok=True)
            logger.error("%s is damaged (%s); it is put aside as %s and made anew from disk", path, answer, aside.name)


class _told_apart:  # noqa: N801 - reads as a function
    """Errors of the database as ours. The text has no parameters and no password in it."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SQLAlchemyError | OSError | UnknownSchema | TimeoutError):
            cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
            reason = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
            logger.error("the catalogue's database: %s", reason)
            raise CatalogueUnavailable(_UNAVAILABLE) from error


def _begin_sqlite(connection: Connection) -> None:
    # Who will write says so at once and waits for its turn; a reader that came to write might find its view outdated.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # else the driver begins transactions as it sees fit, and none for a migration
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(connection: Connection) -> None:
    if _has_newest_schema(connection):
        return
    # Loading Alembic takes a tenth of a second, of the time from a power cut to the next picture.
    from classroom.catalogue.migration import upgrade

    upgrade(connection)


def _has_newest_schema(connection: Connection) -> bool:
    if not inspect(connection).has_table("alembic_version"):
        return False
    newest = max((path.name for path in (STEPS / "versions").glob("[0-9]*.py")), default="").partition("_")[0]
    return list(connection.scalars(text("SELECT version_num FROM alembic_version"))) == [newest]
