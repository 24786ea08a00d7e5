"""CEL's operators on values: strict types, 64 bits, no truthiness; what has no value gives a ``Failure``.

Results that grow are capped: a text or list made by ``+`` has at most ``MAX_SIZE`` elements.
"""

import operator
from collections.abc import Callable
from math import copysign, inf, nan
from typing import Any, Final

from openlane_authentik.filter.times import timestamp_in_range
from openlane_authentik.filter.values import (
    DIVISION_BY_ZERO,
    DUPLICATE_KEY,
    INDEX_OUT_OF_RANGE,
    INT_MAX,
    INT_MIN,
    NUMERIC,
    OVERFLOW,
    TOO_LARGE,
    TYPE_MISMATCH,
    UINT_MAX,
    Duration,
    Failure,
    Timestamp,
    Uint,
    map_key,
    mismatch,
    same,
    whole,
)

MAX_SIZE: Final = 100_000

MISSING: Final = Failure("missing", hard=False)
"""What ``index`` gives for a key a map does not have; who calls it knows the path to name."""

_ORDERED: Final = frozenset({int, float, str, bytes, bool, Uint, Timestamp, Duration})


def equal(left: Any, right: Any) -> Any:
    """Compare for equality; values of different types are unequal, not an error."""
    if type(left) is Failure:
        return left
    return right if type(right) is Failure else same(left, right)


def unequal(left: Any, right: Any) -> Any:
    """Compare for inequality."""
    result = equal(left, right)
    return result if type(result) is Failure else not result


def ordering(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    """Make an ordering operator: within a type, and between numbers of any type."""

    def run(left: Any, right: Any) -> Any:
        kind = type(left)
        if kind is type(right):
            if kind in _ORDERED:
                return compare(left, right)
        elif kind in NUMERIC and type(right) in NUMERIC:
            return compare(left, right)
        return mismatch(left, right)

    return run


def member(left: Any, right: Any) -> Any:
    """Return whether a list has an equal element, or a map the key."""
    if type(left) is Failure:
        return left
    if type(right) is list:
        return any(same(left, item) for item in right)
    if type(right) is dict:
        key = map_key(left)
        return key if type(key) is Failure else key in right
    return mismatch(right)


def index(container: Any, position: Any) -> Any:
    """Return an element of a list, or the value of a map's key, or ``MISSING``."""
    if type(container) is list:
        at = whole(position) if type(position) is float else position
        if type(at) is not int and type(at) is not Uint:
            return mismatch(position)
        return container[at] if 0 <= at < len(container) else INDEX_OUT_OF_RANGE
    if type(container) is dict:
        key = map_key(position)
        return key if type(key) is Failure else container.get(key, MISSING)
    return mismatch(container, position)


def build_map(items: list[Any]) -> Any:
    """Build a map from keys and values in turn."""
    result: dict[Any, Any] = {}
    for at in range(0, len(items), 2):
        key, value = items[at], items[at + 1]
        if type(key) is Failure or type(value) is Failure:
            return mismatch(key, value)
        encoded = TYPE_MISMATCH if type(key) is float else map_key(key)
        if type(encoded) is Failure:
            return encoded
        if encoded in result:
            return DUPLICATE_KEY
        result[encoded] = value
    return result


def _int(number: int) -> Any:
    return number if INT_MIN <= number <= INT_MAX else OVERFLOW


def _uint(number: int) -> Any:
    return Uint(number) if 0 <= number <= UINT_MAX else OVERFLOW


def _duration(nanoseconds: int) -> Any:
    return Duration(nanoseconds) if INT_MIN <= nanoseconds <= INT_MAX else OVERFLOW


def _concatenated(left: Any, right: Any) -> Any:
    return left + right if len(left) + len(right) <= MAX_SIZE else TOO_LARGE


def add(left: Any, right: Any) -> Any:
    """Add numbers or times; join texts, bytes or lists."""
    kind, other = type(left), type(right)
    if kind is other:
        if kind is int:
            return _int(left + right)
        if kind is str or kind is list or kind is bytes:
            return _concatenated(left, right)
        if kind is float:
            return left + right
        if kind is Uint:
            return _uint(int(left) + right)
        if kind is Duration:
            return _duration(int(left) + right)
    elif {kind, other} == {Timestamp, Duration}:
        return timestamp_in_range(int(left) + right)
    return mismatch(left, right)


def subtract(left: Any, right: Any) -> Any:
    """Subtract numbers or times."""
    kind, other = type(left), type(right)
    if kind is other:
        if kind is int:
            return _int(left - right)
        if kind is float:
            return left - right
        if kind is Uint:
            return _uint(int(left) - right)
        if kind is Duration or kind is Timestamp:
            return _duration(int(left) - right)
    elif kind is Timestamp and other is Duration:
        return timestamp_in_range(int(left) - right)
    return mismatch(left, right)


def multiply(left: Any, right: Any) -> Any:
    """Multiply two numbers of one type."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return _int(left * right)
        if kind is float:
            return left * right
        if kind is Uint:
            return _uint(int(left) * right)
    return mismatch(left, right)


def divide(left: Any, right: Any) -> Any:
    """Divide two numbers of one type; ints are cut towards zero, doubles follow IEEE 754."""
    kind = type(left)
    if kind is type(right):
        if kind is float:
            return left / right if right else _divided_by_zero(left, right)
        if kind is int or kind is Uint:
            if not right:
                return DIVISION_BY_ZERO
            quotient = abs(int(left)) // abs(int(right))
            signed = -quotient if (left < 0) != (right < 0) else quotient
            return _int(signed) if kind is int else Uint(signed)
    return mismatch(left, right)


def _divided_by_zero(left: float, right: float) -> float:
    return nan if left == 0 or left != left else copysign(inf, left) * copysign(1, right)  # noqa: PLR0124 - NaN


def remainder(left: Any, right: Any) -> Any:
    """Return the remainder of two ints or uints, with the sign of the left one."""
    kind = type(left)
    if kind is type(right) and (kind is int or kind is Uint):
        if not right:
            return DIVISION_BY_ZERO
        result = abs(int(left)) % abs(int(right))
        return Uint(result) if kind is Uint else _int(-result if left < 0 else result)
    return mismatch(left, right)


def negate(operand: Any) -> Any:
    """Negate an int or a double."""
    if type(operand) is int:
        return _int(-operand)
    return -operand if type(operand) is float else mismatch(operand)


def invert(operand: Any) -> Any:
    """Return the opposite of true or false."""
    if operand is True:
        return False
    return True if operand is False else mismatch(operand)


BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": equal,
    "!=": unequal,
    "<": ordering(operator.lt),
    "<=": ordering(operator.le),
    ">": ordering(operator.gt),
    ">=": ordering(operator.ge),
    "in": member,
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
}
