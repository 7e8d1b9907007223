"""The catalogue's file: opening it, bringing it up to date, and what can go wrong with it."""

import asyncio
import contextlib
import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kaskad.app.ports import StoreUnavailableError
from kaskad.config import ConfigError, OperatorError
from kaskad.stores.migrations import HEAD

SQLITE = "sqlite:///"
APPLICATION_ID = 0x4B41534B  # "KASK", in the file's header
_BEGIN = "kaskad_begin"  # how a connection's transactions start: DEFERRED, IMMEDIATE or not at all


class CatalogError(OperatorError, StoreUnavailableError):
    """The catalogue's database cannot be used; the message is one line for the operator."""

    def __init__(self, problem: str) -> None:
        super().__init__([problem])


class UnknownTenantError(OperatorError):
    """Nothing was ever applied for a tenant of that name."""

    def __init__(self, catalogue: Path, tenant: str, known: Sequence[str]) -> None:
        listed = ", ".join(known) or "none; `kaskad apply FILE` adds the file's own"
        super().__init__([f'{catalogue}: no tenant is called "{tenant}"; known: {listed}'])


class Database:
    """A catalogue at the newest revision."""

    def __init__(self, path: Path, engine: AsyncEngine) -> None:
        self.path = path
        self._engine = engine

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one moment of the database."""
        async with self._connected("DEFERRED") as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end, undone by any exception."""
        async with self._connected("IMMEDIATE") as connection:
            yield connection
            await connection.commit()

    @asynccontextmanager
    async def _connected(self, begin: str) -> AsyncIterator[AsyncConnection]:
        with explained(self.path):
            connection = await self._connect(begin)
            try:
                yield connection
            finally:
                await _to_the_end(connection.close())

    async def hold(self) -> AsyncConnection:
        """A connection without transactions, for the caller to keep and to close."""
        with explained(self.path):
            return await self._connect("")

    async def _connect(self, begin: str) -> AsyncConnection:
        connection = self._engine.execution_options(**{_BEGIN: begin}).connect()
        try:
            await _to_the_end(connection.start())
        except asyncio.CancelledError:
            if connection.sync_connection is not None:
                await connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Let go of every connection that is not held."""
        await self._engine.dispose()


async def _to_the_end(work: Coroutine[Any, Any, object]) -> None:
    """Do ``work`` whole; who is cancelled meanwhile hears it when it is done.

    A connection that is left half open or half closed answers, from its own thread, to a
    loop that may have ended.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await task
        raise


async def open_database(url: str, *, busy_timeout_s: float) -> Database:
    """The catalogue at ``url``, made if it is not there, migrated if it is old.

    Safe when several processes do it at once. Raises :class:`CatalogError`.
    """
    if not url.startswith(SQLITE):
        scheme = url.partition(":")[0]
        raise ConfigError([f"database_url: expected {SQLITE}PATH; {scheme} is not supported"])
    path = Path(url.removeprefix(SQLITE))
    await asyncio.to_thread(prepare, path, busy_timeout_s)
    address = URL.create("sqlite+aiosqlite", database=str(path))
    engine = create_async_engine(
        address, connect_args={"timeout": busy_timeout_s}, pool_size=1, max_overflow=4
    )
    _tune(engine.sync_engine)
    return Database(path, engine)


def _tune(engine: Engine) -> None:
    """Durable commits (EXTRA: with the removal of the journal), keys, our own transactions."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("foreign_keys=ON", "synchronous=EXTRA", "journal_mode=DELETE"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get(_BEGIN, "")
        if mode:
            connection.exec_driver_sql(f"BEGIN {mode}")


# --- errors ----------------------------------------------------------------------


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the driver raises into one line about the file."""
    try:
        yield
    except DBAPIError as error:
        raise CatalogError(_problem(path, error.orig)) from error
    except sqlite3.Error as error:
        raise CatalogError(_problem(path, error)) from error
    except OSError as error:
        raise CatalogError(f"{path}: cannot use it: {error.strerror}") from error


def _problem(path: Path, error: object) -> str:
    text = str(error)
    match text:
        case "database is locked" | "database table is locked":
            return f"{path}: another process has locked it; try again, or stop that process"
        case "file is not a database":
            return f"{path}: not a database of kaskad; expected a new path or its own file"
        case _:
            return f"{path}: {text}"


# --- migrations ------------------------------------------------------------------


def prepare(path: Path, busy_timeout_s: float) -> None:
    """Make the file if need be, check that it is ours, and migrate it. Blocks."""
    with explained(path):
        _make_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if _revision(path, busy_timeout_s) != HEAD:
            _migrate(path, busy_timeout_s)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None


def _revision(path: Path, busy_timeout_s: float) -> str | None:
    """The revision of the file's tables; ``None`` when it is empty."""
    with contextlib.closing(sqlite3.connect(path, timeout=busy_timeout_s)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        if not tables and application_id in {0, APPLICATION_ID}:
            return None
        if application_id != APPLICATION_ID:
            raise CatalogError(
                f"{path}: a database of something else; expected a new path or kaskad's own file"
            )
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0])


def _migrate(path: Path, busy_timeout_s: float) -> None:
    """Bring the tables to the newest revision, in one transaction that nobody can enter."""
    address = URL.create("sqlite", database=str(path))
    arguments = {"timeout": busy_timeout_s}
    engine = create_engine(address, connect_args=arguments, poolclass=NullPool)
    _tune(engine)
    with engine.execution_options(**{_BEGIN: "EXCLUSIVE"}).begin() as connection:
        _upgrade(connection, path)
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")


def _upgrade(connection: Connection, path: Path) -> None:
    from alembic import command  # noqa: PLC0415  # slow to import, and rarely needed
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "kaskad.stores:migrations")
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise CatalogError(f"{path}: made by another version of kaskad ({error})") from error
