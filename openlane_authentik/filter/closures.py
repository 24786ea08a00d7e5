"""A resolved, checked and folded tree to nested Python functions over the raw record, once for each filter.

Nothing here decides what CEL means: ``operators`` and ``functions`` do. Here the shortest function that means it is
chosen, and of what may be dear the one that pays for its work.
"""

from openlane_authentik.filter import access, comparisons, logic, macros, operators
from openlane_authentik.filter.budget import FIRST_LOCAL, VARIABLE_SLOTS, Closure, price
from openlane_authentik.filter.functions import IMPLEMENTATIONS
from openlane_authentik.filter.regex import compile_pattern
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
    path_of,
)
from openlane_authentik.filter.values import Failure

# Lists and maps the filter itself makes keep their doubles; a record's whole ones are ints.
_MADE_HERE = Literal | ListOf | MapOf | Comprehension
_CONSTANT_COST = frozenset({"dyn", "size", "type"})


def compile_node(root: Node) -> Closure:
    """Compile a tree."""
    return _compile(root)


def _compile(node: Node) -> Closure:  # noqa: C901, PLR0911, PLR0912 - a case a node
    match node:
        case Literal():
            return access.constant(node.value)
        case Variable():
            return _variable(node)
        case Local():
            return access.slot(FIRST_LOCAL + node.slot)
        case Select() | Index():
            return _member(node)
        case Has(operand=Variable(name="payload")):
            return access.payload_has(node.field)
        case Has():
            return access.has(_compile(node.operand), node.field)
        case Not():
            return logic.invert(_compile(node.operand))
        case Negate():
            return access.call(operators.negate, _compile(node.operand))
        case Logic():
            return logic.chain(node.operator, tuple(map(_compile, node.operands)))
        case Conditional():
            return logic.conditional(_compile(node.test), _compile(node.then), _compile(node.otherwise))
        case Binary():
            return _binary(node)
        case Call():
            return _call(node)
        case ListOf():
            return access.list_of(tuple(map(_compile, node.items)))
        case MapOf():
            return access.map_of(tuple(map(_compile, node.items)))
        case Comprehension():
            return _comprehension(node)
        case _:  # pragma: no cover - resolve leaves no names
            raise AssertionError("compiled before it was resolved")


def _variable(node: Variable) -> Closure:
    if node.name == "payload":
        return access.payload()
    return access.envelope_member(node.name) if node.optional else access.slot(VARIABLE_SLOTS[node.name])


def _missing(node: Node) -> Failure:
    return Failure(f"missing:{path_of(node)}", hard=False)


def _member(node: Select | Index) -> Closure:
    exact = isinstance(node.operand, _MADE_HERE)
    operand = _compile(node.operand)
    if isinstance(node, Index):
        return access.index(operand, _compile(node.index), _missing(node), exact=exact)
    if isinstance(node.operand, Variable) and node.operand.name == "payload":
        return access.payload_field(node.field, _missing(node))
    return (access.exact_field if exact else access.field)(operand, node.field, _missing(node))


def _binary(node: Binary) -> Closure:
    match node:
        case Binary(operator="==" | "!=", left=Literal(value=value)) if comparisons.is_plain(value):
            return _equals(node.right, value, wanted=node.operator == "==")
        case Binary(operator="==" | "!=", right=Literal(value=value)) if comparisons.is_plain(value):
            return _equals(node.left, value, wanted=node.operator == "==")
        case Binary(operator="in", right=Literal(value=list(texts))) if all(type(text) is str for text in texts):
            return comparisons.in_texts(_compile(node.left), texts)
        case Binary(operator="in", left=Literal(value=str(text))):
            return comparisons.text_in(text, _compile(node.right))
        case _:
            step, operands = operators.BINARY[node.operator], (_compile(node.left), _compile(node.right))
            return access.paid_call(step, operands)


def _equals(operand: Node, value: str | bool | None, *, wanted: bool) -> Closure:  # noqa: FBT001
    match operand:
        case Select(operand=Variable(name="payload")) if wanted:
            return comparisons.payload_field_equals(operand.field, _missing(operand), value)
        case _:
            return comparisons.equals(_compile(operand), value, wanted=wanted)


def _call(node: Call) -> Closure:
    arguments = tuple(_compile(argument) for argument in node.arguments)
    match node:
        case Call(function="matches", arguments=(_, Literal(value=str(pattern)))):
            compiled = compile_pattern(pattern)
            if not isinstance(compiled, Failure):
                return access.matches_constant(arguments[0], compiled)
        case Call(function="matches"):
            return access.matches(*arguments)
    step = IMPLEMENTATIONS[node.function]
    if node.function in _CONSTANT_COST:
        return access.call(step, *arguments)
    return access.paid_call(step, arguments)


def _comprehension(node: Comprehension) -> Closure:
    cost = price(node.predicate, node.transform)
    loop = macros.Loop(_compile(node.source), FIRST_LOCAL + node.slot, cost, isinstance(node.source, _MADE_HERE))
    predicate = None if node.predicate is None else _compile(node.predicate)
    transform = None if node.transform is None else _compile(node.transform)
    if predicate is None or node.macro in {"filter", "map"}:
        return macros.select(loop, predicate, transform)
    if node.macro == "exists_one":
        return macros.exists_one(loop, predicate)
    return macros.quantifier(node.macro, loop, predicate)
