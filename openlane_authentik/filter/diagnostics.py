"""Saying what is wrong with a filter expression, and where."""

import difflib
import unicodedata
from collections.abc import Iterable
from typing import Final, NoReturn

from openlane_authentik.errors import FilterDiagnostic, FilterError

_LINE_WIDTH: Final = 100
_CONTEXT_BEFORE: Final = 60


def place(expression: str, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of a character; CR LF and a lone CR end a line too."""
    before = expression[:offset].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def diagnostic(expression: str, offset: int, code: str, message: str) -> FilterDiagnostic:
    """Make a diagnostic for the character at an offset."""
    line, column = place(expression, offset)
    return FilterDiagnostic(line, column, message, code)


def refuse(expression: str, offset: int, code: str, message: str) -> NoReturn:
    """Refuse the expression for what stands at an offset.

    Raises:
        FilterError: Always.
    """
    found = diagnostic(expression, offset, code, message)
    raise FilterError(f"{found.line}:{found.column}: {message}", (found,))


def suggest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known name that is nearest, or "" when none is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def render_diagnostic(expression: str, diagnostic: FilterDiagnostic) -> str:
    """Show a diagnostic as "line:column: message", the source line and a caret under the place.

    A long line is clipped around the place; tabs become one space and wide characters count as two columns, so that
    the caret stands right in a terminal.
    """
    head = f"{diagnostic.line}:{diagnostic.column}: {diagnostic.message}"
    lines = expression.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not 1 <= diagnostic.line <= len(lines):
        return head
    line = lines[diagnostic.line - 1]
    index = min(diagnostic.column - 1, len(line))
    start = max(0, index - _CONTEXT_BEFORE) if len(line) > _LINE_WIDTH else 0
    end = start + _LINE_WIDTH
    prefix = "..." if start else ""
    shown = prefix + _printable(line[start:end]) + ("..." if end < len(line) else "")
    caret = " " * (len(prefix) + sum(map(_columns, _printable(line[start:index])))) + "^"
    return f"{head}\n  {shown}\n  {caret}"


def _printable(text: str) -> str:
    return "".join(
        " " if unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"} else character for character in text
    )


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
