"""Working out what a filter says about constants once, and refusing constants that can never be used.

After this no timestamp, duration or regular expression written in a filter is read again for each record.
"""

from dataclasses import replace
from typing import Any, Final

from openlane_authentik.filter import operators
from openlane_authentik.filter.diagnostics import refuse
from openlane_authentik.filter.functions import IMPLEMENTATIONS
from openlane_authentik.filter.regex import MAX_PATTERN, compile_pattern
from openlane_authentik.filter.syntax import (
    Binary,
    Call,
    Comprehension,
    Conditional,
    Has,
    Index,
    ListOf,
    Literal,
    Logic,
    MapOf,
    Negate,
    Node,
    Not,
    Select,
)
from openlane_authentik.filter.times import PARTS, zone
from openlane_authentik.filter.values import (
    BAD_BOOL,
    BAD_DURATION,
    BAD_NUMBER,
    BAD_REGEX,
    BAD_TIMESTAMP,
    BAD_TIMEZONE,
    OVERFLOW,
    Failure,
)

_MESSAGES: Final[dict[Failure, tuple[str, str]]] = {
    BAD_TIMESTAMP: ("filter_timestamp", "this is not a timestamp with a zone, such as '2026-01-31T00:00:00Z'"),
    BAD_DURATION: ("filter_duration", "this is not a duration, such as '36h' or '1h30m'; the largest unit is h"),
    BAD_TIMEZONE: ("filter_timezone", "this is not a time zone, such as 'Europe/Vienna' or '+02:00'"),
    BAD_REGEX: ("filter_regex", "this regular expression is not one RE2 takes"),
    BAD_NUMBER: ("filter_number", "this text is not a number"),
    BAD_BOOL: ("filter_bool", "this text is neither 'true' nor 'false'"),
    OVERFLOW: ("filter_number_range", "this value is out of range"),
}


def fold(expression: str, node: Node) -> Node:
    """Replace every part of a checked tree that depends on no record by its value.

    Raises:
        FilterError: A constant text is no timestamp, duration, time zone, number or regular expression.
    """
    node = _with_folded_parts(expression, node)
    match node:
        case Call():
            return _call(expression, node)
        case Binary(left=Literal(value=left), right=Literal(value=right)):
            return _constant(node, operators.BINARY[node.operator](left, right))
        case Not(operand=Literal(value=value)):
            return _constant(node, operators.invert(value))
        case Negate(operand=Literal(value=value)):
            return _constant(node, operators.negate(value))
        case ListOf(items=items) if all(isinstance(item, Literal) for item in items):
            return Literal(node.offset, _values(items))
        case MapOf(items=items) if all(isinstance(item, Literal) for item in items):
            return _constant(node, operators.build_map(_values(items)))
        case _:
            return node


def _with_folded_parts(expression: str, node: Node) -> Node:  # noqa: C901 - a case a node
    def folded(*names: str) -> dict[str, Any]:
        parts = ((name, getattr(node, name)) for name in names)
        return {name: fold(expression, part) for name, part in parts if part is not None}

    def each(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        return tuple(fold(expression, part) for part in nodes)

    match node:
        case Select() | Has() | Not() | Negate():
            return replace(node, **folded("operand"))
        case Index():
            return replace(node, **folded("operand", "index"))
        case Binary():
            return replace(node, **folded("left", "right"))
        case Conditional():
            return replace(node, **folded("test", "then", "otherwise"))
        case Comprehension():
            return replace(node, **folded("source", "predicate", "transform"))
        case Call():
            return replace(node, arguments=each(node.arguments))
        case Logic():
            return replace(node, operands=each(node.operands))
        case ListOf() | MapOf():
            return replace(node, items=each(node.items))
        case _:
            return node


def _values(nodes: tuple[Node, ...]) -> list[Any]:
    return [node.value for node in nodes if isinstance(node, Literal)]


def _constant(node: Node, value: Any) -> Node:
    """Return the constant; what fails is left for evaluation, where ``||`` may still absorb it."""
    return node if isinstance(value, Failure) else Literal(node.offset, value)


def _call(expression: str, node: Call) -> Node:
    second = node.arguments[1] if len(node.arguments) > 1 else None
    if isinstance(second, Literal) and isinstance(second.value, str):
        if node.function == "matches":
            _check_pattern(expression, second, second.value)
        elif node.function in PARTS and isinstance(zone(second.value), Failure):
            _refuse(expression, second, BAD_TIMEZONE)
    if node.function == "dyn" or not all(isinstance(argument, Literal) for argument in node.arguments):
        return node
    value = IMPLEMENTATIONS[node.function](*_values(node.arguments))
    if isinstance(value, Failure) and value in _MESSAGES:
        _refuse(expression, node.arguments[0], value)
    return _constant(node, value)


def _check_pattern(expression: str, node: Literal, pattern: str) -> None:
    if len(pattern) > MAX_PATTERN:
        message = f"this regular expression is too long: at most {MAX_PATTERN} characters are allowed"
        refuse(expression, node.offset, "filter_regex", message)
    if compile_pattern(pattern) is BAD_REGEX:
        _refuse(expression, node, BAD_REGEX)


def _refuse(expression: str, node: Node, failure: Failure) -> None:
    code, message = _MESSAGES[failure]
    refuse(expression, node.offset, code, message)
