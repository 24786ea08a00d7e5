"""Compiling an expression to a filter, and judging records with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openlane_authentik.errors import FilterDiagnostic
from openlane_authentik.filter.budget import BUDGET, UNITS_LEFT, VARIABLE_SLOTS, Closure, Frame
from openlane_authentik.filter.closures import compile_node
from openlane_authentik.filter.diagnostics import refuse
from openlane_authentik.filter.fields import payload_fields, variables
from openlane_authentik.filter.fold import fold
from openlane_authentik.filter.parse import parse
from openlane_authentik.filter.resolve import resolve
from openlane_authentik.filter.syntax import Node, Variable, walk
from openlane_authentik.filter.typecheck import check
from openlane_authentik.filter.values import BUDGET_EXCEEDED, NOT_BOOL, NULL, TOO_DEEP, Failure
from openlane_authentik.filter.verdict import KEPT, LEFT_OUT, Verdict
from openlane_authentik.filter.warn import unknown_fields, unmatched_kinds


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """A compiled filter: immutable, and safe to use from any thread.

    Attributes:
        expression: As it was given.
        keeps_all: The expression is blank, so every record is kept.
        warnings: What is worth telling who wrote it: a field no record has, a kind of record it can never match.
        never_matches: The kinds of record it can never be true for.
        payload_fields: The top-level payload fields it names; with "*" when it uses the payload as a whole.
        variables: Which of payload, envelope, variant, resource and action it reads; a member of the envelope
            counts as the variable it holds, the whole envelope as all five.
    """

    expression: str
    keeps_all: bool = False
    warnings: tuple[FilterDiagnostic, ...] = ()
    never_matches: frozenset[str] = frozenset()
    payload_fields: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    _run: Closure | None = field(default=None, repr=False)
    _enclosed: bool = field(default=False, repr=False)

    def judge(self, payload: dict[str, Any], resource: str = "", action: str = "", variant: str = "") -> Verdict:
        """Return whether a record is kept; never raises for what a record holds.

        Only exactly true keeps a record and only exactly false, a missing field or a null leave it out; everything
        else has failed on this record. The envelope has no member that is empty.
        """
        run = self._run
        if run is None:
            return KEPT
        frame: Frame = [BUDGET, resource, action, variant, None, None, None]
        if self._enclosed:
            named = (("resource", resource), ("action", action), ("variant", variant))
            members = {name: value for name, value in named if value}
            frame[VARIABLE_SLOTS["envelope"]] = {"payload": payload, **members}
        try:
            value = run(payload, frame)
        except RecursionError:  # the caller's own stack was nearly full
            return TOO_DEEP.verdict
        if frame[UNITS_LEFT] < 0:  # a budget spent is final: no || may absorb it
            return BUDGET_EXCEEDED.verdict
        if value is True:
            return KEPT
        if value is False:
            return LEFT_OUT
        if type(value) is Failure:
            return value.verdict
        return NULL.verdict if value is None else NOT_BOOL.verdict


def compile_filter(expression: str, kinds: Mapping[str, frozenset[str]]) -> Filter:
    """Compile a CEL expression to a filter; a blank one keeps everything.

    Args:
        expression: CEL over ``payload``, ``envelope``, ``variant``, ``resource`` and ``action``.
        kinds: The top-level payload fields of each kind of record it will judge, by the kind's name.

    Raises:
        FilterError: It is not CEL, can never give true or false, or is larger than a filter may be.
    """
    if not expression.strip():
        return Filter(expression, keeps_all=True)
    try:
        root = _analyse(expression)
        run = compile_node(root)
        unmatched = unmatched_kinds(expression, root, kinds, _analyse)
    except RecursionError:  # the caller's own stack was nearly full; the depth of a filter is capped
        refuse(expression, 0, "filter_too_deep", "the filter nests too deep")
    return Filter(
        expression,
        warnings=(*unknown_fields(expression, root, kinds), *unmatched.values()),
        never_matches=frozenset(unmatched),
        payload_fields=payload_fields(root),
        variables=variables(root),
        _run=run,
        _enclosed=any(isinstance(node, Variable) and node.name == "envelope" for node in walk(root)),
    )


def _analyse(expression: str) -> Node:
    """Return the resolved, checked and folded tree of an expression."""
    resolved = resolve(expression, parse(expression))
    check(expression, resolved)
    return fold(expression, resolved)
