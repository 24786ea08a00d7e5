"""What becomes of a record."""

import math
from typing import Any

import pytest

from openlane_authentik.filter import Verdict, compile_filter

_KEPT = Verdict(kept=True, failed=False, reason="")
_FALSE = Verdict(kept=False, failed=False, reason="false")


def _judge(expression: str, payload: dict[str, Any] | None = None, **others: str) -> Verdict:
    return compile_filter(expression, {}).judge(payload or {}, **others)


def _left_out(reason: str) -> Verdict:
    return Verdict(kept=False, failed=False, reason=reason)


def _failed(reason: str) -> Verdict:
    return Verdict(kept=False, failed=True, reason=reason)


def test_true_keeps_and_false_leaves_out() -> None:
    """Only exactly true keeps a record; exactly false leaves it out."""
    assert _judge("payload.type == 'internal'", {"type": "internal"}) == _KEPT
    assert _judge("payload.type == 'internal'", {"type": "external"}) == _FALSE
    assert _judge("payload.is_active", {"is_active": True}) == _KEPT
    assert _judge("payload.is_active", {"is_active": False}) == _FALSE


@pytest.mark.parametrize("value", [1, 0, "true", "", [], {}, 1.5])
def test_a_value_that_is_no_bool_has_failed(value: Any) -> None:
    """Nothing is true or false but true and false: no truthiness."""
    assert _judge("payload.x", {"x": value}) == _failed("not_bool")


@pytest.mark.parametrize("blank", ["", " ", "\n\t "])
def test_blank_keeps_everything(blank: str) -> None:
    """No filter keeps every record."""
    compiled = compile_filter(blank, {})
    assert compiled.keeps_all
    assert compiled.judge({}) == _KEPT
    assert compiled.payload_fields == compiled.variables == compiled.never_matches == frozenset()


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("payload.type == 'x'", "payload.type"),
        ("payload['type'] == 'x'", "payload.type"),
        ("payload['odd key'] == 'x'", "payload['odd key']"),
        ("payload.type != 'x'", "payload.type"),
        ("payload.type in ['x']", "payload.type"),
        ("'x' in payload.type", "payload.type"),
        ("payload.type < 'x'", "payload.type"),
        ("payload.type.startsWith('x')", "payload.type"),
        ("payload.type.matches('x')", "payload.type"),
        ("payload.type.matches(payload.type)", "payload.type"),
        ("!payload.type", "payload.type"),
        ("-payload.type < 1", "payload.type"),
        ("payload.type ? true : false", "payload.type"),
        ("payload.type", "payload.type"),
        ("size(payload.type) > 0", "payload.type"),
        ("[payload.type] == []", "payload.type"),
        ("{'a': payload.type} == {}", "payload.type"),
        ("payload.type.exists(x, true)", "payload.type"),
        ("payload.type.map(x, x) == []", "payload.type"),
        ("has(payload.nope.deep)", "payload.nope"),
        ("payload.there.deep == 1", "payload.there.deep"),
        ("payload.there['deep'].er == 1", "payload.there.deep"),
        ("payload.there[payload.key] == 1", "payload.there[...]"),
        ("payload.list.exists(g, g.name == 'x')", "g.name"),
        ("payload.list.filter(g, g.name == 'x') == []", "g.name"),
        ("payload.list.map(g, g.name) == []", "g.name"),
        ("envelope.payload.type == 'x'", "payload.type"),
        ("envelope.resource == 'x'", "envelope.resource"),
        ("{'a': 1}.b == 1", "(...).b"),
    ],
)
def test_a_missing_field_leaves_out_and_is_named(expression: str, path: str) -> None:
    """A field a record lacks, however it is written and used, does not match; the reason says which."""
    payload = {"there": {"k": 1}, "key": "none", "list": [{}]}
    assert _judge(expression, payload) == _left_out(f"missing:{path}")


@pytest.mark.parametrize(
    "expression",
    [
        "timestamp(payload.n) > timestamp('2026-01-01T00:00:00Z')",
        "payload.n.startsWith('x')",
        "payload.n.matches('x')",
        "null < 1",
        "size(null) == 0",
        "payload.n > 1",
        "payload.n + 1 == 1",
        "-payload.n == 1",
        "!payload.n",
        "payload.n && true",
        "payload.n ? true : true",
        "payload.n.x == 1",
        "has(payload.n.x)",
        "payload.n[0] == 1",
        "payload.list[payload.n] == 1",
        "1 in payload.n",
        "'a' in payload.n",
        "payload.n.exists(x, true)",
        "payload.list.exists(x, payload.n)",
        "payload.list.filter(x, payload.n) == []",
        "string(payload.n) == ''",
        "payload.n",
    ],
)
def test_a_null_where_a_value_is_needed_leaves_out(expression: str) -> None:
    """A null is no value: what needs one does not match."""
    assert _judge(expression, {"n": None, "list": [1]}) == _left_out("null")


