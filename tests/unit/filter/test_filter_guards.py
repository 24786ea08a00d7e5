"""Hostile expressions and records: refused, or stopped by the budget, within little time and memory."""

import resource
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from openlane_authentik.errors import FilterError
from openlane_authentik.filter import compile_filter
from openlane_authentik.filter.budget import BUDGET

_LONG = list(range(90_000))
_RECORD: dict[str, Any] = {
    "long": _LONG,
    "text": "x" * 1_000_000,
    "page": "x" * 60_000,
    "texts": ["y" * 1_000] * 50_000,
    "lists": [list(range(1_000))] * 1_000,
}


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ('"' + r"\n" * 24, "filter_string_open"),
        ("'" + r"\n" * 2_000, "filter_string_open"),
        ("'" * 4_095, "filter_string_open"),
        ("duration('" + "a" * 4_000 + "!') > duration('1s')", "filter_duration"),
        ("'%2000000000s' % 'x' == ''", "filter_type"),
        ("(" * 4_000, "filter_too_deep"),
        ("[" * 2_000 + "]" * 2_000, "filter_too_deep"),
        ("{1:" * 1_000, "filter_too_deep"),
        ("size(" * 500 + "1" + ")" * 500, "filter_too_deep"),
        ("payload" + ".a" * 2_000, "filter_too_deep"),
        ("payload" + "[0]" * 1_000, "filter_too_deep"),
        ("1" + "+1" * 2_000 + " == 1", "filter_too_deep"),
        ("true" + "?true:true" * 400, "filter_too_deep"),
        ("-" * 4_000 + "payload.x", "filter_ok"),
        ("9" * 4_096, "filter_number_range"),
        ("0x" + "f" * 4_000, "filter_number_range"),
        ("1e" + "9" * 4_000, "filter_number_range"),
        ("a" * 4_097, "filter_too_long"),
        ("payload.a.all(x, payload.a.all(y, payload.a.all(z, true)))", "filter_too_deep"),
        ("''.matches('" + "(" * 500 + "')", "filter_regex"),
        ("''.matches('((a{1,99}){1,99}){1,99}')", "filter_regex"),
        ("__import__('os').system('id') == 0", "filter_undeclared"),
        ("payload.reduce(x, y, 0, x + y) == 0", "filter_undeclared"),
        ("[1].min() == 1", "filter_undeclared"),
        ("celpy.x == 1", "filter_undeclared"),
    ],
)
def test_a_hostile_expression_is_refused(expression: str, code: str) -> None:
    """What would make a parser hang, recurse or eat memory ends in a diagnostic."""
    try:
        compile_filter(expression, {})
    except FilterError as error:
        assert error.diagnostics[0].code == code  # noqa: PT017 - one of them is no mistake
    else:
        assert code == "filter_ok"


@pytest.mark.parametrize(
    "expression",
    [
        "payload.long.all(x, x in payload.long)",
        "payload.long.all(x, payload.long.all(y, true) || true)",
        "payload.long.all(x, payload.lists == payload.lists || true)",
        "payload.long.all(x, payload.text.contains('y') || true)",
        "payload.long.all(x, payload.text.matches('y') || true)",
        "payload.long.all(x, payload.text < payload.text || true)",
        "payload.long.map(x, payload.text + 'a') == []",
        "payload.texts.map(x, x + x) == []",
        "payload.long.map(x, [" + "x, " * 100 + "]) == []",
        "payload.long.map(x, {1: x, 2: x, 3: x}) == []",
        "payload.long.all(x, " + " && ".join(["x >= 0"] * 400) + ")",
        "payload.long.exists(x, 'a'.matches(string(x) + '(a{1,50}b{1,50}){1,9}'))",
        "payload.page.matches('.{1,900}y')",
        "payload.page.matches('((x{1,30}){1,30})y')",
        " || ".join(["payload.lists == payload.texts"] * 100),
        "payload.long.all(x, true) && payload.long.all(x, true)",
        "payload.long.exists(x, payload.long.exists(y, y < 0)) || true",
    ],
)
def test_work_is_bounded_by_the_budget(expression: str) -> None:
    """Work that multiplies is cut off, and nothing absorbs that."""
    verdict = compile_filter(expression, {}).judge(_RECORD)
    assert (verdict.failed, verdict.reason) == (True, "budget_exceeded")


