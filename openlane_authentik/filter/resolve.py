"""What each name of a filter means: variables, macros, functions and fields; everything else is refused.

This is the whitelist: a name that is not found here never reaches evaluation.
"""

from typing import Final

from openlane_authentik.filter.diagnostics import refuse, suggest
from openlane_authentik.filter.signatures import FUNCTIONS, MACROS, METHODS, VARIABLES
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
    Name,
    Negate,
    Node,
    Not,
    Select,
    Variable,
)
from openlane_authentik.filter.values import INT_MAX, INT_MIN, TYPE_NAMES

MAX_MACRO_NESTING: Final = 2

_RESERVED: Final = frozenset(
    {
        *("as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop"),
        *("package", "namespace", "return", "var", "void", "while"),
    }
)
# What people call things in other languages and CEL libraries.
_FOREIGN_NAMES: Final = {
    "len": "size",
    "length": "size",
    "count": "size",
    "includes": "contains",
    "any": "exists",
    "some": "exists",
    "every": "all",
    "starts_with": "startsWith",
    "startswith": "startsWith",
    "ends_with": "endsWith",
    "endswith": "endsWith",
    "match": "matches",
    "None": "null",
    "nil": "null",
    "undefined": "null",
    "True": "true",
    "False": "false",
    "str": "string",
    "float": "double",
}
_MAP_WITH_CONDITION: Final = 3


def resolve(expression: str, root: Node) -> Node:
    """Return the tree with every name replaced by what it means.

    ``payload['x']`` becomes ``payload.x``, ``envelope.payload`` becomes ``payload`` and ``'x' in payload`` becomes
    ``has(payload.x)``: they mean the same, and what is known of fields then holds for each way to write them.

    Raises:
        FilterError: A name is not known or not allowed there, or a function has too few or many arguments.
    """
    return _Resolver(expression).resolve(root, {})


