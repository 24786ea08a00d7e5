"""What expressions mean, against Google's own CEL engine: every difference is listed below, with its reason."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.filter.oracle import oracle_verdict, our_verdict

_DATA: Final = Path(__file__).parent / "filter_oracle"
_RECORDS: Final[list[dict[str, Any]]] = json.loads((_DATA / "records.json").read_text(encoding="utf-8"))
_EXPRESSIONS: Final = tuple(
    line
    for line in (_DATA / "expressions.txt").read_text(encoding="utf-8").split("\n")
    if line and not line.startswith("#")
)

# Deliberate: expressions on which this package and the C++ engine differ for at least one record.
_DEVIATIONS: Final = {
    "int(payload.is_active) == 1": "cel-go, which hosts run, and the specification have no int(bool)",
    "string(1.0/0.0) == '+Inf'": "written as Go's strconv writes it",
    "string(duration('1.5s')) == '1.5s'": "written as cel-go writes it; the C++ engine pads to milliseconds",
    r"r'\' == '\\'": "the specification has no escapes in raw strings, so a backslash may end one",
}
# Also deliberate, and not on an everyday road; each as (expression, ours, the engine's).
_FURTHER_DEVIATIONS: Final = (
    ("timestamp('2026-01-01t00:00:00z') > timestamp(0)", "error", "true", "Go reads an upper-case T and Z only"),
    ("timestamp('2026-01-01T00:00:60Z') > timestamp(0)", "error", "true", "Go has no leap seconds"),
    ("duration('3000000h') > duration('1h')", "error", "true", "a Go duration has 64 bits of nanoseconds"),
    ("duration('2s').getMilliseconds() == 2000", "true", "false", "cel-go gives the whole duration in milliseconds"),
    ("int(' 5') == 5", "error", "true", "Go's strconv takes no blanks"),
    ("string(timestamp('2026-01-01T00:00:00.12Z')) == '2026-01-01T00:00:00.12Z'", "true", "false", "as Go writes it"),
    ("timestamp('now') > timestamp(0) || true", "error", "true", "a constant that is no timestamp is refused at once"),
    ("''.matches('(') || true", "error", "true", "a constant that is no regular expression is refused at once"),
    ("[].map(v, v + v) == ['a']", "false", "error", "the engine types the element of [] by the first overload of +"),
    ("payload == {} || [1].all(a, [1].all(b, [1].all(c, true)))", "error", "true", "macros nest at most twice"),
)


def test_the_corpus_is_of_some_size() -> None:
    """The comparison covers hundreds of expressions, none of them twice."""
    assert len(_EXPRESSIONS) > 400
    assert len(set(_EXPRESSIONS)) == len(_EXPRESSIONS)
    assert _DEVIATIONS.keys() <= set(_EXPRESSIONS)


@pytest.mark.parametrize("number", range(len(_RECORDS)))
def test_everyday_expressions_mean_what_the_engine_says(number: int) -> None:
    """Every expression not listed as a deviation gives the engine's verdict: true, false or no value."""
    record = _RECORDS[number]
    differing = [
        (expression, ours, theirs)
        for expression in _EXPRESSIONS
        if expression not in _DEVIATIONS
        and (ours := our_verdict(expression, record)) != (theirs := oracle_verdict(expression, record))
    ]
    assert differing == []


@pytest.mark.parametrize("expression", _DEVIATIONS)
def test_each_deviation_is_one(expression: str) -> None:
    """A listed deviation that no longer differs must be taken off the list."""
    assert any(our_verdict(expression, record) != oracle_verdict(expression, record) for record in _RECORDS)


@pytest.mark.parametrize(("expression", "ours", "theirs", "reason"), _FURTHER_DEVIATIONS)
def test_each_further_deviation_is_as_described(expression: str, ours: str, theirs: str, reason: str) -> None:
    """A deviation is exactly the one that is argued for."""
    assert reason
    assert (our_verdict(expression, {}), oracle_verdict(expression, {})) == (ours, theirs)
