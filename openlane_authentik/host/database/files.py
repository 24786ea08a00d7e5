"""The file of a SQLite database: for its owner alone, and the same one for as long as it is used."""

import os
import shutil
from pathlib import Path
from typing import Final

from openlane_authentik.host.errors import (
    DatabaseError,
    DatabaseForbiddenError,
    DatabaseMissingError,
    DatabaseReplacedError,
    DiskFullError,
)

_OWNER_ONLY: Final = 0o600
_OTHERS: Final = 0o077
_BESIDE: Final = ("-wal", "-shm", "-journal")
# With less nothing can be written for certain.
_LEAST_FREE: Final = 1 << 20


class DatabaseFile:
    """A file that is made once, and missed when it is deleted, moved or replaced while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None

    def open(self) -> None:
        """Make the file unless it is there, at the first time only; SQLite gives those beside it the same mode.

        Raises:
            DatabaseError: It cannot be made or opened, or is another one than at the first time.
        """
        if self._identity is not None:
            self.check()
            return
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
            for path in (self.path, *(Path(f"{self.path}{end}") for end in _BESIDE)):
                if path.exists() and path.stat().st_mode & _OTHERS:
                    path.chmod(_OWNER_ONLY)
        except PermissionError:
            raise DatabaseForbiddenError("this user may not read and write the database file in its folder") from None
        except OSError as error:
            full = full_disk(self.path.parent)
            raise full or DatabaseError(f"the database file cannot be opened: {error.strerror}") from None
        self._identity = self._found()

    def check(self) -> None:
        """Check that the file is the one that was opened.

        Raises:
            DatabaseMissingError: It is not there any more.
            DatabaseReplacedError: Another one is there.
        """
        found = self._found()
        if found is None:
            raise DatabaseMissingError("the database file was deleted or moved away while the host used it")
        if found != self._identity:
            raise DatabaseReplacedError("another file was put in the place of the database while the host used it")

    def _found(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


def full_disk(database_folder: Path) -> DiskFullError | None:
    """Return which disk that SQLite writes to is full, if one is."""
    for place, folder in (("the database", database_folder), ("temporary files", _temporary_folder())):
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            continue
        if free < _LEAST_FREE:
            return DiskFullError(f"the disk of {place} is full")
    return None


def _temporary_folder() -> Path:
    """Return where SQLite keeps what is temporary, by its own rules."""
    named = (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp")  # noqa: S108
    usable = (Path(folder) for folder in named if folder and os.access(folder, os.W_OK | os.X_OK))
    return next((folder for folder in usable if folder.is_dir()), Path())
