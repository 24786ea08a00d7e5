"""Shorter ways to compare with a constant, for what most filters consist of.

Each gives what the operator in ``operators`` gives for the same operands; the tests hold them to it. None applies to
a constant whose Python equality differs from CEL's.
"""

from typing import Any, Final

from openlane_authentik.filter.budget import UNITS_LEFT, Closure, Frame
from openlane_authentik.filter.values import BUDGET_EXCEEDED, Failure, mismatch

_ELEMENTS_A_UNIT: Final = 16
_PLAIN: Final = frozenset({str, bool, type(None)})


def is_plain(value: Any) -> bool:
    """Return whether a constant is a string, a bool or null, which equal nothing of another type."""
    return type(value) in _PLAIN


def payload_field_equals(name: str, missing: Failure, expected: Any) -> Closure:
    """Compile ``payload.name == expected`` for a plain constant."""
    if type(expected) is str:

        def run(record: dict[str, Any], _frame: Frame) -> Any:
            value = record.get(name, missing)
            return missing if value is missing else value == expected

        return run

    def run_identical(record: dict[str, Any], _frame: Frame) -> Any:
        value = record.get(name, missing)
        return missing if value is missing else value is expected

    return run_identical


def equals(operand: Closure, expected: Any, *, wanted: bool) -> Closure:
    """Compile ``operand == expected``, or ``!=`` when not wanted, for a plain constant."""
    if type(expected) is str:

        def run(record: dict[str, Any], frame: Frame) -> Any:
            value = operand(record, frame)
            return value if type(value) is Failure else (value == expected) is wanted

        return run

    def run_identical(record: dict[str, Any], frame: Frame) -> Any:
        value = operand(record, frame)
        return value if type(value) is Failure else (value is expected) is wanted

    return run_identical


def in_texts(operand: Closure, texts: list[str]) -> Closure:
    """Compile ``operand in ['a', 'b']`` for constant strings."""
    members = frozenset(texts)

    def run(record: dict[str, Any], frame: Frame) -> Any:
        value = operand(record, frame)
        if type(value) is str:
            return value in members
        return value if type(value) is Failure else False

    return run


def text_in(text: str, operand: Closure) -> Closure:
    """Compile ``'text' in operand`` by Python's own search, quick enough for many elements to be one unit."""

    def run(record: dict[str, Any], frame: Frame) -> Any:
        container = operand(record, frame)
        if type(container) is list:
            frame[UNITS_LEFT] -= len(container) // _ELEMENTS_A_UNIT
            return text in container if frame[UNITS_LEFT] >= 0 else BUDGET_EXCEEDED
        return text in container if type(container) is dict else mismatch(container)

    return run
