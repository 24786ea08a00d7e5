"""What can be told of a filter's types before any record is seen, and refusing what can never work.

Fields of records may hold anything, so most of a filter is dyn; what remains is checked as CEL's own checker does.
One leniency: a literal null where a value is needed is not refused, it leaves out the record like any other null.
"""

from functools import reduce
from typing import Final, NoReturn

from openlane_authentik.filter import signatures as types
from openlane_authentik.filter.diagnostics import refuse
from openlane_authentik.filter.signatures import StaticType, agree, joined, shown
from openlane_authentik.filter.syntax import (
    Binary,
    Call,
    Comprehension,
    Conditional,
    Has,
    Index,
    ListOf,
    Literal,
    Local,
    Logic,
    MapOf,
    Negate,
    Node,
    Not,
    Select,
    Variable,
)
from openlane_authentik.filter.values import CelType, type_of

_NUMBERS: Final = (types.INT, types.UINT, types.DOUBLE)
_ORDERED: Final = (*_NUMBERS, types.STRING, types.BYTES, types.BOOL, types.TIMESTAMP, types.DURATION)
_TIME_SUMS: Final = (
    (types.TIMESTAMP, types.DURATION, types.TIMESTAMP),
    (types.DURATION, types.DURATION, types.DURATION),
)

# Of each operator the left, right and result types; lists are added apart, for they have parameters.
_OPERATORS: Final[dict[str, tuple[tuple[StaticType, StaticType, StaticType], ...]]] = {
    "+": (
        *((of, of, of) for of in (*_NUMBERS, types.STRING, types.BYTES)),
        *_TIME_SUMS,
        (types.DURATION, types.TIMESTAMP, types.TIMESTAMP),
        (types.ANY_LIST, types.ANY_LIST, types.ANY_LIST),
    ),
    "-": (
        *((of, of, of) for of in _NUMBERS),
        *_TIME_SUMS,
        (types.TIMESTAMP, types.TIMESTAMP, types.DURATION),
    ),
    "*": tuple((of, of, of) for of in _NUMBERS),
    "/": tuple((of, of, of) for of in _NUMBERS),
    "%": tuple((of, of, of) for of in (types.INT, types.UINT)),
    **{operator: tuple((of, of, types.BOOL) for of in _ORDERED) for operator in ("<", "<=", ">", ">=")},
}
_KEYS: Final = (types.INT, types.UINT, types.BOOL, types.STRING)


def check(expression: str, root: Node) -> None:
    """Check a resolved tree.

    Raises:
        FilterError: It can never give true or false, or a step of it can never have a value.
    """
    given = _Checker(expression).check(root, ())
    if not agree(given, types.BOOL):
        leading = len(expression) - len(expression.lstrip())
        message = f"a filter must give true or false, this one gives {shown(given)}"
        refuse(expression, leading, "filter_not_bool", message)


