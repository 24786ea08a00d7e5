"""The work one evaluation may do, counted in units so that the same record always gets the same verdict.

Every step whose cost grows with its operands pays for their size, and every element a macro visits for the length of
what is done with it. A unit is about a microsecond of work, so the whole is about the 100 ms a host allows.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from openlane_authentik.filter.syntax import Node, walk

Frame: TypeAlias = list[Any]
"""What one evaluation has of its own: the units left, the variables but for the payload, and macros' variables."""
Closure: TypeAlias = Callable[[dict[str, Any], Frame], Any]
"""A compiled step: from payload and frame to a value or a ``Failure``."""

BUDGET: Final = 100_000
UNITS_LEFT: Final = 0
VARIABLE_SLOTS: Final = {"resource": 1, "action": 2, "variant": 3, "envelope": 4}
FIRST_LOCAL: Final = 5

SIZED: Final = frozenset({str, bytes, list, dict})

_CHARACTERS_A_UNIT: Final = 64
_NODES_A_UNIT: Final = 16
_STEPS_A_UNIT: Final = 64
_PATTERN_COST: Final = 200


def weight(value: Any, limit: int) -> int:
    """Return the size of a value in units, with all it contains; counting ends soon after the limit."""
    total = 0
    pending = [value]
    while pending and total <= limit:
        part = pending.pop()
        kind = type(part)
        if kind is str or kind is bytes:
            total += len(part) // _CHARACTERS_A_UNIT
        elif kind is list or kind is dict:
            total += len(part)
            if total <= limit:
                pending.extend(part if kind is list else part.values())
    return total


def pays(frame: Frame, value: Any) -> bool:
    """Pay for work on a value; false when the budget does not suffice."""
    left = frame[UNITS_LEFT]
    left -= weight(value, left)
    frame[UNITS_LEFT] = left
    return bool(left >= 0)


def pays_search(frame: Frame, text: Any, instructions: int) -> bool:
    """Pay for a search with a regular expression; false when the budget does not suffice."""
    if type(text) is str:
        frame[UNITS_LEFT] -= len(text) * instructions // _STEPS_A_UNIT
    return bool(frame[UNITS_LEFT] >= 0)


def pays_pattern(frame: Frame) -> bool:
    """Pay for compiling a regular expression that is not known beforehand."""
    frame[UNITS_LEFT] -= _PATTERN_COST
    return bool(frame[UNITS_LEFT] >= 0)


def price(*nodes: Node | None) -> int:
    """Return what visiting one element costs for what is done with it."""
    return 1 + sum(sum(1 for _ in walk(node)) for node in nodes if node is not None) // _NODES_A_UNIT
