"""``matches``: RE2, which takes time linear in the text, within caps on both sides.

RE2 is what the CEL specification names. It is imported when the first pattern is compiled.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from openlane_authentik.filter.values import BAD_REGEX, TOO_LARGE, Failure, mismatch

MAX_PATTERN: Final = 512
MAX_TEXT: Final = 65_536
_MAX_MEMORY: Final = 256 * 1024

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled regular expression.

    Attributes:
        found_in: Whether it is found anywhere in a text, or a failure.
        instructions: How long RE2's program is; its worst case is that many steps for each character.
    """

    found_in: Callable[[Any], Any]
    instructions: int


def compile_pattern(pattern: str) -> Pattern | Failure:
    """Compile a pattern, or say why it cannot be."""
    import re2  # type: ignore[import-untyped]  # noqa: PLC0415

    if len(pattern) > MAX_PATTERN:
        return TOO_LARGE
    options = re2.Options()
    options.log_errors = False  # it would write the pattern to stderr
    options.max_mem = _MAX_MEMORY
    try:
        # As bytes: re2 then need not turn offsets, which nobody asks for, back into characters.
        regex = re2.compile(pattern.encode(), options)
    except (re2.error, UnicodeEncodeError):
        return BAD_REGEX

    search = regex.search

    def found_in(text: Any) -> Any:
        if type(text) is not str:
            return mismatch(text)
        if len(text) > MAX_TEXT:
            return TOO_LARGE
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            # Half a surrogate pair is legal in JSON; Go reads it as the replacement character.
            encoded = _SURROGATE.sub("\ufffd", text).encode()
        return search(encoded) is not None

    return Pattern(found_in, regex.programsize)


def matches(text: Any, pattern: Any) -> Any:
    """Return whether a pattern is found anywhere in a text."""
    if type(text) is not str or type(pattern) is not str:
        return mismatch(text, pattern)
    compiled = compile_pattern(pattern)
    return compiled if isinstance(compiled, Failure) else compiled.found_in(text)