def test_null_can_be_compared_for_equality() -> None:
    """Asking whether something is null has an answer."""
    assert _judge("payload.n == null", {"n": None}) == _KEPT
    assert _judge("payload.n != null", {"n": None}) == _FALSE
    assert _judge("payload.n == 'x'", {"n": None}) == _FALSE
    assert _judge("payload.n in [null]", {"n": None}) == _KEPT
    assert _judge("type(payload.n) == null_type", {"n": None}) == _KEPT


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("payload.s > 1", "type_mismatch"),
        ("payload.s.x == 1", "type_mismatch"),
        ("payload.s && true", "type_mismatch"),
        ("payload.i + 1.5 > 0.0", "type_mismatch"),
        ("payload.i / 0 == 1", "division_by_zero"),
        ("payload.i % 0 == 1", "division_by_zero"),
        ("payload.i + 9223372036854775807 > 0", "overflow"),
        ("payload.l[5] == 1", "index_out_of_range"),
        ("payload.l[payload.i - 5] == 1", "index_out_of_range"),
        ("timestamp(payload.s) > timestamp(0)", "bad_timestamp"),
        ("duration(payload.s) > duration('1s')", "bad_duration"),
        ("int(payload.s) > 1", "bad_number"),
        ("double(payload.s) > 1.0", "bad_number"),
        ("bool(payload.s)", "bad_bool"),
        ("payload.s.matches(payload.open)", "bad_regex"),
        ("timestamp(0).getHours(payload.s) == 1", "bad_timezone"),
        ("string(b'\\xff') == payload.s", "bad_text"),
        ("{payload.s: 1, 'text': 2} == {}", "duplicate_key"),
        ("payload.l", "not_bool"),
    ],
)
def test_any_other_error_has_failed_with_a_stable_reason(expression: str, reason: str) -> None:
    """What is neither missing nor null fails the record, and the reason names the cause."""
    assert _judge(expression, {"s": "text", "i": 1, "l": [1], "open": "("}) == _failed(reason)


@pytest.mark.parametrize("place", ["{0} || payload.yes", "payload.yes || {0}", "{0} || payload.no || payload.yes"])
@pytest.mark.parametrize("error", ["payload.nope", "payload.n", "payload.s > 1", "1 / payload.zero > 0", "payload.s"])
def test_true_absorbs_errors_of_or(place: str, error: str) -> None:
    """With || a true operand decides, whichever side fails."""
    record = {"yes": True, "no": False, "n": None, "s": "text", "zero": 0}
    assert _judge(place.format(error), record) == _KEPT


@pytest.mark.parametrize("place", ["{0} && payload.no", "payload.no && {0}", "{0} && payload.yes && payload.no"])
@pytest.mark.parametrize("error", ["payload.nope", "payload.n", "payload.s > 1", "1 / payload.zero > 0", "payload.s"])
def test_false_absorbs_errors_of_and(place: str, error: str) -> None:
    """With && a false operand decides, whichever side fails."""
    record = {"yes": True, "no": False, "n": None, "s": "text", "zero": 0}
    assert _judge(place.format(error), record) == _FALSE


def test_macros_absorb_errors_too() -> None:
    """exists() is a chain of || and all() one of &&; exists_one(), filter() and map() absorb nothing."""
    record = {"l": ["a", 1, "b"]}
    assert _judge("payload.l.exists(x, x.startsWith('b'))", record) == _KEPT
    assert _judge("payload.l.all(x, x.startsWith('b'))", record) == _FALSE
    assert _judge("payload.l.exists(x, x.startsWith('c'))", record) == _failed("type_mismatch")
    assert _judge("payload.l.exists_one(x, x.startsWith('b'))", record) == _failed("type_mismatch")
    assert _judge("payload.l.filter(x, x.startsWith('b')) == []", record) == _failed("type_mismatch")


@pytest.mark.parametrize("operator", ["&&", "||"])
def test_a_hard_failure_outweighs_a_missing_field(operator: str) -> None:
    """When nothing absorbs two errors, the one that is a failure counts, on either side."""
    hard, missing, null = "payload.s > 1", "payload.nope", "payload.n"
    for soft in (missing, null):
        for first, second in ((hard, soft), (soft, hard)):
            assert _judge(f"{first} {operator} {second}", {"s": "x", "n": None}) == _failed("type_mismatch")
            assert _judge(f"{first} {operator} {second} {operator} {soft}", {"s": "x", "n": None}).failed
    neutral = "true" if operator == "&&" else "false"
    assert _judge(f"{missing} {operator} {neutral}") == _left_out("missing:payload.nope")
    assert _judge(f"{neutral} {operator} {missing}") == _left_out("missing:payload.nope")
    assert _judge(f"{missing} {operator} {null}", {"n": None}) == _left_out("missing:payload.nope")


