"""Which variables and payload fields a filter reads."""

from dataclasses import dataclass
from typing import Final

from openlane_authentik.filter.signatures import VARIABLES
from openlane_authentik.filter.syntax import Has, Node, Select, Variable, walk

WHOLE_PAYLOAD: Final = "*"


@dataclass(frozen=True, slots=True)
class FieldUse:
    """A top-level payload field the filter names; ``needed`` when read, not only asked for with ``has``."""

    name: str
    offset: int
    needed: bool


def field_uses(root: Node) -> list[FieldUse]:
    """List every place a top-level payload field is named, in the order written."""
    return [
        FieldUse(node.field, node.offset, isinstance(node, Select))
        for node in walk(root)
        if isinstance(node, Select | Has) and _is_payload(node.operand)
    ]


def payload_fields(root: Node) -> frozenset[str]:
    """Return the top-level payload fields named, with ``WHOLE_PAYLOAD`` when the payload is used as a whole."""
    uses = field_uses(root)
    variables = [node for node in walk(root) if isinstance(node, Variable)]
    whole = any(node.name == "envelope" for node in variables)
    whole = whole or sum(map(_is_payload, variables)) > len(uses)
    return frozenset(use.name for use in uses) | (frozenset({WHOLE_PAYLOAD}) if whole else frozenset())


def variables(root: Node) -> frozenset[str]:
    """Return the variables read; a member of the envelope is the variable it holds, the whole envelope is all."""
    names = frozenset(node.name for node in walk(root) if isinstance(node, Variable))
    return frozenset(VARIABLES) if "envelope" in names else names


def _is_payload(node: Node) -> bool:
    return isinstance(node, Variable) and node.name == "payload"
