"""Text from elsewhere on a terminal: what it would obey is shown."""

import io
import logging
import re
import unicodedata

import msgspec
import pytest
from rich.table import Table

from openlane_authentik.log import configure_logging, get_logger
from openlane_authentik.terminal import open_console, plain, print_json
from openlane_authentik.visible import visible

HOSTILE = [
    "svc [/ops]",
    "[red]x[/red]",
    ":smile:",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m",
    "a\u202etxt.exe",
    "\u2066b\u2069",
    "two\nlines",
    "\rback",
    "\u2028line",
    "nul\x00",
    "\ud800",
    "\u200bnothing",
    "\ufeffmark",
]


def _is_harmless(text: str) -> bool:
    return not any(unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and one != "\n" for one in text)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_terminal_would_obey_is_shown(text: str) -> None:
    """Every character of a control, of a direction, of a line break or of nothing at all becomes its escape."""
    shown = visible(text)
    assert _is_harmless(shown)
    assert "\n" not in shown
    assert shown.encode().decode("unicode_escape", "surrogatepass") == text or text.isprintable()


@pytest.mark.parametrize(
    "text", ["Zoë Ärzte", "田中 太郎", "\u0645\u06cc\u200c\u062e", "👩\u200d💻", "O'Brien", "a\\b", "100 %"]
)
def test_names_in_any_script_stay_as_they_are(text: str) -> None:
    """The joiners that scripts and pictures need are no danger."""
    assert visible(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_tables_and_lines_obey_nothing(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No markup, no picture and no control of a name comes into effect, in a line as in a table."""
    console = open_console(stderr=False)
    table = Table("name")
    table.add_row(plain(text))
    console.print(table)
    console.print(plain(text, "bold"))
    told = capsys.readouterr().out
    assert _is_harmless(told)
    assert told.count(visible(text)) == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_json_on_a_terminal_says_the_same_and_obeys_nothing(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed for machines decodes to what it was, and has no character that a terminal obeys."""
    if "\ud800" in text:
        return
    print_json({"name": text})
    told = capsys.readouterr().out
    assert _is_harmless(told)
    assert msgspec.json.decode(told) == {"name": text}


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("text", [text for text in HOSTILE if "\ud800" not in text])
def test_a_log_obeys_nothing(text: str, as_json: bool) -> None:  # noqa: FBT001 - of a table
    """A value in a line of the log is shown, and begins no line of its own."""
    root = logging.getLogger()
    before = root.handlers, root.level
    stream = io.StringIO()
    try:
        configure_logging(secrets=[], as_json=as_json, level=logging.WARNING, stream=stream)
        get_logger().warning("refused", seen=text)
    finally:
        root.handlers, root.level = before
    told = stream.getvalue()
    assert _is_harmless(told)
    assert len(re.findall("\n", told)) == 1
