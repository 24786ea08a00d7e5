"""The terminal as every command uses it: consoles of a known width, text from elsewhere, and JSON for machines."""

import sys
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.text import Text

from openlane_authentik.visible import visible, visible_json

_PLAIN_WIDTH: Final = 110


def open_console(*, stderr: bool) -> Console:
    """Return a console as wide as the terminal, or of a fixed width when there is none."""
    # Brackets and colons in names are brackets and colons.
    console = Console(stderr=stderr, highlight=False, soft_wrap=False, markup=False, emoji=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, highlight=False, width=_PLAIN_WIDTH, markup=False, emoji=False)


def plain(text: str, style: str = "") -> Text:
    """Return a text as it is, on one line: what a terminal would obey in it is shown instead."""
    return Text(visible(text), style=style)


def print_json(value: Any) -> None:
    """Print a value on standard output as indented JSON."""
    sys.stdout.write(visible_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()) + "\n")
