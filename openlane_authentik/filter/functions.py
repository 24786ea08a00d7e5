"""CEL's functions on values, by name; a function on a type it does not take gives a ``Failure``.

Conversions follow Go's ``strconv``, for hosts run cel-go.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from math import copysign, isfinite, isnan
from typing import Any, Final

from openlane_authentik.filter import times
from openlane_authentik.filter.regex import matches
from openlane_authentik.filter.values import (
    BAD_BOOL,
    BAD_NUMBER,
    BAD_TEXT,
    INT_MAX,
    INT_MIN,
    OVERFLOW,
    UINT_MAX,
    Duration,
    Timestamp,
    Uint,
    mismatch,
    type_of,
)

_SECOND: Final = 1_000_000_000
_INT_TEXT: Final = re.compile(r"[+-]?[0-9]{1,40}")
_UINT_TEXT: Final = re.compile(r"[0-9]{1,40}")
_DOUBLE_TEXT: Final = re.compile(
    r"[+-]?(?:(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,10})?|inf(?:inity)?|nan)", re.IGNORECASE
)
_BOOLS: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_SIZED: Final = frozenset({str, bytes, list, dict})
_EXPONENT_BELOW: Final = -4
_EXPONENT_FROM: Final = 6


def size(value: Any) -> Any:
    """Return the number of characters, bytes, elements or keys."""
    return len(value) if type(value) in _SIZED else mismatch(value)


def text_test(test: Callable[[str, str], bool]) -> Callable[[Any, Any], Any]:
    """Make a function of two texts."""

    def run(text: Any, other: Any) -> Any:
        if type(text) is str and type(other) is str:
            return test(text, other)
        return mismatch(text, other)

    return run


def to_int(value: Any) -> Any:
    """Convert to int: doubles are cut towards zero, timestamps are seconds."""
    kind = type(value)
    if kind is float:
        # 2**63 itself is a double, and just too large.
        return int(value) if -(2.0**63) <= value < 2.0**63 else OVERFLOW
    if kind is str:
        return _in_int(int(value)) if _INT_TEXT.fullmatch(value) else BAD_NUMBER
    if kind is int or kind is Uint:
        return _in_int(int(value))
    return int(value) // _SECOND if kind is Timestamp else mismatch(value)


def _in_int(number: int) -> Any:
    return number if INT_MIN <= number <= INT_MAX else OVERFLOW


def to_uint(value: Any) -> Any:
    """Convert to uint: doubles are cut towards zero, negative numbers fail."""
    kind = type(value)
    if kind is float:
        return Uint(int(value)) if 0 <= value < 2.0**64 else OVERFLOW
    if kind is str and not _UINT_TEXT.fullmatch(value):
        return BAD_NUMBER
    if kind is str or kind is int or kind is Uint:
        number = int(value)
        return Uint(number) if 0 <= number <= UINT_MAX else OVERFLOW
    return mismatch(value)


def to_double(value: Any) -> Any:
    """Convert to double."""
    kind = type(value)
    if kind is float:
        return value
    if kind is str:
        if not _DOUBLE_TEXT.fullmatch(value):
            return BAD_NUMBER
        number = float(value)
        return number if isfinite(number) or "n" in value.lower() else BAD_NUMBER
    if kind is int or kind is Uint:
        try:
            return float(value)
        except OverflowError:  # a payload's int may have any size
            return OVERFLOW
    return mismatch(value)


def to_string(value: Any) -> Any:
    """Convert to string; a double is written as Go's ``%g``."""
    kind = type(value)
    if kind is str:
        return value
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is Uint:
        return str(int(value)) if abs(value) <= UINT_MAX else OVERFLOW
    if kind is float:
        return _format_double(value)
    if kind is bytes:
        try:
            return value.decode()
        except UnicodeDecodeError:
            return BAD_TEXT
    if kind is Timestamp:
        return times.format_timestamp(value)
    return times.format_duration(value) if kind is Duration else mismatch(value)


def _format_double(number: float) -> str:
    if not isfinite(number):
        return "NaN" if isnan(number) else f"{'-' if number < 0 else '+'}Inf"
    if number == 0:
        return "-0" if copysign(1, number) < 0 else "0"
    exact = Decimal(repr(number)).normalize()
    exponent = exact.adjusted()
    if _EXPONENT_BELOW <= exponent < _EXPONENT_FROM:
        return f"{exact:f}"
    first, *others = map(str, exact.as_tuple().digits)
    fraction = f".{''.join(others)}" if others else ""
    return f"{'-' if number < 0 else ''}{first}{fraction}e{exponent:+03d}"


def to_bool(value: Any) -> Any:
    """Convert to bool; of texts those that Go reads as one."""
    if type(value) is bool:
        return value
    return _BOOLS.get(value, BAD_BOOL) if type(value) is str else mismatch(value)


def to_bytes(value: Any) -> Any:
    """Convert to bytes, as UTF-8."""
    if type(value) is str:
        try:
            return value.encode()
        except UnicodeEncodeError:
            return BAD_TEXT
    return value if type(value) is bytes else mismatch(value)


def to_timestamp(value: Any) -> Any:
    """Convert an RFC 3339 text, or seconds since 1970, to a timestamp."""
    kind = type(value)
    if kind is str:
        return times.parse_timestamp(value)
    if kind is int:
        return times.timestamp_in_range(value * _SECOND)
    return value if kind is Timestamp else mismatch(value)


def to_duration(value: Any) -> Any:
    """Convert a text such as "1h30m" to a duration."""
    if type(value) is str:
        return times.parse_duration(value)
    return value if type(value) is Duration else mismatch(value)


def identity(value: Any) -> Any:
    """Return the value itself, as ``dyn`` does."""
    return value


IMPLEMENTATIONS: Final[dict[str, Callable[..., Any]]] = {
    "size": size,
    "contains": text_test(str.__contains__),
    "startsWith": text_test(str.startswith),
    "endsWith": text_test(str.endswith),
    "matches": matches,
    "type": type_of,
    "dyn": identity,
    "int": to_int,
    "uint": to_uint,
    "double": to_double,
    "string": to_string,
    "bool": to_bool,
    "bytes": to_bytes,
    "timestamp": to_timestamp,
    "duration": to_duration,
    **{name: partial(times.part, name) for name in times.PARTS},
}
