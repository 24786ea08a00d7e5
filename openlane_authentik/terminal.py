"""The terminal as every command uses it: consoles of a known width, and JSON for machines."""

import sys
from typing import Any, Final

import msgspec
from rich.console import Console

_PLAIN_WIDTH: Final = 110


def open_console(*, stderr: bool) -> Console:
    """Give a console as wide as the terminal, or of a fixed width when there is none."""
    console = Console(stderr=stderr, highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_PLAIN_WIDTH)


def print_json(value: Any) -> None:
    """Print a value on standard output as indented JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
