"""Whether a command was told to be quiet, and what it logs then."""

import logging
import sys
from contextvars import ContextVar
from typing import Final

_quiet: Final = ContextVar("quiet", default=False)


def set_quiet(wanted: bool) -> None:  # noqa: FBT001 - as Typer calls it
    """Write nothing to standard error from here on but warnings and errors, if that is wanted."""
    _quiet.set(wanted)


def is_quiet() -> bool:
    """Whether this command was told to be quiet."""
    return _quiet.get()


def log_level(*, service: bool = False) -> int:
    """Return from which level on a command logs: on a terminal its tables and progress bar tell a person the same."""
    return logging.WARNING if is_quiet() or (sys.stderr.isatty() and not service) else logging.INFO