def test_whole_doubles_of_a_record_are_ints() -> None:
    """The host decodes 7.0 as 7, wherever it stands in a record; doubles written in the filter stay doubles."""
    record = {"w": 7.0, "l": [7.0], "m": {"a": 7.0}, "k": "a", "f": 7.5, "huge": 1e300}
    for expression in ("payload.w", "payload.l[0]", "payload.m.a", "payload.m[payload.k]"):
        assert _judge(f"{expression} / 2 == 3", record) == _KEPT
        assert _judge(f"type({expression}) == int", record) == _KEPT
    for expression in ("payload.l.exists(x, x / 2 == 3)", "payload.l.map(x, x / 2) == [3]", "payload.w == 7.0"):
        assert _judge(expression, record) == _KEPT
    for expression in ("7.0 / 2.0 == 3.5", "[7.0][0] / 2.0 == 3.5", "{'a': 7.0}.a / 2.0 == 3.5"):
        assert _judge(expression, record) == _KEPT
    assert _judge("[7.0].exists(x, x / 2.0 == 3.5) && type(payload.huge) == double", record) == _KEPT
    assert _judge("type(payload.f) == double", record) == _KEPT


def test_numbers_of_any_size_in_a_record_raise_nothing() -> None:
    """JSON's numbers have no bounds; a step that cannot hold one fails."""
    record: dict[str, Any] = {"n": 10**4000, "nan": math.nan, "inf": math.inf}
    assert _judge("payload.n > 1 && payload.n > 1.5", record) == _KEPT
    for expression in ("payload.n + 1 > 1", "double(payload.n) > 1.0", "string(payload.n) == ''", "int(payload.n) > 1"):
        assert _judge(expression, record) == _failed("overflow")
    assert _judge("timestamp(payload.n) > timestamp(0)", record) == _failed("overflow")
    assert _judge("payload.nan == payload.nan", record) == _FALSE
    assert _judge("int(payload.nan) == 1", record) == _failed("overflow")
    assert _judge("payload.inf > 1.0", record) == _KEPT


def test_half_a_surrogate_pair_is_matched_as_the_replacement_character() -> None:
    """A text that is legal JSON and no Unicode fails nothing."""
    assert _judge("payload.x.matches('^a\ufffd$')", {"x": "a\ud800"}) == _KEPT
    assert _judge("bytes(payload.x) == b''", {"x": "\ud800"}) == _failed("bad_text")


def test_the_envelope_has_no_empty_members() -> None:
    """Host variables are always there; as members of the envelope only when they are not empty."""
    assert _judge("resource == 'r' && action == '' && variant == 'v'", resource="r", variant="v") == _KEPT
    assert _judge("envelope.resource == 'r'", resource="r") == _KEPT
    assert _judge("has(envelope.resource) && !has(envelope.action)", resource="r") == _KEPT
    assert _judge("envelope.action == ''") == _left_out("missing:envelope.action")
    assert _judge("envelope == {'payload': {'a': 1}, 'action': 'x'}", {"a": 1}, action="x") == _KEPT


def test_field_names_are_not_python() -> None:
    """No expression reaches an attribute of a Python object."""
    assert _judge("payload.__class__ == 1") == _left_out("missing:payload.__class__")
    assert _judge("payload.s.__class__ == 1", {"s": "x"}) == _failed("type_mismatch")
    assert _judge("payload.items == 1") == _left_out("missing:payload.items")


def test_a_reason_never_holds_a_value_of_the_record() -> None:
    """Reasons come from the expression and a fixed list: no person's data gets into a log."""
    secret = "ada.lovelace@example.com"
    record = {"s": secret, "l": [secret], "m": {secret: secret}}
    for expression in (
        "payload.s > 1",
        "payload.m[payload.s + 'x'] == 1",
        "payload.l[payload.s] == 1",
        "int(payload.s) == 1",
        "timestamp(payload.s) > timestamp(0)",
        "payload.s.matches(payload.s + '(')",
        "payload.l.exists(x, x.nope)",
        "payload.m.exists(k, payload.m[k + 'x'] == 1)",
        "{payload.s: 1}[payload.s + 'x'] == 1",
        "payload.s",
    ):
        verdict = _judge(expression, record)
        assert not verdict.kept
        assert "ada" not in repr(verdict)
