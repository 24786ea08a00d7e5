r"""The linear scan that reads a filter's characters into tokens, before any parser sees them.

cel-python's own lexer takes exponential time on a string that is not closed, takes ``r'\'`` for open and ``a inb``
for ``a in b``. So the parser is fed the tokens made here, and its lexer is never used.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from openlane_authentik.filter.diagnostics import place, refuse
from openlane_authentik.filter.strings import read_string
from openlane_authentik.filter.values import UINT_MAX, Uint

MAX_LENGTH: Final = 4_096
MAX_NESTING: Final = 24

_BLANK: Final = re.compile(r"(?:[\t\n\f\r ]|//[^\n\r]*)+")
_STRING: Final = re.compile(r"[bB]?[rR]?(?=['\"])")
_WORD: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_NUMBER: Final = re.compile(
    r"(?P<double>[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)"
    r"|(?:0x(?P<hex>[0-9a-fA-F]+)|(?P<decimal>[0-9]+))(?P<unsigned>[uU]?)"
)
_OPERATOR: Final = re.compile(r"===?|!==?|<>|<=|>=|&&|\|\||\?\.|\.\?|\[\?|[-+*/%!<>=&|?:.,()\[\]{}]")
_CLOSERS: Final = {"(": ")", "[": "]", "{": "}"}

# What people write from other languages, and what CEL calls it.
_FOREIGN: Final = {
    "=": "use == to compare",
    "===": "use == to compare",
    "!==": "use != to compare",
    "<>": "use != to compare",
    "&": "use && for 'and'",
    "|": "use || for 'or'",
    "?.": "optional syntax is not supported; write has(payload.x) && ...",
    ".?": "optional syntax is not supported; write has(payload.x) && ...",
    "[?": "optional syntax is not supported; write has(payload.x) && ...",
}


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its text, where it starts and ends, what kind it is, and for a literal its value.

    ``kind`` is the grammar's name of a literal or identifier, or for operators the text itself.
    """

    kind: str
    text: str
    offset: int
    end: int
    value: Any = None


def scan(expression: str) -> list[Token]:
    """Read an expression into tokens, in time linear in its length.

    Raises:
        FilterError: It is too long, nests too deep, or has a string, number, bracket or character CEL does not know.
    """
    if len(expression) > MAX_LENGTH:
        message = f"the filter is too long: {len(expression)} characters, at most {MAX_LENGTH} are allowed"
        refuse(expression, MAX_LENGTH, "filter_too_long", message)
    tokens: list[Token] = []
    offset = 0
    while True:
        if blank := _BLANK.match(expression, offset):
            offset = blank.end()
        if offset >= len(expression):
            break
        token = _read(expression, offset)
        tokens.append(token)
        offset = token.end
    _check_brackets(expression, tokens)
    return tokens


def _read(expression: str, offset: int) -> Token:
    if prefix := _STRING.match(expression, offset):
        value, end = read_string(expression, offset, prefix.group().lower())
        kind = "STRING_LIT" if isinstance(value, str) else "BYTES_LIT"
        return Token(kind, expression[offset:end], offset, end, value)
    if word := _WORD.match(expression, offset):
        return _read_word(word.group(), offset)
    if _NUMBER.match(expression, offset):
        return _read_number(expression, offset)
    if operator := _OPERATOR.match(expression, offset):
        text = operator.group()
        if text == "?." and expression[operator.end() : operator.end() + 1].isdigit():
            text = "?"  # of `a ?.5 : 1`
        if text in _FOREIGN:
            code = "filter_optional_syntax" if "?" in text else "filter_syntax"
            refuse(expression, offset, code, _FOREIGN[text])
        return Token(text, text, offset, offset + len(text))
    return _refuse_character(expression, offset)


def _read_word(text: str, offset: int) -> Token:
    end = offset + len(text)
    if text in {"true", "false"}:
        return Token("BOOL_LIT", text, offset, end, text == "true")
    if text == "null":
        return Token("NULL_LIT", text, offset, end)
    return Token("in" if text == "in" else "IDENT", text, offset, end)


def _read_number(expression: str, offset: int) -> Token:
    found = _NUMBER.match(expression, offset)
    if found is None or _WORD.match(expression, found.end()):
        refuse(expression, offset, "filter_syntax", "this is not a number CEL knows")
    text, end = found.group(), found.end()
    if found["double"]:
        double = float(text)
        if double == float("inf"):
            refuse(expression, offset, "filter_number_range", "this number is too large for a double")
        return Token("FLOAT_LIT", text, offset, end, double)
    number = int(found["hex"], 16) if found["hex"] else int(found["decimal"])
    if not found["unsigned"]:
        return Token("INT_LIT", text, offset, end, number)
    if number > UINT_MAX:
        refuse(expression, offset, "filter_number_range", "this number is too large for a uint")
    return Token("UINT_LIT", text, offset, end, Uint(number))


def _refuse_character(expression: str, offset: int) -> Token:
    character = expression[offset]
    if character in "\u2018\u2019\u201c\u201d\u201e\u201a\u00ab\u00bb":
        refuse(expression, offset, "filter_syntax", "use straight quotes, ' or \", around a string")
    if character == "`":
        refuse(expression, offset, "filter_syntax", "write payload['name'] for a field whose name needs quotes")
    shown = character if character.isprintable() else f"\\u{ord(character):04x}"
    return refuse(expression, offset, "filter_syntax", f"the character {shown} has no meaning here")


def _check_brackets(expression: str, tokens: list[Token]) -> None:
    opened: list[Token] = []
    for token in tokens:
        if token.kind in _CLOSERS:
            opened.append(token)
            if len(opened) > MAX_NESTING:
                message = f"brackets nest too deep: at most {MAX_NESTING} levels are allowed"
                refuse(expression, token.offset, "filter_too_deep", message)
        elif token.kind in _CLOSERS.values():
            if not opened:
                message = f"this {token.kind!r} closes nothing"
                refuse(expression, token.offset, "filter_syntax", message)
            opener = opened.pop()
            if _CLOSERS[opener.kind] != token.kind:
                line, column = place(expression, opener.offset)
                message = f"{_CLOSERS[opener.kind]!r} must close the {opener.kind!r} of {line}:{column} first"
                refuse(expression, token.offset, "filter_syntax", message)
    if opened:
        line, column = place(expression, opened[-1].offset)
        message = f"the filter ends too early: the {opened[-1].kind!r} of {line}:{column} is not closed"
        refuse(expression, tokens[-1].end, "filter_ends_early", message)
