"""The database: SQLite in a file, or PostgreSQL by its address; the same statements run on both."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from openlane_authentik.host.database.failures import failure_of
from openlane_authentik.host.database.files import DatabaseFile
from openlane_authentik.host.errors import HostSettingError

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
# How long a writer waits for another's transaction; the longest is a run that is taken over.
_BUSY_SECONDS: Final = 60
_FILE: Final = "openlane_file"
# A process that froze while it held locks must not keep others waiting for ever.
_FROZEN_MILLISECONDS: Final = 15_000


def open_database(url: str) -> sa.Engine:
    """Open a database; nothing is read or written yet.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.

    Returns:
        The database; its errors quote no values, which are people's data.

    Raises:
        HostSettingError: The address is neither.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise HostSettingError("the database URL is not an address") from None
    match parsed.get_backend_name():
        case "sqlite":
            if not parsed.database:
                raise HostSettingError("the database URL names no file")
            file = DatabaseFile(Path(parsed.database))
            engine = sa.create_engine(parsed, creator=lambda: _connect_sqlite(file), hide_parameters=True)
            sa.event.listen(engine, "connect", lambda raw, record: _prepare_sqlite(raw, record, file))
            sa.event.listen(engine, "begin", _begin_sqlite)
            return engine
        case "postgresql":
            address = parsed.set(drivername="postgresql+psycopg")
            engine = sa.create_engine(address, pool_pre_ping=True, hide_parameters=True)
            sa.event.listen(engine, "begin", _begin_postgresql)
            return engine
    raise HostSettingError("the database URL is neither sqlite:/// nor postgresql://")


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Do everything in the block, or nothing of it.

    On SQLite the write lock is taken at the beginning, so that what was read is still so when it is written.

    Raises:
        DatabaseUnreachableError: No connection, or it broke.
    """
    with connection(engine) as held, held.begin():
        yield held


@contextmanager
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Hold a connection.

    Raises:
        DatabaseUnreachableError: No connection, or it broke.
        DatabaseError: See ``failure_of`` and ``DatabaseFile``.
    """
    try:
        with engine.connect() as held:
            if (file := held.info.get(_FILE)) is not None:
                file.check()
            yield held
    except DBAPIError as error:
        failure = failure_of(error, engine.url)
        if failure is None:
            raise
        raise failure from error


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Read from one state of the database, without waiting for a writer.

    Raises:
        DatabaseUnreachableError: No connection, or it broke.
    """
    options: dict[str, Any] = {"reads_only": True}
    if engine.dialect.name == POSTGRESQL:
        options["isolation_level"] = "REPEATABLE READ"
    with connection(engine.execution_options(**options)) as held, held.begin():
        yield held


def insert(held: sa.Connection, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT that can say what to do on a conflict; both databases mean the same by it."""
    return postgresql.insert(table) if held.dialect.name == POSTGRESQL else sqlite.insert(table)


def _connect_sqlite(file: DatabaseFile) -> sqlite3.Connection:
    file.open()
    # By this mode SQLite makes no file: one that was deleted since is missed.
    address = f"file:{quote(str(file.path))}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)


def _prepare_sqlite(connection: Any, record: Any, file: DatabaseFile) -> None:
    record.info[_FILE] = file
    # The driver's own transactions begin too late and commit too early: see the "begin" event.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=FILE", "cache_size=-32000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(held: sa.Connection) -> None:
    held.exec_driver_sql("BEGIN" if held.get_execution_options().get("reads_only") else "BEGIN IMMEDIATE")


def _begin_postgresql(held: sa.Connection) -> None:
    if not held.get_execution_options().get("reads_only"):
        held.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {_FROZEN_MILLISECONDS}")