class _Resolver:
    def __init__(self, expression: str) -> None:
        self._expression = expression

    def resolve(self, node: Node, scope: dict[str, Local]) -> Node:  # noqa: C901, PLR0911, PLR0912 - a case a node
        match node:
            case Literal():
                if type(node.value) is int and not INT_MIN <= node.value <= INT_MAX:
                    message = "this number is outside the 64 bits of an int"
                    refuse(self._expression, node.offset, "filter_number_range", message)
                return node
            case Name():
                return self._name(node, scope)
            case Select():
                return self._select(node, scope)
            case Index():
                return self._index(node, scope)
            case Call():
                return self._call(node, scope)
            case Not():
                return Not(node.offset, self.resolve(node.operand, scope))
            case Negate():
                return Negate(node.offset, self.resolve(node.operand, scope))
            case Binary():
                return self._binary(node, scope)
            case Logic():
                return Logic(node.offset, node.operator, self._all(node.operands, scope))
            case Conditional():
                return Conditional(node.offset, *self._all((node.test, node.then, node.otherwise), scope))
            case ListOf():
                return ListOf(node.offset, self._all(node.items, scope))
            case MapOf():
                return MapOf(node.offset, self._all(node.items, scope))
            case _:  # pragma: no cover - the others come from here
                raise AssertionError("resolved twice")

    def _all(self, nodes: tuple[Node, ...], scope: dict[str, Local]) -> tuple[Node, ...]:
        return tuple(self.resolve(node, scope) for node in nodes)

    def _name(self, node: Name, scope: dict[str, Local]) -> Node:
        if local := scope.get(node.name):
            return Local(node.offset, local.name, local.slot)
        if node.name in VARIABLES:
            return Variable(node.offset, node.name)
        if node.name in TYPE_NAMES:
            return Literal(node.offset, TYPE_NAMES[node.name])
        if node.name in _RESERVED:
            message = f"{node.name!r} is a reserved word and cannot be a name"
            refuse(self._expression, node.offset, "filter_reserved_word", message)
        hint = self._hint(node.name, {*VARIABLES, *TYPE_NAMES, *scope})
        message = f"undeclared reference to {node.name!r}{hint}"
        return refuse(self._expression, node.offset, "filter_undeclared", message)

    @staticmethod
    def _hint(name: str, known: set[str]) -> str:
        """Suggest a known name, or how a field of the payload is written."""
        if name in _FOREIGN_NAMES:
            return f"; did you mean {_FOREIGN_NAMES[name]!r}?"
        return suggest(name, known) or f"; a field of the record is written payload.{name}, a text '{name}'"

    def _select(self, node: Select, scope: dict[str, Local]) -> Node:
        if (type_name := _dotted(node)) in TYPE_NAMES:
            return Literal(node.offset, TYPE_NAMES[type_name])
        return _member(node.offset, self.resolve(node.operand, scope), node.field)

    def _index(self, node: Index, scope: dict[str, Local]) -> Node:
        operand, index = self.resolve(node.operand, scope), self.resolve(node.index, scope)
        if isinstance(index, Literal) and isinstance(index.value, str):
            return _member(node.offset, operand, index.value)
        return Index(node.offset, operand, index)

    def _binary(self, node: Binary, scope: dict[str, Local]) -> Node:
        left, right = self._all((node.left, node.right), scope)
        if node.operator == "in" and isinstance(left, Literal) and isinstance(left.value, str):
            match right:
                case Variable(name="payload"):
                    return Has(left.offset, right, left.value)
        return Binary(node.offset, node.operator, left, right)

    def _call(self, node: Call, scope: dict[str, Local]) -> Node:
        if node.function == "has" and not node.method:
            return self._has(node, scope)
        if node.function in MACROS and node.method:
            return self._macro(node, scope)
        overloads = (METHODS if node.method else FUNCTIONS).get(node.function)
        if overloads is None:
            self._refuse_function(node)
        arguments = self._all(node.arguments, scope)
        counts = sorted({len(overload.parameters) - node.method for overload in overloads or ()})
        if len(arguments) - node.method not in counts:
            wanted = " or ".join(map(str, counts))
            message = f"{node.function}() takes {wanted} argument{'s' * (wanted != '1')}"
            refuse(self._expression, node.offset, "filter_arguments", message)
        return Call(node.offset, node.function, arguments, node.method)

    def _refuse_function(self, node: Call) -> None:
        known: set[str] = {*METHODS, *MACROS} if node.method else {*FUNCTIONS, "has"}
        other: set[str] = {*FUNCTIONS, "has"} if node.method else {*METHODS, *MACROS}
        if node.function in other and node.function not in known:
            form = f"{node.function}(...)" if node.method else f"payload.x.{node.function}(...)"
            hint = f"; write {form}"
        elif node.function in _FOREIGN_NAMES:
            hint = f"; did you mean {_FOREIGN_NAMES[node.function]!r}?"
        else:
            hint = suggest(node.function, known)
        message = f"undeclared reference to {node.function!r}{hint}"
        refuse(self._expression, node.offset, "filter_undeclared", message)

    def _has(self, node: Call, scope: dict[str, Local]) -> Node:
        if len(node.arguments) == 1 and isinstance(argument := node.arguments[0], Select):
            return Has(argument.offset, self.resolve(argument.operand, scope), argument.field)
        message = "has() takes one field, such as has(payload.type)"
        return refuse(self._expression, node.offset, "filter_arguments", message)

    def _macro(self, node: Call, scope: dict[str, Local]) -> Node:
        source, *arguments = node.arguments
        allowed = {2, _MAP_WITH_CONDITION} if node.function == "map" else {2}
        if len(arguments) not in allowed or not isinstance(variable := arguments[0], Name):
            message = f"{node.function}() takes a name and what to do with each element, such as (g, g == 'x')"
            refuse(self._expression, node.offset, "filter_arguments", message)
        if variable.name in _RESERVED or variable.name.startswith("__"):
            message = f"{variable.name!r} is a reserved word and cannot be a name"
            refuse(self._expression, variable.offset, "filter_reserved_word", message)
        slot = max((local.slot for local in scope.values()), default=-1) + 1
        if slot >= MAX_MACRO_NESTING:
            message = f"macros nest too deep: at most {MAX_MACRO_NESTING} levels are allowed"
            refuse(self._expression, node.offset, "filter_too_deep", message)
        inner = {**scope, variable.name: Local(variable.offset, variable.name, slot)}
        bodies = [self.resolve(body, inner) for body in arguments[1:]]
        transform = bodies.pop() if node.function == "map" else None
        predicate = bodies.pop() if bodies else None
        return Comprehension(node.offset, node.function, self.resolve(source, scope), slot, predicate, transform)


def _member(offset: int, operand: Node, field: str) -> Node:
    """Return a field, or the variable that a member of the envelope is."""
    match operand:
        case Variable(name="envelope") if field == "payload":
            return Variable(offset, field)
        case Variable(name="envelope") if field in VARIABLES and field != "envelope":
            return Variable(offset, field, optional=True)
        case _:
            return Select(offset, operand, field)


def _dotted(node: Node) -> str:
    """Return ``a.b.c`` as text, or "" for anything else."""
    parts: list[str] = []
    while isinstance(node, Select):
        parts.append(node.field)
        node = node.operand
    return ".".join((node.name, *reversed(parts))) if isinstance(node, Name) else ""
