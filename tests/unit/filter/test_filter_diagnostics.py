"""What is said of a filter that cannot be saved, and where."""

import pytest

from openlane_authentik.errors import FilterDiagnostic, FilterError
from openlane_authentik.filter import compile_filter, render_diagnostic

_KINDS = {
    "DirectoryAccount": frozenset({"pk", "username", "type", "is_active", "groups", "last_login"}),
    "DirectoryGroup": frozenset({"pk", "name", "users"}),
}


def _refusal(expression: str) -> FilterDiagnostic:
    with pytest.raises(FilterError) as caught:
        compile_filter(expression, _KINDS)
    (diagnostic,) = caught.value.diagnostics
    assert str(caught.value) == f"{diagnostic.line}:{diagnostic.column}: {diagnostic.message}"
    return diagnostic


@pytest.mark.parametrize(
    ("expression", "place", "message"),
    [
        ("payload.type = 'x'", "1:14", "use == to compare"),
        ("payload.type === 'x'", "1:14", "use == to compare"),
        ("payload.type !== 'x'", "1:14", "use != to compare"),
        ("payload.type <> 'x'", "1:14", "use != to compare"),
        ("payload.type == 'x", "1:17", "this string is not closed"),
        ("payload.type ==\n  'x", "2:3", "this string is not closed"),
        ("payload.type == 'x\n'", "1:17", "this string is not closed"),
        ("payload.type == '''x'", "1:17", "this string is not closed"),
        ("payload.type == 'x\\", "1:17", "this string is not closed"),
        ("payload.is_active &&", "1:21", "the filter ends too early: a value is missing"),
        ("payload.is_active &&  // why\n", "1:21", "the filter ends too early: a value is missing"),
        ("payload.", "1:9", "the filter ends too early: a field name is missing"),
        ("payload.is_active ? true", "1:25", "the filter ends too early: ':' and a value is missing"),
        ("(payload.is_active", "1:19", "the filter ends too early: the '(' of 1:1 is not closed"),
        ("payload.is_active)", "1:18", "this ')' closes nothing"),
        ("(payload.groups[0)", "1:18", "']' must close the '[' of 1:16 first"),
        ("// nothing", "1:11", "the filter is a comment only: a value is missing"),
        ("'a' + 'b'", "1:1", "a filter must give true or false, this one gives a string"),
        (" size(payload.groups)", "1:2", "a filter must give true or false, this one gives an int"),
        ("payload", "1:1", "a filter must give true or false, this one gives a map"),
        ("null", "1:1", "a filter must give true or false, this one gives null"),
        ("payload.groups.map(g, g)", "1:1", "a filter must give true or false, this one gives a list"),
        ("payload.groups.exist(g, true)", "1:16", "undeclared reference to 'exist'; did you mean 'exists'?"),
        ("payload.groups.any(g, true)", "1:16", "undeclared reference to 'any'; did you mean 'exists'?"),
        ("payload.groups.reduce(g, true)", "1:16", "undeclared reference to 'reduce'"),
        ("payload.type.startswith('x')", "1:14", "undeclared reference to 'startswith'; did you mean 'startsWith'?"),
        ("len(payload.groups) > 1", "1:1", "undeclared reference to 'len'; did you mean 'size'?"),
        (
            "startsWith(payload.type, 'x')",
            "1:1",
            "undeclared reference to 'startsWith'; write payload.x.startsWith(...)",
        ),
        ("payload.pk.string() == 'x'", "1:12", "undeclared reference to 'string'; write string(...)"),
        ("paylod.type == 'x'", "1:1", "undeclared reference to 'paylod'; did you mean 'payload'?"),
        ("payload.type == None", "1:17", "undeclared reference to 'None'; did you mean 'null'?"),
        (
            "username == 'x'",
            "1:1",
            "undeclared reference to 'username'; a field of the record is written payload.username, a text 'username'",
        ),
        ("payload?.type == 'x'", "1:8", "optional syntax is not supported; write has(payload.x) && ..."),
        ("payload.?type == 'x'", "1:8", "optional syntax is not supported; write has(payload.x) && ..."),
        ("payload[?'type'] == 'x'", "1:8", "optional syntax is not supported; write has(payload.x) && ..."),
        ("payload.is_active & true", "1:19", "use && for 'and'"),
        ("payload.is_active | true", "1:19", "use || for 'or'"),
        ("payload.is_active and true", "1:19", "use && for 'and'"),
        ("payload.is_active or true", "1:19", "use || for 'or'"),
        ("not payload.is_active", "1:1", "use ! for 'not'"),
        ("payload.type == \u2018x\u2019", "1:17", "use straight quotes, ' or \", around a string"),
        ("payload.`type` == 'x'", "1:9", "write payload['name'] for a field whose name needs quotes"),
        ("payload.type == #x", "1:17", "the character # has no meaning here"),
        ("payload.type == \x00", "1:17", "the character \\u0000 has no meaning here"),
        ("payload.in == 1", "1:9", "'in' cannot stand after a dot; write ['in'] instead of .in"),
        ("while == 1", "1:1", "'while' is a reserved word and cannot be a name"),
        ("payload.groups.exists(for, true)", "1:23", "'for' is a reserved word and cannot be a name"),
        ("payload.groups.exists(__x__, true)", "1:23", "'__x__' is a reserved word and cannot be a name"),
        ("payload.type 'x'", "1:14", "an operator, such as == or &&, is missing before this string"),
        ("payload.type x", "1:14", "an operator, such as == or &&, is missing before 'x'"),
        ("size(payload.type,)", "1:19", "a value is missing before ')'"),
        ("== 1", "1:1", "'==' cannot stand here"),
        ("Foo{a: 1}", "1:5", "message literals are not supported; a map is written {'key': value}"),
        (".payload", "1:1", "a name cannot start with a dot"),
        (".size('x') == 1", "1:1", "a name cannot start with a dot"),
        ("payload.groups[-1] == 'x'", "1:16", "an index cannot be negative; the first element is [0]"),
        ("payload.pk == 9223372036854775808", "1:15", "this number is outside the 64 bits of an int"),
        ("payload.pk == -9223372036854775809", "1:15", "this number is outside the 64 bits of an int"),
        ("payload.pk == 18446744073709551616u", "1:15", "this number is too large for a uint"),
        ("payload.pk == 1e999", "1:15", "this number is too large for a double"),
        ("payload.pk == 1abc", "1:15", "this is not a number CEL knows"),
        (
            "payload.type == '\\d'",
            "1:18",
            "this escape is not one CEL knows; write \\\\ for a backslash, or r'...' for a regular expression",
        ),
        ("payload.type == '\\ud800'", "1:18", "this escape names no Unicode character"),
        ("payload.type.matches('(')", "1:22", "this regular expression is not one RE2 takes"),
        ("payload.type.matches('(?=x)')", "1:22", "this regular expression is not one RE2 takes"),
        ("matches(payload.type, '[')", "1:23", "this regular expression is not one RE2 takes"),
        (
            f"payload.type.matches('{'x' * 513}')",
            "1:22",
            "this regular expression is too long: at most 512 characters are allowed",
        ),
        (
            "timestamp('now') < timestamp(0)",
            "1:11",
            "this is not a timestamp with a zone, such as '2026-01-31T00:00:00Z'",
        ),
        (
            "timestamp('2026-01-01') < timestamp(0)",
            "1:11",
            "this is not a timestamp with a zone, such as '2026-01-31T00:00:00Z'",
        ),
        (
            "duration('30d') > duration('1h')",
            "1:10",
            "this is not a duration, such as '36h' or '1h30m'; the largest unit is h",
        ),
        ("timestamp(0).getHours('Mars') == 1", "1:23", "this is not a time zone, such as 'Europe/Vienna' or '+02:00'"),
        ("int('x') == 1", "1:5", "this text is not a number"),
        ("bool('yes')", "1:6", "this text is neither 'true' nor 'false'"),
        ("int(1e19) == 1", "1:5", "this value is out of range"),
        ("size() == 1", "1:1", "size() takes 1 argument"),
        ("payload.type.size(1) == 1", "1:14", "size() takes 0 arguments"),
        ("timestamp(0).getHours('UTC', 1) == 1", "1:14", "getHours() takes 0 or 1 arguments"),
        ("has(payload)", "1:1", "has() takes one field, such as has(payload.type)"),
        ("has(payload['type'])", "1:1", "has() takes one field, such as has(payload.type)"),
        (
            "payload.groups.exists(g)",
            "1:16",
            "exists() takes a name and what to do with each element, such as (g, g == 'x')",
        ),
        (
            "payload.groups.all(1, true)",
            "1:16",
            "all() takes a name and what to do with each element, such as (g, g == 'x')",
        ),
        ("1 + 'a' == 2", "1:3", "+ cannot be applied to an int and a string"),
        ("true + 1 == 2", "1:6", "+ cannot be applied to a bool and an int"),
        ("[1] + ['a'] == []", "1:5", "+ cannot be applied to a list and a list"),
        ("size(5) == 1", "1:1", "size() does not take an int"),
        ("payload.is_active && 'x'", "1:22", "true or false is needed here, this is a string"),
        ("!'x'", "1:2", "true or false is needed here, this is a string"),
        ("payload.groups.exists(g, 'x')", "1:26", "true or false is needed here, this is a string"),
        ("resource == 1", "1:10", "a string and an int are never equal"),
        ("1 < 2 < 3", "1:7", "< cannot be applied to a bool and an int"),
        (
            "1 in 'abc'",
            "1:3",
            "'in' needs a list or a map on its right, this is a string; write .contains(...) to search a text",
        ),
        ("1 in ['a']", "1:3", "an int is never in a list of others"),
        ("resource.x == 1", "1:10", "a string has no fields such as 'x'"),
        ("{1: 2}.x == 1", "1:8", "the keys of this map are not strings, so it has no field 'x'"),
        ("[1]['x'] == 1", "1:5", "a list has no fields such as 'x'"),
        ("[1][true] == 1", "1:5", "a list is indexed by a number, this is a bool"),
        ("payload[1] == 1", "1:9", "the keys of this map are not of the type of an int"),
        ("5[0] == 1", "1:3", "an int cannot be indexed"),
        ("{1.5: 1} == {}", "1:2", "a double cannot be the key of a map"),
        ("5.exists(x, true)", "1:3", "exists() needs a list or a map before the dot, this is an int"),
        ("payload.is_active ? 1 : 'x'", "1:1", "? : gives an int or a string; both must be of one type"),
        ("-'x' == 'y'", "1:1", "- cannot be applied to a string"),
    ],
)
def test_a_refusal_says_what_and_where(expression: str, place: str, message: str) -> None:
    """Each mistake has its own sentence, at the line and column it stands at."""
    found = _refusal(expression)
    assert (f"{found.line}:{found.column}", found.message) == (place, message)


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("payload.type = 'x'", "filter_syntax"),
        ("payload.type == 'x", "filter_string_open"),
        ("'\\q' == 'q'", "filter_string_escape"),
        ("payload.type ==", "filter_ends_early"),
        ("'x'", "filter_not_bool"),
        ("nope == 1", "filter_undeclared"),
        ("while == 1", "filter_reserved_word"),
        ("payload?.type == 'x'", "filter_optional_syntax"),
        ("size() == 1", "filter_arguments"),
        ("1 + 'a' == 1", "filter_type"),
        ("1e999 > 1.0", "filter_number_range"),
        ("''.matches('(')", "filter_regex"),
        ("timestamp('x') == timestamp(0)", "filter_timestamp"),
        ("duration('x') == duration('1s')", "filter_duration"),
        ("timestamp(0).getDate('x') == 1", "filter_timezone"),
        ("int('x') == 1", "filter_number"),
        ("bool('x')", "filter_bool"),
        ("true" + " " * 4093, "filter_too_long"),
        ("(" * 25 + "true" + ")" * 25, "filter_too_deep"),
    ],
)
def test_codes_are_stable(expression: str, code: str) -> None:
    """Forms key on the code of a refusal."""
    assert _refusal(expression).code == code


