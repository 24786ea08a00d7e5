"""Compiled steps that read variables, fields and elements.

Whole doubles become ints where they are read, as hosts make them when they decode a record.
"""

from typing import Any

from openlane_authentik.filter import operators
from openlane_authentik.filter.budget import (
    SIZED,
    UNITS_LEFT,
    VARIABLE_SLOTS,
    Closure,
    Frame,
    pays,
    pays_pattern,
    pays_search,
)
from openlane_authentik.filter.regex import Pattern, compile_pattern
from openlane_authentik.filter.values import BUDGET_EXCEEDED, Failure, mismatch, whole


def constant(value: Any) -> Closure:
    """Return a value known beforehand."""
    return lambda _payload, _frame: value


def payload() -> Closure:
    """Return the whole payload."""
    return lambda record, _frame: record


def slot(position: int) -> Closure:
    """Return what the frame holds: a variable of the host or of a macro."""
    return lambda _payload, frame: frame[position]


def envelope_member(name: str) -> Closure:
    """Return a variable as a member of the envelope, which has none that are empty."""
    position = VARIABLE_SLOTS[name]
    missing = Failure(f"missing:envelope.{name}", hard=False)
    return lambda _payload, frame: frame[position] or missing


def payload_field(name: str, missing: Failure) -> Closure:
    """Return a field of the payload."""

    def run(record: dict[str, Any], _frame: Frame) -> Any:
        value = record.get(name, missing)
        return whole(value) if type(value) is float else value

    return run


def field(operand: Closure, name: str, missing: Failure) -> Closure:
    """Return a field of any map."""

    def run(record: dict[str, Any], frame: Frame) -> Any:
        container = operand(record, frame)
        if type(container) is not dict:
            return mismatch(container)
        value = container.get(name, missing)
        return whole(value) if type(value) is float else value

    return run


def exact_field(operand: Closure, name: str, missing: Failure) -> Closure:
    """Return a field of a map that the filter itself has written, where a double is meant to be one."""

    def run(record: dict[str, Any], frame: Frame) -> Any:
        container = operand(record, frame)
        return container.get(name, missing) if type(container) is dict else mismatch(container)

    return run


def payload_has(name: str) -> Closure:
    """Return whether the payload has a field."""
    return lambda record, _frame: name in record


def has(operand: Closure, name: str) -> Closure:
    """Return whether any map has a field."""

    def run(record: dict[str, Any], frame: Frame) -> Any:
        container = operand(record, frame)
        return name in container if type(container) is dict else mismatch(container)

    return run


def index(operand: Closure, position: Closure, missing: Failure, *, exact: bool) -> Closure:
    """Return an element of a list or the value of a key; ``exact`` as in ``exact_field``."""

    def run(record: dict[str, Any], frame: Frame) -> Any:
        value = operators.index(operand(record, frame), position(record, frame))
        if value is operators.MISSING:
            return missing
        return whole(value) if type(value) is float and not exact else value

    return run


def list_of(items: tuple[Closure, ...]) -> Closure:
    """Build a list, for a unit an element; an element without a value fails the whole."""

    def run(record: dict[str, Any], frame: Frame) -> Any:
        frame[UNITS_LEFT] -= len(items)
        values = [item(record, frame) for item in items]
        for value in values:
            if type(value) is Failure:
                return value
        return values

    return run


def map_of(items: tuple[Closure, ...]) -> Closure:
    """Build a map from keys and values in turn, for a unit each."""

    def run(record: dict[str, Any], frame: Frame) -> Any:
        frame[UNITS_LEFT] -= len(items)
        return operators.build_map([item(record, frame) for item in items])

    return run


def call(step: Any, argument: Closure) -> Closure:
    """Apply a step of constant cost."""
    return lambda record, frame: step(argument(record, frame))


def paid_call(step: Any, arguments: tuple[Closure, ...]) -> Closure:
    """Apply a step that pays for the size of what it works on."""
    if len(arguments) == 1:
        return _paid_call_of_one(step, *arguments)
    first, second = arguments

    def run(record: dict[str, Any], frame: Frame) -> Any:
        left, right = first(record, frame), second(record, frame)
        if type(left) in SIZED and not pays(frame, left):
            return BUDGET_EXCEEDED
        if type(right) in SIZED and not pays(frame, right):
            return BUDGET_EXCEEDED
        return step(left, right)

    return run


def _paid_call_of_one(step: Any, argument: Closure) -> Closure:
    def run(record: dict[str, Any], frame: Frame) -> Any:
        value = argument(record, frame)
        if type(value) in SIZED and not pays(frame, value):
            return BUDGET_EXCEEDED
        return step(value)

    return run


def matches_constant(text: Closure, pattern: Pattern) -> Closure:
    """Compile ``text.matches('...')`` for a pattern known beforehand."""
    found_in, instructions = pattern.found_in, pattern.instructions

    def run(record: dict[str, Any], frame: Frame) -> Any:
        value = text(record, frame)
        return found_in(value) if pays_search(frame, value, instructions) else BUDGET_EXCEEDED

    return run


def matches(text: Closure, pattern: Closure) -> Closure:
    """Compile ``text.matches(pattern)`` for a pattern that a record holds."""

    def run(record: dict[str, Any], frame: Frame) -> Any:
        value, source = text(record, frame), pattern(record, frame)
        if type(value) is not str or type(source) is not str:
            return mismatch(value, source)
        if not pays_pattern(frame):
            return BUDGET_EXCEEDED
        compiled = compile_pattern(source)
        if isinstance(compiled, Failure):
            return compiled
        return compiled.found_in(value) if pays_search(frame, value, compiled.instructions) else BUDGET_EXCEEDED

    return run
