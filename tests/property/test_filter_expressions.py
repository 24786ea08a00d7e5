"""Rules that hold for every filter expression and every record."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openlane_authentik.errors import FilterError
from openlane_authentik.filter import compile_filter, render_diagnostic
from tests.unit.filter.expressions import KINDS, PAYLOADS
from tests.unit.filter.oracle import oracle_verdict, our_verdict

_RECORD_KINDS = {"DirectoryAccount": frozenset({"type", "pk", "groups"}), "DirectoryGroup": frozenset({"pk", "users"})}
_SETTINGS = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

_PIECES = st.sampled_from(
    [
        *(
            "payload",
            "payload.type",
            ".",
            "type",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "'a'",
            '"',
            "'",
            "'''",
            "\\",
            "r'",
            "b'",
        ),
        *(
            "==",
            "=",
            "!=",
            "&&",
            "||",
            "|",
            "!",
            "-",
            "?",
            ":",
            ",",
            "in",
            "has(",
            "exists(",
            "g,",
            "1",
            "1.5",
            "0x",
            "1u",
        ),
        *(
            "null",
            "true",
            "//",
            "\n",
            "\t",
            " ",
            "\u00e9",
            "\ud800",
            "\x00",
            "timestamp(",
            "duration(",
            ".matches('(')",
        ),
    ]
)
_NOISE = st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=20).map("".join), KINDS["bool"])


@settings(_SETTINGS, max_examples=400)
@given(expression=_NOISE)
def test_any_text_is_a_filter_or_a_filter_error(expression: str) -> None:
    """Nothing but FilterError is raised, with a place inside the text and something that can be shown."""
    try:
        compile_filter(expression, _RECORD_KINDS)
    except FilterError as error:
        for diagnostic in error.diagnostics:
            lines = expression.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            assert 1 <= diagnostic.line <= len(lines)
            assert 1 <= diagnostic.column <= len(lines[diagnostic.line - 1]) + 1
            assert diagnostic.message in render_diagnostic(expression, diagnostic)
            assert diagnostic.code.startswith("filter_")


@settings(_SETTINGS, max_examples=500)
@given(expression=KINDS["bool"], payload=PAYLOADS)
def test_any_expression_means_what_the_engine_says(expression: str, payload: dict[str, Any]) -> None:
    """Ours and Google's engine agree on true, false and no value."""
    assert our_verdict(expression, payload) == oracle_verdict(expression, payload)


@settings(_SETTINGS, max_examples=200)
@given(expression=KINDS["bool"], payload=PAYLOADS)
def test_a_kind_that_never_matches_never_does(expression: str, payload: dict[str, Any]) -> None:
    """No record without a kind's absent fields is kept by a filter said never to match the kind."""
    kinds = {"Whole": frozenset(payload), "Bare": frozenset({"pk"})}
    try:
        compiled = compile_filter(expression, kinds)
    except FilterError:
        return
    for kind in compiled.never_matches:
        record = {name: value for name, value in payload.items() if name in kinds[kind]}
        assert not compiled.judge(record).kept


@settings(_SETTINGS, max_examples=200)
@given(expression=KINDS["bool"], payload=PAYLOADS)
def test_only_the_fields_it_names_matter(expression: str, payload: dict[str, Any]) -> None:
    """A filter that does not use the payload as a whole gives the same verdict on the fields it names alone."""
    try:
        compiled = compile_filter(expression, {})
    except FilterError:
        return
    if "*" not in compiled.payload_fields:
        named = {name: value for name, value in payload.items() if name in compiled.payload_fields}
        assert compiled.judge(named, resource="r") == compiled.judge(payload, resource="r")


@settings(_SETTINGS, max_examples=200)
@given(expression=KINDS["bool"], payload=PAYLOADS)
def test_judging_changes_nothing(expression: str, payload: dict[str, Any]) -> None:
    """A record is as it was after any filter, and judging it again says the same."""
    before = json.dumps(payload)
    try:
        compiled = compile_filter(expression, {})
    except FilterError:
        return
    first = compiled.judge(payload)
    assert compiled.judge(payload) == first
    assert json.dumps(payload) == before
