"""Text from elsewhere, made safe to look at: what a terminal would obey is shown instead."""

import unicodedata
from typing import Final

# Controls, formats such as the marks that turn the direction of writing, lone surrogates, and breaks of lines.
_OBEYED: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Some scripts cannot be written without these two, and they move nothing.
_JOINERS: Final = frozenset("\u200c\u200d")


def visible(text: str) -> str:
    r"""Return a text in which nothing can move the cursor, colour, turn or hide what follows.

    Each such character becomes its escape, as in ``\x1b`` or ``\u202e``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(one) if _is_obeyed(one) else one for one in text)


def visible_json(text: str) -> str:
    """Return JSON that says the same, with escapes for what a terminal would obey; its line breaks stay."""
    return "".join(_json_escape(one) if one != "\n" and _is_obeyed(one) else one for one in text)


def _is_obeyed(one: str) -> bool:
    return unicodedata.category(one) in _OBEYED and one not in _JOINERS


def _escape(one: str) -> str:
    return one.encode("unicode_escape", "backslashreplace").decode("ascii")


def _json_escape(one: str) -> str:
    units = one.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
