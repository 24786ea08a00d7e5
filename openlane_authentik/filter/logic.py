"""Compiled ``&&``, ``||``, ``!`` and ``? :``, with CEL's absorption of errors.

``false && error`` is false whichever stands first, and ``true || error`` true. Only when nothing absorbs them does a
failure count, a hard one before a missing field.
"""

from typing import Any

from openlane_authentik.filter import operators
from openlane_authentik.filter.budget import Closure, Frame
from openlane_authentik.filter.values import Failure, mismatch


def worse(failure: Failure | None, value: Any) -> Failure:
    """Return what counts of an earlier failure and an operand that is neither true nor false."""
    other = mismatch(value)
    return other if failure is None or (other.hard and not failure.hard) else failure


def chain(operator: str, operands: tuple[Closure, ...]) -> Closure:
    """Compile a chain of one logical operator."""
    # What decides the chain at once, and what it is when nothing does.
    decisive = operator == "||"
    if len(operands) == 2:  # noqa: PLR2004 - the common case, without a loop
        return _pair(*operands, decisive=decisive)

    def run(payload: dict[str, Any], frame: Frame) -> Any:
        failure: Failure | None = None
        for operand in operands:
            value = operand(payload, frame)
            if value is decisive:
                return decisive
            if value is not (not decisive):
                failure = worse(failure, value)
        return failure or not decisive

    return run


def _pair(left: Closure, right: Closure, *, decisive: bool) -> Closure:
    neutral = not decisive

    def run(payload: dict[str, Any], frame: Frame) -> Any:
        first = left(payload, frame)
        if first is decisive:
            return decisive
        second = right(payload, frame)
        if first is neutral and (second is neutral or second is decisive):
            return second
        if second is decisive:
            return decisive
        failure = None if first is neutral else worse(None, first)
        return failure if failure and second is neutral else worse(failure, second)

    return run


def invert(operand: Closure) -> Closure:
    """Compile ``!``."""
    inverted = operators.invert
    return lambda payload, frame: inverted(operand(payload, frame))


def conditional(test: Closure, then: Closure, otherwise: Closure) -> Closure:
    """Compile ``test ? then : otherwise``; only the branch taken is evaluated."""

    def run(payload: dict[str, Any], frame: Frame) -> Any:
        value = test(payload, frame)
        if value is True:
            return then(payload, frame)
        return otherwise(payload, frame) if value is False else mismatch(value)

    return run
