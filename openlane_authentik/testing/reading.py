"""What a query string says, parameter by parameter: which rows pass, and which values authentik refuses."""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from openlane_authentik.testing.raw import USER_TYPES, RawRecord, microseconds
from openlane_authentik.testing.views import NEVER, Field, Predicate, Range

Parameters = Mapping[str, tuple[str, ...]]
"""A decoded query string: every value of every name, in order."""

_INSTANT: Final = re.compile(r"\d{4}-\d\d?-\d\d?([T ]\d\d?:\d\d(:\d\d([.,]\d+)?)?( ?(Z|[+-]\d\d(:?\d\d)?))?)?")
_TERM: Final = re.compile(r"\"[^\"]*\"|'[^']*'|\S+")
_BOOLEANS: Final = {"true": True, "false": False}
_EVER: Final = Range(-NEVER, NEVER)
_MISSING: Final = object()


class BadFilterError(Exception):
    """Values authentik refuses with a 400; ``told`` is its body: messages by parameter, or a list of messages."""

    def __init__(self, told: Mapping[str, list[str]] | list[str]) -> None:
        super().__init__(", ".join(told))
        self.told = told


@dataclass(slots=True)
class Reading:
    """What was understood of one query so far."""

    parameters: Parameters
    predicates: list[Predicate] = field(default_factory=list)
    ranges: dict[Field, Range] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)

    def last(self, name: str) -> str:
        """The value that counts: the last one, as in Django; "" is as good as absent."""
        return self.parameters.get(name, ("",))[-1]

    def refuse(self, name: str, message: str) -> None:
        """Note a value authentik does not take."""
        self.errors.setdefault(name, []).append(message)

    def require(self, name: str, value: object, passes: Callable[[RawRecord], bool]) -> None:
        """Let only such rows pass; the name and the value tell equal filters."""
        self.predicates.append(Predicate((name, value), passes))

    def equal(self, name: str) -> None:
        """Rows whose field is exactly the text given."""
        wanted = self.last(name)
        if wanted:
            self.require(name, wanted, lambda row: row[name] == wanted)

    def boolean(self, name: str) -> bool | None:
        """True or false; anything else counts as absent."""
        return _BOOLEANS.get(self.last(name).lower())

    def instants(self, column: Field) -> None:
        """Rows whose instant is above, below or at a bound; both bounds are excluded."""
        within = _EVER
        for suffix in ("", "__gt", "__lt"):
            text = self.last(column.name + suffix)
            if not text:
                continue
            bound = _instant(text)
            if bound is None:
                self.refuse(column.name + suffix, "Enter a valid date/time.")
                continue
            above = {"": bound - 1, "__gt": bound}.get(suffix, within.above)
            below = {"": bound + 1, "__lt": bound}.get(suffix, within.below)
            within = Range(max(within.above, above), min(within.below, below))
        if within != _EVER:
            self.ranges[column] = within


def read_flag(reading: Reading, name: str) -> None:
    """Rows whose flag is as asked; anything but ``true`` and ``false`` is ignored."""
    wanted = reading.boolean(name)
    if wanted is not None:
        reading.require(name, wanted, lambda row: row[name] is wanted)


def require_uuid(reading: Reading) -> None:
    """Rows with the UUID that is asked for."""
    text = reading.last("uuid")
    if not text:
        return
    wanted = read_uuid(text)
    if wanted is None:
        reading.refuse("uuid", "Enter a valid UUID.")
    reading.require("uuid", wanted, lambda row: row["uuid"] == wanted)


def read_types(reading: Reading) -> None:
    """Users of any of the types asked for."""
    wanted = frozenset(value for value in reading.parameters.get("type", ()) if value)
    for value in sorted(wanted.difference(USER_TYPES)):
        reading.refuse("type", no_choice(value))
    if wanted:
        reading.require("type", wanted, lambda row: row["type"] in wanted)


def read_search(reading: Reading, names: tuple[str, ...]) -> None:
    """Rows that have every word in one of some fields; what stands in quotes is one word."""
    words = tuple(_words(reading.last("search").lower()))
    if words:
        reading.require("search", words, lambda row: all(any(word in row[n].lower() for n in names) for word in words))


def no_choice(value: str) -> str:
    """The message for a value that is none of a list."""
    return f"Select a valid choice. {value} is not one of the available choices."


def read_uuid(text: str) -> str | None:
    """A UUID in the form keys have, None when the text is none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def _instant(text: str) -> int | None:
    if not _INSTANT.fullmatch(text.strip()):
        return None
    try:
        return microseconds(text.strip())
    except ValueError:
        return None


def read_attributes(reading: Reading) -> None:
    """Rows whose attributes have the values of a JSON object, ``__`` between the keys of nested ones.

    Raises:
        BadFilterError: no JSON, or no object; in words of authentik's source.
    """
    text = reading.last("attributes")
    if not text:
        return
    try:
        wanted = json.loads(text)
    except ValueError:
        raise BadFilterError(["filter: failed to parse JSON"]) from None
    if not isinstance(wanted, dict):
        raise BadFilterError(["filter: value must be key:value mapping"])
    values = [(path.split("__"), json.dumps(value, sort_keys=True)) for path, value in wanted.items()]
    reading.require(
        "attributes",
        text,
        lambda row: all(_held(row["attributes"], path) == value for path, value in values),
    )


def _held(value: Any, path: list[str]) -> str | None:
    """The value at a path as JSON, None when there is none."""
    for key in path:
        value = value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
    return None if value is _MISSING else json.dumps(value, sort_keys=True)


def _words(text: str) -> Iterator[str]:
    # As Django REST Framework does: a quote alone is an empty word, which every row has.
    for term in _TERM.findall(text):
        if term[0] in "\"'" and term[0] == term[-1]:
            yield term[1:-1]
        else:
            yield from filter(None, term.split(","))
