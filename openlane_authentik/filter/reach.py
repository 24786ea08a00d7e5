"""Whether a filter can ever be true for a kind of record, told from the fields that kind has.

Each part of a filter is taken for the set of what it can come to. A field the kind lacks can only be missing, and
nearly everything that needs a missing value is missing itself; what is not known for certain may be anything, so
"can never match" is only said when it is so.
"""

from enum import Flag, auto

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
    Variable,
    children,
)


class Outcome(Flag):
    """What a part of a filter can come to."""

    TRUE = auto()
    FALSE = auto()
    OTHER = auto()  # a value that is no bool
    FAILED = auto()  # no value: a field is missing, or an error


_ANYTHING = Outcome.TRUE | Outcome.FALSE | Outcome.OTHER | Outcome.FAILED
_NO_BOOL = Outcome.OTHER | Outcome.FAILED


def can_match(node: Node, fields: frozenset[str]) -> bool:
    """Return whether a filter can be true for a record that has no top-level field but these."""
    return Outcome.TRUE in _outcomes(node, fields)


def _outcomes(node: Node, fields: frozenset[str]) -> Outcome:
    match node:
        case Literal():
            return _of_constant(node)
        case Has(operand=Variable(name="payload")):
            return Outcome.TRUE | Outcome.FALSE if node.field in fields else Outcome.FALSE
        case Select(operand=Variable(name="payload")):
            return _ANYTHING if node.field in fields else Outcome.FAILED
        case Not():
            return _inverted(_outcomes(node.operand, fields))
        case Logic():
            return _of_chain(node, fields)
        case Conditional():
            return _of_conditional(node, fields)
        case Comprehension():
            return _of_macro(node, fields)
        case Select() | Has() | Index() | Call() | Negate() | Binary() | ListOf() | MapOf():
            return _strict(node, fields)
        case _:
            return _ANYTHING


def _of_constant(node: Literal) -> Outcome:
    if type(node.value) is bool:
        return Outcome.TRUE if node.value else Outcome.FALSE
    return Outcome.OTHER


def _strict(node: Node, fields: frozenset[str]) -> Outcome:
    """Return what a part comes to that has no value unless all its parts have one."""
    if any(_outcomes(part, fields) == Outcome.FAILED for part in children(node)):
        return Outcome.FAILED
    return _NO_BOOL if isinstance(node, ListOf | MapOf | Negate) else _ANYTHING


def _inverted(given: Outcome) -> Outcome:
    result = Outcome.FAILED if given & _NO_BOOL else Outcome(0)
    if Outcome.TRUE in given:
        result |= Outcome.FALSE
    return result | Outcome.TRUE if Outcome.FALSE in given else result


def _of_chain(node: Logic, fields: frozenset[str]) -> Outcome:
    parts = [_outcomes(operand, fields) for operand in node.operands]
    decisive, neutral = (Outcome.TRUE, Outcome.FALSE) if node.operator == "||" else (Outcome.FALSE, Outcome.TRUE)
    if decisive in parts:
        return decisive
    result = Outcome(0)
    if any(decisive in part for part in parts):
        result |= decisive
    if all(neutral in part for part in parts):
        result |= neutral
    return result | Outcome.FAILED if any(part & _NO_BOOL for part in parts) else result


def _of_conditional(node: Conditional, fields: frozenset[str]) -> Outcome:
    test = _outcomes(node.test, fields)
    result = Outcome.FAILED if test & _NO_BOOL else Outcome(0)
    if Outcome.TRUE in test:
        result |= _outcomes(node.then, fields)
    return result | _outcomes(node.otherwise, fields) if Outcome.FALSE in test else result


def _of_macro(node: Comprehension, fields: frozenset[str]) -> Outcome:
    if _outcomes(node.source, fields) == Outcome.FAILED:
        return Outcome.FAILED
    if node.macro in {"filter", "map"}:
        return _NO_BOOL
    if node.predicate is not None and Outcome.TRUE not in _outcomes(node.predicate, fields) and node.macro != "all":
        return Outcome.FALSE | Outcome.FAILED
    return Outcome.TRUE | Outcome.FALSE | Outcome.FAILED