class _Checker:
    def __init__(self, expression: str) -> None:
        self._expression = expression

    def _refuse(self, node: Node, message: str) -> NoReturn:
        refuse(self._expression, node.offset, "filter_type", message)

    def check(self, node: Node, scope: tuple[StaticType, ...]) -> StaticType:  # noqa: C901, PLR0911, PLR0912 - a case a node
        """Return a node's type; ``scope`` has those of the macros' variables."""
        match node:
            case Literal():
                return _type_of_literal(node)
            case Variable():
                return types.VARIABLES[node.name]
            case Local():
                return scope[node.slot]
            case Select() | Has():
                return self._member(node, scope)
            case Index():
                return self._index(node, scope)
            case Call():
                return self._call(node, scope)
            case Not():
                self._bool(node.operand, scope)
                return types.BOOL
            case Negate():
                return self._negate(node, scope)
            case Binary():
                return self._binary(node, scope)
            case Logic():
                for operand in node.operands:
                    self._bool(operand, scope)
                return types.BOOL
            case Conditional():
                return self._conditional(node, scope)
            case ListOf():
                return StaticType("list", (self._join(node.items, scope),))
            case MapOf():
                return self._map(node, scope)
            case Comprehension():
                return self._comprehension(node, scope)
            case _:  # pragma: no cover - resolve leaves no names
                raise AssertionError("checked before it was resolved")

    def _join(self, nodes: tuple[Node, ...], scope: tuple[StaticType, ...]) -> StaticType:
        given = [self.check(node, scope) for node in nodes]
        return reduce(joined, given) if given else types.DYN

    def _bool(self, node: Node, scope: tuple[StaticType, ...]) -> None:
        given = self.check(node, scope)
        if not agree(given, types.BOOL) and given != types.NULL_TYPE:
            self._refuse(node, f"true or false is needed here, this is {shown(given)}")

    def _member(self, node: Select | Has, scope: tuple[StaticType, ...]) -> StaticType:
        given = self.check(node.operand, scope)
        if given.name not in {"map", "dyn", "null_type"}:
            self._refuse(node, f"{shown(given)} has no fields such as {node.field!r}")
        if given.name == "map" and not agree(given.parameters[0], types.STRING):
            self._refuse(node, f"the keys of this map are not strings, so it has no field {node.field!r}")
        if isinstance(node, Has):
            return types.BOOL
        return given.parameters[1] if given.name == "map" else types.DYN

    def _index(self, node: Index, scope: tuple[StaticType, ...]) -> StaticType:
        given, index = self.check(node.operand, scope), self.check(node.index, scope)
        match node.index:
            case Literal(value=int(number)) if type(number) is int and number < 0 and given.name != "map":
                self._refuse(node, "an index cannot be negative; the first element is [0]")
        if given.name == "list":
            if not any(agree(index, of) for of in _NUMBERS):
                self._refuse(node, f"a list is indexed by a number, this is {shown(index)}")
            return given.parameters[0]
        if given.name == "map":
            if not agree(index, given.parameters[0]) and index != types.NULL_TYPE:
                self._refuse(node, f"the keys of this map are not of the type of {shown(index)}")
            return given.parameters[1]
        if given.name not in {"dyn", "null_type"}:
            self._refuse(node, f"{shown(given)} cannot be indexed")
        return types.DYN

    def _call(self, node: Call, scope: tuple[StaticType, ...]) -> StaticType:
        given = [self.check(argument, scope) for argument in node.arguments]
        overloads = (types.METHODS if node.method else types.FUNCTIONS)[node.function]
        fitting = [
            overload.result
            for overload in overloads
            if len(overload.parameters) == len(given) and all(map(_fits, given, overload.parameters))
        ]
        if not fitting:
            values = " and ".join(shown(of) for of in given if of not in (types.DYN, types.NULL_TYPE))
            self._refuse(node, f"{node.function}() does not take {values}")
        return reduce(joined, fitting)

    def _negate(self, node: Negate, scope: tuple[StaticType, ...]) -> StaticType:
        given = self.check(node.operand, scope)
        if not any(_fits(given, of) for of in (types.INT, types.DOUBLE)):
            self._refuse(node, f"- cannot be applied to {shown(given)}")
        return given

    def _binary(self, node: Binary, scope: tuple[StaticType, ...]) -> StaticType:
        left, right = self.check(node.left, scope), self.check(node.right, scope)
        if node.operator in {"==", "!="}:
            if not agree(left, right):
                self._refuse(node, f"{shown(left)} and {shown(right)} are never equal")
            return types.BOOL
        if node.operator == "in":
            return self._membership(node, left, right)
        fitting = [
            result
            for left_type, right_type, result in _OPERATORS[node.operator]
            if _fits(left, left_type) and _fits(right, right_type)
        ]
        if not fitting or not (left.name != "list" or _fits(left, right)):
            self._refuse(node, f"{node.operator} cannot be applied to {shown(left)} and {shown(right)}")
        return left if left.name == "list" and left == right else reduce(joined, fitting)

    def _membership(self, node: Binary, left: StaticType, right: StaticType) -> StaticType:
        if right.name not in {"list", "map", "dyn", "null_type"}:
            hint = "; write .contains(...) to search a text" if right == types.STRING else ""
            self._refuse(node, f"'in' needs a list or a map on its right, this is {shown(right)}{hint}")
        if right.parameters and not _fits(left, right.parameters[0]):
            self._refuse(node, f"{shown(left)} is never in {shown(right)} of others")
        return types.BOOL

    def _conditional(self, node: Conditional, scope: tuple[StaticType, ...]) -> StaticType:
        self._bool(node.test, scope)
        then, otherwise = self.check(node.then, scope), self.check(node.otherwise, scope)
        if not agree(then, otherwise):
            self._refuse(node, f"? : gives {shown(then)} or {shown(otherwise)}; both must be of one type")
        return joined(then, otherwise)

    def _map(self, node: MapOf, scope: tuple[StaticType, ...]) -> StaticType:
        keys, values = node.items[::2], node.items[1::2]
        for key in keys:
            given = self.check(key, scope)
            if not any(_fits(given, of) for of in _KEYS):
                self._refuse(key, f"{shown(given)} cannot be the key of a map")
        return StaticType("map", (self._join(keys, scope), self._join(values, scope)))

    def _comprehension(self, node: Comprehension, scope: tuple[StaticType, ...]) -> StaticType:
        given = self.check(node.source, scope)
        if given.name not in {"list", "map", "dyn", "null_type"}:
            self._refuse(node, f"{node.macro}() needs a list or a map before the dot, this is {shown(given)}")
        element = given.parameters[0] if given.parameters else types.DYN
        inner = (*scope[: node.slot], element)
        if node.predicate is not None:
            self._bool(node.predicate, inner)
        if node.transform is not None:
            return StaticType("list", (self.check(node.transform, inner),))
        return StaticType("list", (element,)) if node.macro == "filter" else types.BOOL


def _fits(given: StaticType, wanted: StaticType) -> bool:
    return given == types.NULL_TYPE or agree(given, wanted)


_LITERAL_TYPES: Final[dict[str, StaticType]] = {
    of.name: of
    for of in (types.NULL_TYPE, types.BOOL, types.INT, types.UINT, types.DOUBLE, types.STRING, types.BYTES, types.TYPE)
}


def _type_of_literal(node: Literal) -> StaticType:
    kind = type_of(node.value)
    return _LITERAL_TYPES[kind.name] if isinstance(kind, CelType) else types.DYN