def test_the_budget_is_each_evaluation_s_own() -> None:
    """One record's work takes nothing from the next one's."""
    compiled = compile_filter("payload.long.all(x, x >= 0)", {})
    assert len(_LONG) * 2 > BUDGET
    assert all(compiled.judge(_RECORD).kept for _ in range(3))


def test_elements_not_visited_are_not_paid_for() -> None:
    """A macro that decides early leaves the rest of the budget."""
    early = "payload.long.exists(x, x == 0)"
    assert compile_filter(" && ".join([early] * 20), {}).judge(_RECORD).kept
    nested = "payload.some.all(x, payload.long.exists(y, y == 0))"
    assert compile_filter(nested, {}).judge({"some": list(range(500)), "long": _LONG[:50_000]}).kept


@pytest.mark.parametrize("expression", ["payload.text + 'a' == ''", "payload.long + payload.long == []"])
def test_what_concatenation_makes_is_capped(expression: str) -> None:
    """No text or list grows without bound."""
    verdict = compile_filter(expression, {}).judge({"text": "x" * 100_000, "long": [0] * 50_001})
    assert verdict.reason in {"too_large", "budget_exceeded"}
    assert verdict.failed


def test_a_long_text_is_not_searched_by_pattern() -> None:
    """A regular expression is applied to 65,536 characters at most."""
    assert compile_filter("payload.t.matches('a')", {}).judge({"t": "a" * 65_537}).reason == "too_large"
    assert compile_filter("payload.t.matches('a')", {}).judge({"t": "a" * 65_536}).kept


def test_a_pattern_from_a_record_is_capped() -> None:
    """A pattern that a record holds has the same bounds as one that is written."""
    compiled = compile_filter("'a'.matches(payload.p)", {})
    assert compiled.judge({"p": "x" * 513}).reason == "too_large"
    assert compiled.judge({"p": "(" * 500}).reason == "bad_regex"
    assert compiled.judge({"p": "\ud800"}).reason == "bad_regex"
    assert compiled.judge({"p": "^a$"}).kept


def test_records_of_any_depth_are_compared_without_recursion() -> None:
    """How deep a record nests is its own matter."""
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    assert compile_filter("payload.d == payload.d", {}).judge({"d": deep}).kept
    assert compile_filter("payload.d != [[[]]]", {}).judge({"d": deep}).kept


def test_a_nearly_full_stack_fails_the_record() -> None:
    """A caller deep in recursion gets a verdict or a diagnostic, not a RecursionError."""
    compiled = compile_filter("!" + "(!" * 20 + "payload.x" + ")" * 20, {})

    def deeper(levels: int) -> tuple[str, str]:
        if levels:
            return deeper(levels - 1)
        reason = compiled.judge({"x": True}).reason
        try:
            compile_filter("!" + "(!" * 20 + "payload.x" + ")" * 20, {})
        except FilterError as error:
            return reason, error.diagnostics[0].code
        return reason, ""

    seen: set[tuple[str, str]] = set()
    frames = 0
    while True:
        try:
            seen.add(deeper(frames))
        except RecursionError:  # of the helper itself: the stack is full before the filter is asked
            break
        frames += 1
    assert ("too_deep", "filter_too_deep") in seen


def test_hostile_input_ends_in_a_small_process() -> None:
    """All of it together runs in a process of one gigabyte and a minute, of which it needs a fraction."""
    program = """
        from openlane_authentik.errors import FilterError
        from openlane_authentik.filter import compile_filter
        record = {"l": list(range(90_000)), "s": "x" * 65_536, "t": ["y" * 1_000] * 10_000}
        for expression in (
            '"' + r"\\n" * 2_000, "(" * 4_096, "!" * 4_090 + "false", "'%2000000000s' % 'x' == ''", "a" * 4_096,
            "payload.l.map(x, payload.l.map(y, payload.s + 'x')).size() > 0",
            "payload.l.all(x, payload.l.all(y, payload.s.matches('(x+x+)+y')))",
            "payload.s.matches('(x+x+)+y') || payload.s.matches('(x?){100}x{100}y')",
            "payload.t.map(x, x + x + x + x).size() > 0",
            "payload.l.map(x, [x, x, x, x, x, x, x, x]).map(y, y + y).size() > 0",
        ):
            try:
                print(compile_filter(expression, {"Kind": frozenset({"l"})}).judge(record).reason)
            except FilterError as error:
                print(error.diagnostics[0].code)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)),
    )
    assert len(ended.stdout.split()) == 10
    assert ended.stderr == ""
