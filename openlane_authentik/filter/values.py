"""What a CEL value is in Python, what a failed step gives instead, and when two values are equal.

null is ``None``; bool, double, string, bytes, list and map are Python's own; int is an ``int`` of 64 bits. The
subclasses of ``int`` below are kept apart by ``type(value) is``: no code here asks with ``isinstance``, because to
Python a bool is an int, and to CEL it is not.

A step that fails *returns* a ``Failure``, made once when the filter is compiled, and raises nothing. That keeps a
missing field as cheap as a present one, and instances carry no traceback, so threads can share them.
"""

from dataclasses import dataclass
from typing import Any, Final

from openlane_authentik.filter.verdict import Verdict

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
UINT_MAX: Final = 2**64 - 1


class Uint(int):
    """A CEL uint: 0 to 2**64 - 1."""

    __slots__ = ()


class Timestamp(int):
    """A CEL timestamp: nanoseconds since 1970-01-01T00:00:00Z, within the years 1 to 9999."""

    __slots__ = ()


class Duration(int):
    """A CEL duration: nanoseconds that fit 64 bits, as in Go (about 292 years either way)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class CelType:
    """The value of ``type(x)``, and of a type's name in an expression."""

    name: str


@dataclass(frozen=True, slots=True)
class BoolKey:
    """A bool as the key of a map; Python's dict would take True for 1."""

    value: bool


class Failure:
    """What a step gives that has no value.

    Attributes:
        hard: Whether the filter failed on the record; else a field is missing or null, so it does not match.
        verdict: What becomes of a record whose filter ends like this.
    """

    __slots__ = ("hard", "verdict")

    def __init__(self, reason: str, *, hard: bool = True) -> None:
        self.hard = hard
        self.verdict = Verdict(kept=False, failed=hard, reason=reason)

    def __repr__(self) -> str:
        return f"Failure({self.verdict.reason})"


NULL: Final = Failure("null", hard=False)
TYPE_MISMATCH: Final = Failure("type_mismatch")
OVERFLOW: Final = Failure("overflow")
DIVISION_BY_ZERO: Final = Failure("division_by_zero")
INDEX_OUT_OF_RANGE: Final = Failure("index_out_of_range")
DUPLICATE_KEY: Final = Failure("duplicate_key")
BUDGET_EXCEEDED: Final = Failure("budget_exceeded")
TOO_LARGE: Final = Failure("too_large")
TOO_DEEP: Final = Failure("too_deep")
NOT_BOOL: Final = Failure("not_bool")
BAD_TIMESTAMP: Final = Failure("bad_timestamp")
BAD_TIMEZONE: Final = Failure("bad_timezone")
BAD_DURATION: Final = Failure("bad_duration")
BAD_NUMBER: Final = Failure("bad_number")
BAD_BOOL: Final = Failure("bad_bool")
BAD_TEXT: Final = Failure("bad_text")
BAD_REGEX: Final = Failure("bad_regex")

NUMERIC: Final = frozenset({int, Uint, float})

_TYPES: Final[dict[type, CelType]] = {
    type(None): CelType("null_type"),
    bool: CelType("bool"),
    int: CelType("int"),
    Uint: CelType("uint"),
    float: CelType("double"),
    str: CelType("string"),
    bytes: CelType("bytes"),
    list: CelType("list"),
    dict: CelType("map"),
    Timestamp: CelType("google.protobuf.Timestamp"),
    Duration: CelType("google.protobuf.Duration"),
    CelType: CelType("type"),
}
TYPE_NAMES: Final = {cel_type.name: cel_type for cel_type in _TYPES.values()}


def mismatch(*operands: Any) -> Failure:
    """Describe why an operation has no value for its operands: one has failed, one is null, or their types."""
    for operand in operands:
        if type(operand) is Failure:
            return operand
    return NULL if None in operands else TYPE_MISMATCH


def type_of(value: Any) -> CelType | Failure:
    """Return a value's CEL type."""
    return _TYPES.get(type(value)) or mismatch(value)


def whole(number: float) -> int | float:
    """Turn a whole double of a payload into an int, as hosts do; JSON does not keep the two apart."""
    if number.is_integer() and INT_MIN <= number <= INT_MAX:
        return int(number)
    return number


def map_key(value: Any) -> Any:
    """Return the dict key for a CEL map key: whole numbers of any type are one key, bools are none of them."""
    kind = type(value)
    if kind is str:
        return value
    if kind is bool:
        return BoolKey(value)
    if kind is int or kind is Uint:
        return int(value)
    if kind is float:
        return whole(value)
    return mismatch(value)


def map_keys(mapping: dict[Any, Any]) -> list[Any]:
    """List a map's keys as CEL values."""
    return [key.value if type(key) is BoolKey else key for key in mapping]


def same(left: Any, right: Any) -> bool:
    """Return whether two values are equal: numbers by value whatever their type, others only within a type.

    Walks without recursion: how deep a payload nests is not ours to say.
    """
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        kind = type(one)
        if kind is list:
            if type(other) is not list or len(one) != len(other):
                return False
            pending.extend(zip(one, other, strict=True))
        elif kind is dict:
            if type(other) is not dict or one.keys() != other.keys():
                return False
            pending.extend((value, other[key]) for key, value in one.items())
        elif one != other or (kind is not type(other) and not (kind in NUMERIC and type(other) in NUMERIC)):
            return False
    return True
