"""What a filter reads, and which kinds of record it can never match."""

import pytest

from openlane_authentik.filter import compile_filter

_KINDS = {
    "DirectoryAccount": frozenset({"pk", "uid", "username", "type", "is_active", "groups", "attributes"}),
    "DirectoryGroup": frozenset({"pk", "name", "is_superuser", "users", "attributes"}),
}


@pytest.mark.parametrize(
    "expression",
    [
        "payload.type == 'internal'",
        "'internal' == payload.type",
        "payload.type != 'internal'",
        "payload.is_active",
        "!payload.is_active",
        "has(payload.type)",
        "'type' in payload",
        "has(payload.type) && payload.type == 'internal'",
        "payload.type == 'internal' && payload.pk == 1",
        "payload.type == 'internal' || payload.is_active",
        "payload.type in ['internal']",
        "payload['type'].startsWith('x')",
        "envelope.payload.type == 'x'",
        "payload.groups.exists(g, g == 'x')",
        "payload.groups.size() > 0",
        "payload.groups[0] == 'x'",
        "payload.users.exists(u, u == payload.uid)",
        "payload.type == 'internal' ? true : false",
        "has(payload.type) ? payload.pk == 1 : false",
        "payload.pk == 1 ? payload.is_active : false",
        "[payload.type] == ['x']",
        "-payload.type == 1",
        "has(payload.type.deep)",
        "false",
        "payload.pk == 1 && false",
        "1 == 2",
    ],
)
def test_a_filter_that_can_never_match_groups_is_found(expression: str) -> None:
    """A filter that is never true for what a group has is named for that kind."""
    assert "DirectoryGroup" in compile_filter(expression, _KINDS).never_matches


@pytest.mark.parametrize(
    "expression",
    [
        "!has(payload.type) || payload.type == 'internal'",
        "!has(payload.type)",
        "!('type' in payload)",
        "payload.type == 'internal' || payload.pk != ''",
        "payload.type == 'internal' || true",
        "has(payload.type) ? payload.type == 'internal' : true",
        "payload.name == 'x'",
        "payload.attributes.type == 'x'",
        "resource == 'x'",
        "payload[variant] == 'x'",
        "payload.exists(k, k == 'type')",
        "payload.users.all(u, u == payload.type)",
        "payload == {}",
        "!(has(payload.type) && payload.type == 'internal')",
        "true",
    ],
)
def test_a_filter_that_may_match_groups_is_not_blamed(expression: str) -> None:
    """Never is only said when it is certain."""
    assert "DirectoryGroup" not in compile_filter(expression, _KINDS).never_matches


def test_the_warning_gives_an_expression_that_keeps_the_kind() -> None:
    """What is suggested compiles, and can match the kind."""
    compiled = compile_filter("payload.type == 'internal'", _KINDS)
    (warning,) = compiled.warnings
    suggestion = "!has(payload.type) || (payload.type == 'internal')"
    assert compiled.never_matches == {"DirectoryGroup"}
    assert (warning.line, warning.column, warning.code) == (1, 9, "filter_never_matches")
    assert warning.message == (
        "this filter can never match a DirectoryGroup: it has no field 'type', so every one would be left out; "
        f"to keep them write {suggestion}"
    )
    suggested = compile_filter(suggestion, _KINDS)
    assert suggested.never_matches == frozenset()
    assert suggested.judge({"pk": "g"}).kept
    assert not suggested.judge({"type": "external"}).kept


@pytest.mark.parametrize(
    "expression",
    [
        "payload.type == 'x' // really",
        "false",
        "payload.tpye == 'x'",
    ],
)
def test_nothing_is_suggested_that_would_not_help(expression: str) -> None:
    """A suggestion that does not compile, or still never matches, is not made; nor one around a misspelling."""
    for warning in compile_filter(expression, _KINDS).warnings:
        assert "to keep them" not in warning.message


def test_an_unknown_field_is_a_warning_with_what_may_be_meant() -> None:
    """A field that no kind is known to have is pointed at once; attributes are free-form and never are."""
    compiled = compile_filter("payload.tpye == 'x' || payload.tpye == 'y' || payload.attributes.any.thing == 1", _KINDS)
    unknown = [warning for warning in compiled.warnings if warning.code == "filter_unknown_field"]
    assert [(warning.line, warning.column, warning.message) for warning in unknown] == [
        (1, 9, "no field 'tpye' in payload; did you mean 'type'?")
    ]
    assert compiled.judge({"tpye": "x"}).kept


def test_a_field_of_any_kind_is_known() -> None:
    """A field that only one kind has is not unknown."""
    codes = {warning.code for warning in compile_filter("payload.name == 'x'", _KINDS).warnings}
    assert codes == {"filter_never_matches"}


def test_without_kinds_nothing_is_warned_of() -> None:
    """What is not known is not guessed."""
    assert compile_filter("payload.anything == 'x'", {}).warnings == ()


@pytest.mark.parametrize(
    ("expression", "fields"),
    [
        ("payload.type == 'x' && payload['pk'] == 1", {"type", "pk"}),
        ("has(payload.type) || 'name' in payload", {"type", "name"}),
        ("envelope.payload.type == 'x'", {"type"}),
        ("payload.attributes.team == 'x'", {"attributes"}),
        ("payload.groups.exists(payload, payload == 'x')", {"groups"}),
        ("payload == {}", {"*"}),
        ("size(payload) > 1 && payload.pk == 1", {"*", "pk"}),
        ("payload[resource] == 1", {"*"}),
        ("payload.exists(k, k == 'x')", {"*"}),
        ("envelope == {}", {"*"}),
        ("resource in payload", {"*"}),
        ("resource == 'x'", set()),
    ],
)
def test_the_fields_it_names(expression: str, fields: set[str]) -> None:
    """Top-level fields however written; "*" when the payload is used as a whole."""
    assert compile_filter(expression, {}).payload_fields == fields


@pytest.mark.parametrize(
    ("expression", "variables"),
    [
        ("true", set()),
        ("payload.x == 1", {"payload"}),
        ("resource == 'x' && variant == action", {"resource", "variant", "action"}),
        ("envelope.resource == 'x'", {"resource"}),
        ("envelope.payload.x == 1", {"payload"}),
        ("has(envelope.x)", {"payload", "envelope", "resource", "variant", "action"}),
        ("['a'].exists(payload, payload == 'a')", set()),
    ],
)
def test_the_variables_it_reads(expression: str, variables: set[str]) -> None:
    """A member of the envelope counts as the variable it holds, the whole envelope as all."""
    assert compile_filter(expression, {}).variables == variables
