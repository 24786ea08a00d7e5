"""Docstrings as prose, for those who read a schema or a page and not Python."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

_ATTRIBUTE = re.compile(r"^    (\w[\w, ]*): (.*(?:\n {8,}.*)*)", re.MULTILINE)


def split_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return a docstring without its part ``Attributes``, and what that part says of each name.

    Code is in single backticks, as in Markdown. The result is the same for every Python: from 3.13 on a compiler takes
    the indentation of docstrings away.
    """
    about, _, listed = inspect.cleandoc(text).partition("Attributes:\n")
    fields = {name: _in_one_line(words) for names, words in _ATTRIBUTE.findall(listed) for name in names.split(", ")}
    paragraphs = [_in_one_line(paragraph) for paragraph in about.strip().split("\n\n")]
    return "\n\n".join(paragraphs), fields


def describe_fields(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's schema with the words of its docstring at the fields that they are about.

    Names are those of JSON: ``readComplete`` for ``read_complete``, null for None.

    Args:
        schema: As msgspec makes it of a struct: the whole docstring is its description.
    """
    if not isinstance(schema.get("description"), str):
        return dict(schema)
    about, words = split_docstring(schema["description"])
    properties: Mapping[str, Any] = schema.get("properties", {})
    encoded = {name: name if name in properties else _camel(name) for name in words}
    told = {encoded[name]: _with_encoded_names(text, encoded) for name, text in words.items()}
    described = {
        name: {**field, "description": told[name]} if name in told else field for name, field in properties.items()
    }
    whole = {**schema, "description": _with_encoded_names(about, encoded)}
    return {**whole, "properties": described} if properties else whole


def _in_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("``", "`")


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def _with_encoded_names(text: str, encoded: Mapping[str, str]) -> str:
    of_json = re.sub(r"\bNone\b", "null", text)
    return re.sub(r"`(\w+)`", lambda found: f"`{encoded.get(found[1], found[1])}`", of_json)
