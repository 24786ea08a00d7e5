"""The syntax tree of a filter: what the parser read, and after ``resolve`` also what each name means.

An ``offset`` is the index of the character that a diagnostic about the node points at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    offset: int
    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier as written; none is left after ``resolve``."""

    offset: int
    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    """One of the host's variables; ``optional`` when read as a member of ``envelope``, which omits empty ones."""

    offset: int
    name: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Local:
    """A macro's variable; ``slot`` is 0 in the outer macro and 1 in one nested in it."""

    offset: int
    name: str
    slot: int


@dataclass(frozen=True, slots=True)
class Select:
    """``operand.field``, or ``operand['field']``."""

    offset: int
    operand: "Node"
    field: str


@dataclass(frozen=True, slots=True)
class Has:
    """``has(operand.field)``."""

    offset: int
    operand: "Node"
    field: str


@dataclass(frozen=True, slots=True)
class Index:
    """``operand[index]``."""

    offset: int
    operand: "Node"
    index: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """``function(arguments)``; of a method call the first argument is what stands before the dot."""

    offset: int
    function: str
    arguments: tuple["Node", ...]
    method: bool


@dataclass(frozen=True, slots=True)
class Not:
    """``!operand``."""

    offset: int
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Negate:
    """``-operand``."""

    offset: int
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """``left operator right`` for comparisons, ``in`` and arithmetic."""

    offset: int
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Logic:
    """``a && b && c`` or ``a || b || c``: chains are flat, which CEL's absorption of errors allows."""

    offset: int
    operator: str
    operands: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    """``test ? then : otherwise``."""

    offset: int
    test: "Node"
    then: "Node"
    otherwise: "Node"


@dataclass(frozen=True, slots=True)
class ListOf:
    """``[a, b]``."""

    offset: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """``{a: b}``, as keys and values in turn."""

    offset: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Comprehension:
    """A macro over ``source``.

    Attributes:
        macro: ``all``, ``exists``, ``exists_one``, ``filter`` or ``map``.
        predicate: What each element is tested for; of a ``map`` of two arguments there is none.
        transform: What ``map`` turns each element into.
    """

    offset: int
    macro: str
    source: "Node"
    slot: int
    predicate: "Node | None"
    transform: "Node | None"


Node: TypeAlias = (
    Literal
    | Name
    | Variable
    | Local
    | Select
    | Has
    | Index
    | Call
    | Not
    | Negate
    | Binary
    | Logic
    | Conditional
    | ListOf
    | MapOf
    | Comprehension
)


def children(node: Node) -> tuple[Node, ...]:
    """Return a node's parts, in the order they are written."""
    match node:
        case Select() | Has() | Not() | Negate():
            return (node.operand,)
        case Index():
            return (node.operand, node.index)
        case Call():
            return node.arguments
        case Binary():
            return (node.left, node.right)
        case Logic():
            return node.operands
        case Conditional():
            return (node.test, node.then, node.otherwise)
        case ListOf() | MapOf():
            return node.items
        case Comprehension():
            parts = (node.source, node.predicate, node.transform)
            return tuple(part for part in parts if part is not None)
        case _:
            return ()


def walk(root: Node) -> Iterator[Node]:
    """Return every node of a tree in the order written, without recursion."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def depth(root: Node) -> int:
    """Return how many nodes stand on top of each other at the deepest place, without recursion."""
    deepest = 0
    pending = [(root, 1)]
    while pending:
        node, level = pending.pop()
        deepest = max(deepest, level)
        pending.extend((child, level + 1) for child in children(node))
    return deepest


def path_of(node: Node) -> str:
    """Write a node as a field path for a reason, from names in the expression only."""
    parts: list[str] = []
    while True:
        match node:
            case Select():
                parts.append(f".{node.field}" if node.field.isidentifier() else f"[{node.field!r}]")
                node = node.operand
            case Index():
                parts.append("[...]")
                node = node.operand
            case Variable() | Local() | Name():
                parts.append(f"envelope.{node.name}" if isinstance(node, Variable) and node.optional else node.name)
                break
            case _:
                parts.append("(...)")
                break
    return "".join(reversed(parts))
