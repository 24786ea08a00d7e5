"""Docstrings become prose at the fields that they are about."""

import inspect
import json

import msgspec
import pytest

from openlane_authentik.described import describe_fields, split_docstring
from openlane_authentik.schema_files import schema_files


class Visit(msgspec.Struct, rename="camel"):
    """A visit, of which two things are told.

    It has
    ``seen_at``.

    Attributes:
        seen_at, left_at: RFC 3339, which
            everybody reads; None while it lasts.
        by: Who came, as in ``seen_at``.
    """

    seen_at: str
    left_at: str | None
    by: str


def test_the_words_of_a_docstring_are_at_its_fields() -> None:
    """Each field has its own, on one line, with the names and the null of JSON."""
    schema = msgspec.json.schema(Visit)["$defs"]["Visit"]
    told = describe_fields(schema)
    assert told["description"] == "A visit, of which two things are told.\n\nIt has `seenAt`."
    assert {name: field["description"] for name, field in told["properties"].items()} == {
        "seenAt": "RFC 3339, which everybody reads; null while it lasts.",
        "leftAt": "RFC 3339, which everybody reads; null while it lasts.",
        "by": "Who came, as in `seenAt`.",
    }


def test_a_docstring_says_the_same_with_and_without_its_indentation() -> None:
    """Python 3.13 takes it away as it compiles; what is written to ``schemas/`` is the same."""
    assert Visit.__doc__ is not None
    indented = inspect.cleandoc(Visit.__doc__).replace("\n", "\n    ")
    assert split_docstring(Visit.__doc__) == split_docstring(indented) == split_docstring(inspect.cleandoc(indented))


@pytest.mark.parametrize("file", schema_files())
def test_no_schema_has_a_docstring_in_it(file: str) -> None:
    """No text of a schema has the marks of Python's documentation."""
    text = json.dumps(json.loads(schema_files()[file]))
    for mark in ("Attributes:", "``", "\\n ", "None"):
        assert mark not in text