def test_what_the_host_takes_is_not_refused() -> None:
    """Trailing commas, comments, line breaks, uppercase suffixes and both quotes are CEL."""
    for expression in (
        "[1, 2,] == [1, 2]",
        "{'a': 1,} == {'a': 1}",
        "true // a comment with 'quotes",
        'payload.type\n  .startsWith(\n\t"x") ||\r\n true',
        "1U == 1u && 0xFF == 255 && .5 == 0.5 && 1e2 == 100.0",
        "payload.while == 1 || payload.exists(k, true)",
        "true ?.5 > 0.1 : false",
        "'''a\n'b''' != \"\"\"c\"d\"\"\"",
        r"b'\x41\101' == b'AA'",
        "'\\a\\b\\f\\n\\r\\t\\v\\\\\\?\\\"\\'\\`\\x41\\u0041\\U00000041\\101'.size() == 16",
    ):
        compile_filter(expression, {})


def _shown(expression: str, line: int, column: int) -> list[str]:
    return render_diagnostic(expression, FilterDiagnostic(line, column, "here", "x")).split("\n")


def test_the_caret_stands_under_the_place() -> None:
    """A diagnostic is shown with its line and a caret below the character."""
    assert _shown("payload.type = 'x'", 1, 14) == ["1:14: here", "  payload.type = 'x'", "               ^"]
    assert _shown("true &&\r\n\tx = 1", 2, 4) == ["2:4: here", "   x = 1", "     ^"]
    assert _shown("true &&", 1, 8) == ["1:8: here", "  true &&", "         ^"]


def test_the_caret_counts_columns_not_characters() -> None:
    """Wide characters take two columns, combining ones none, control characters one blank."""
    assert _shown("'\u6f22\u5b57' = 1", 1, 6)[2] == "  " + " " * 7 + "^"
    assert _shown("'e\u0301' = 1", 1, 6)[2] == "  " + " " * 4 + "^"
    assert _shown("'\x07' = 1", 1, 5)[1] == "  ' ' = 1"


def test_a_long_line_is_clipped_around_the_place() -> None:
    """However long the line, what is shown fits, and the caret is under the same character."""
    expression = "a" * 300 + "=" + "b" * 300
    _, line, caret = _shown(expression, 1, 301)
    assert len(line) <= 110
    assert line[caret.index("^")] == "="
    assert line.strip().startswith("...")
    assert line.endswith("...")


def test_a_place_outside_the_text_is_only_told() -> None:
    """A diagnostic of another text raises nothing."""
    assert _shown("true", 7, 1) == ["7:1: here"]
