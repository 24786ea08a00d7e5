"""Where a sink writes: standard output, or a file that appears whole or not at all."""

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from openlane_authentik.errors import OutputError


@contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Open standard output (None) or a file; the file takes its name only when the block ends without an error.

    Until then it is a temporary file beside it, readable by its owner alone and removed on any error, so that what
    was at ``path`` before stays untouched.

    Raises:
        OutputError: It cannot be created, written or put in place.
    """
    name = "standard output" if path is None else str(path)
    try:
        if path is None:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif path.exists() and not (path.is_file() or path.is_dir()):
            # A pipe or a device: there is nothing to put in its place.
            with path.open("wb") as file:
                yield file
        else:
            with _replacing(path.resolve()) as file:
                yield file
    except OSError as error:
        raise OutputError(f"{name} cannot be written: {error.strerror or error}") from error


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    handle, temporary = tempfile.mkstemp(prefix=".openlane-authentik.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
