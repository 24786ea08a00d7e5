"""Forms from JSON Schemas: what is shown of them, and what is read from what was filled in."""

from typing import Any

import pytest

from openlane_authentik.host.errors import InvalidRequestError
from openlane_authentik.host.web.forms import by_place, fields, filled_in

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["secret", "pace"],
    "properties": {
        "secret": {"type": "string", "writeOnly": True, "title": "Secret"},
        "pass": {"type": "string", "format": "password"},
        "pace": {"enum": ["slow", "fast"], "default": "slow"},
        "many": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 9}, {"type": "null"}], "title": "Many"},
        "share": {"type": "number", "default": 0.5},
        "on": {"type": "boolean", "default": True},
        "note": {"type": "string", "maxLength": 4000},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}


def test_each_kind_of_value_has_its_field() -> None:
    """Kinds, limits, labels and defaults come from the schema alone."""
    shown = {field.name.removeprefix("f."): field for field in fields("f", _SCHEMA, {})}
    kinds = {name: field.kind for name, field in shown.items()}
    assert kinds == {
        "secret": "secret",
        "pass": "secret",
        "pace": "choice",
        "many": "number",
        "share": "number",
        "on": "switch",
        "note": "long",
        "tags": "json",
    }
    assert shown["many"].limits == {"min": 1, "max": 9, "step": 1}
    assert shown["many"].label == "Many"
    assert (shown["pace"].text, shown["share"].text, shown["on"].text) == ("slow", "0.5", "on")
    assert [name for name, field in shown.items() if field.required] == ["secret", "pace"]


def test_a_secret_is_never_shown() -> None:
    """Neither what is stored, should anybody hand it over, nor what was typed a moment ago."""
    values = {"secret": "stored", "pass": "stored"}
    typed = {"f.secret": "typed", "f.pass": "typed", "f.note": "typed"}
    shown = fields("f", _SCHEMA, values, typed=typed, stored={})
    assert {field.text for field in shown if field.kind == "secret"} == {""}
    assert all(field.stored for field in shown)
    assert not any(field.required for field in shown)
    assert next(field.text for field in shown if field.name == "f.note") == "typed"


def test_what_was_filled_in_is_read_as_the_schema_says() -> None:
    """Numbers become numbers; a switch that is not sent is off; what is empty is not there."""
    form = {"f.secret": "x", "f.pace": "fast", "f.many": "3", "f.share": "0.25", "f.tags": '["a"]', "f.note": " "}
    read = filled_in("f", _SCHEMA, form)
    assert read == {"secret": "x", "pace": "fast", "many": 3, "share": 0.25, "on": False, "tags": ["a"]}


@pytest.mark.parametrize(
    ("name", "text", "told"), [("many", "3.5", "number"), ("share", "much", "number"), ("tags", "[", "JSON")]
)
def test_what_cannot_be_read_is_named(name: str, text: str, told: str) -> None:
    """By its field and the kind that is wanted, without repeating it; the form shows it there."""
    with pytest.raises(InvalidRequestError) as raised:
        filled_in("f", _SCHEMA, {f"f.{name}": text})
    assert by_place(str(raised.value)) == {f"f.{name}": f"is no {told}"}
    (problem,) = [
        field.problem for field in fields("f", _SCHEMA, {}, problems=by_place(str(raised.value))) if field.problem
    ]
    assert problem == f"is no {told}"


def test_what_is_stored_and_not_needed_may_be_removed() -> None:
    """By a field beside it, which holds over what stands in the field itself."""
    shown = fields("f", _SCHEMA, {}, stored={})
    assert {field.name for field in shown if not field.removable} == {"f.secret", "f.pace"}
    assert not any(field.removable for field in fields("f", _SCHEMA, {}))
    read = filled_in("f", _SCHEMA, {"f.note": "x", "f.note.remove": "on", "f.on": "on", "f.on.remove": "on"})
    assert (read["note"], read["on"]) == (None, None)
