"""What a database's own error means."""

import sqlite3
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from openlane_authentik.host.database.files import full_disk
from openlane_authentik.host.errors import (
    DatabaseDamagedError,
    DatabaseError,
    DatabaseForbiddenError,
    DatabaseReplacedError,
    DatabaseUnreachableError,
    DiskFullError,
)

# SQLite tells more in the higher bits.
_PRIMARY: Final = 0xFF
_DISK: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# Of PostgreSQL: disk_full, read_only_sql_transaction, insufficient_privilege; data_corrupted, index_corrupted.
_POSTGRESQL_FULL: Final = "53100"
_POSTGRESQL_FORBIDDEN: Final = ("25006", "42501")
_POSTGRESQL_DAMAGED: Final = ("XX001", "XX002")


def failure_of(error: DBAPIError, url: sa.URL) -> DatabaseError | None:
    """Return a database's error as what it is; None when it is a fault of the statement."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    state = getattr(error.orig, "sqlstate", None)
    found = _of_sqlite(code, Path(url.database or "")) if code is not None else _of_postgresql(state)
    if found is None and (isinstance(error, OperationalError) or error.connection_invalidated):
        return DatabaseUnreachableError(f"the database does not answer: {type(error.orig).__name__}")
    return found


def _of_sqlite(code: int, path: Path) -> DatabaseError | None:
    primary = code & _PRIMARY
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return DatabaseReplacedError("the database file was moved while the host used it")
    if primary in _DAMAGED:
        return DatabaseDamagedError("the database file is damaged, or is none of SQLite")
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return DatabaseForbiddenError("the database file may not be written by this user, or lies on a read-only disk")
    if primary in _DISK:
        if full := full_disk(path.parent):
            return full
        if primary == sqlite3.SQLITE_FULL:
            return DiskFullError("the disk of the database or of temporary files was full, or a quota was used up")
        return DatabaseError("the disk of the database or of temporary files failed")
    return None


def _of_postgresql(state: str | None) -> DatabaseError | None:
    if state == _POSTGRESQL_FULL:
        return DiskFullError("a disk of the database server is full")
    if state in _POSTGRESQL_FORBIDDEN:
        return DatabaseForbiddenError("the database does not let this user write, or lets nobody write now")
    if state in _POSTGRESQL_DAMAGED:
        return DatabaseDamagedError("the database server found its data damaged")
    return None
