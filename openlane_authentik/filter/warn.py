"""What is worth saying about a filter that compiles: fields no record has, and kinds it can never match."""

from collections.abc import Callable, Mapping

from openlane_authentik.errors import FilterDiagnostic, FilterError
from openlane_authentik.filter.diagnostics import diagnostic, suggest
from openlane_authentik.filter.fields import FieldUse, field_uses
from openlane_authentik.filter.reach import can_match
from openlane_authentik.filter.syntax import Node

Kinds = Mapping[str, frozenset[str]]


def unknown_fields(expression: str, root: Node, kinds: Kinds) -> list[FilterDiagnostic]:
    """Warn of each field that no kind of record is known to have; a newer server may still send it."""
    known = frozenset[str]().union(*kinds.values())
    found: dict[str, FieldUse] = {}
    for use in field_uses(root):
        if known and use.name not in known:
            found.setdefault(use.name, use)
    return [
        diagnostic(
            expression,
            use.offset,
            "filter_unknown_field",
            f"no field {use.name!r} in payload{suggest(use.name, known)}",
        )
        for use in found.values()
    ]


def unmatched_kinds(
    expression: str, root: Node, kinds: Kinds, analyse: Callable[[str], Node]
) -> dict[str, FilterDiagnostic]:
    """Return a warning for each kind of record that the filter can never be true for.

    Args:
        expression: The filter.
        root: Its tree.
        kinds: The fields each kind of record has.
        analyse: Makes a tree of an expression; what is suggested is put through it before it is said.
    """
    warnings: dict[str, FilterDiagnostic] = {}
    for kind, fields in kinds.items():
        if can_match(root, fields):
            continue
        absent = [use for use in field_uses(root) if use.name not in fields]
        message = f"this filter can never match a {kind}"
        if absent:
            message += f": it has no field {absent[0].name!r}, so every one would be left out"
        message += _remedy(expression, absent, kind, kinds, analyse)
        warnings[kind] = diagnostic(expression, absent[0].offset if absent else 0, "filter_never_matches", message)
    return warnings


def _remedy(expression: str, absent: list[FieldUse], kind: str, kinds: Kinds, analyse: Callable[[str], Node]) -> str:
    """Describe how to keep the records of a kind, with an expression that was seen to do so."""
    for use in absent:
        if not use.needed or not any(use.name in fields for fields in kinds.values()) or not use.name.isidentifier():
            continue  # a misspelt field wants mending, not a way around it
        suggestion = f"!has(payload.{use.name}) || ({expression.strip()})"
        try:
            root = analyse(suggestion)
        except FilterError:
            continue
        if can_match(root, kinds[kind]):
            return f"; to keep them write {suggestion}"
    return ""
