"""CEL's string and bytes literals, with its escapes and no others.

The escapes are those of the CEL specification, section "String and Bytes Values".
"""

import re
from typing import Final

from openlane_authentik.filter.diagnostics import refuse

_SIMPLE: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "?": "?",
    '"': '"',
    "'": "'",
    "`": "`",
}
_NUMERIC: Final = re.compile(
    r"[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7][0-7])",
)
_PLAIN: Final = re.compile(r"[^\\'\"\n\r]+")
_MAX_CODE_POINT: Final = 0x10FFFF
_TRIPLE: Final = 3


def read_string(expression: str, start: int, prefix: str) -> tuple[str | bytes, int]:
    """Read the literal that starts with a prefix ("", r, b or br) and give its value and end.

    Raises:
        FilterError: It is not closed, or has an escape CEL does not know.
    """
    offset = start + len(prefix)
    quote = expression[offset]
    if expression.startswith(quote * _TRIPLE, offset):
        quote *= _TRIPLE
    offset += len(quote)
    is_bytes = "b" in prefix
    parts: list[bytes] = []
    while not expression.startswith(quote, offset):
        character = expression[offset : offset + 1]
        if not character or (character in "\n\r" and len(quote) < _TRIPLE):
            refuse(expression, start, "filter_string_open", "this string is not closed")
        if plain := _PLAIN.match(expression, offset):
            parts.append(plain.group().encode("utf-8", "surrogatepass"))
            offset = plain.end()
        elif character == "\\" and "r" not in prefix:
            part, offset = _read_escape(expression, offset, start, is_bytes=is_bytes)
            parts.append(part)
        else:
            parts.append(character.encode())
            offset += 1
    value = b"".join(parts)
    return (value if is_bytes else value.decode("utf-8", "surrogatepass")), offset + len(quote)


def _read_escape(expression: str, offset: int, start: int, *, is_bytes: bool) -> tuple[bytes, int]:
    character = expression[offset + 1 : offset + 2]
    if not character:
        refuse(expression, start, "filter_string_open", "this string is not closed")
    if character in _SIMPLE:
        return _SIMPLE[character].encode(), offset + 2
    found = _NUMERIC.match(expression, offset + 1)
    if found is None or (is_bytes and character in "uU"):
        message = "this escape is not one CEL knows; write \\\\ for a backslash, or r'...' for a regular expression"
        refuse(expression, offset, "filter_string_escape", message)
    hexadecimal = found.group(1) or found.group(2) or found.group(3)
    code = int(hexadecimal, 16) if hexadecimal else int(found.group(4), 8)
    if is_bytes:
        return bytes((code,)), found.end()
    if code > _MAX_CODE_POINT or 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - the surrogates, which are no characters
        refuse(expression, offset, "filter_string_escape", "this escape names no Unicode character")
    return chr(code).encode(), found.end()
