"""Reads the query of a list request: which filters and orders a release knows, which values it refuses.

Measured on authentik 2025.12.4: bounds, repeated types and their refusal, what is ignored, the order that breaks. From
authentik's published source: the default orders, the other refusals, the flags' only true value, the superuser filter
over direct groups. By judgement: ``search`` looks for words in names and addresses, orders over relations and
``attributes`` are ignored, and ``uid`` and ``num_pk`` break as ``is_superuser`` of users does, being computed too.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.raw import USER_TYPES, RawRecord, microseconds
from openlane_authentik.testing.releases import Release
from openlane_authentik.testing.views import NEVER, Field, Ordering, Predicate, Query, Range

Parameters = Mapping[str, tuple[str, ...]]
"""A decoded query string: every value of every name, in order."""

_INSTANT: Final = re.compile(r"\d{4}-\d\d?-\d\d?([T ]\d\d?:\d\d(:\d\d([.,]\d+)?)?( ?(Z|[+-]\d\d(:?\d\d)?))?)?")
_BOOLEANS: Final = {"true": True, "false": False}
_EVER: Final = Range(-NEVER, NEVER)

_PK: Final = Field("pk", unique=True)
_USER_COLUMNS: Final = (
    _PK,
    Field("username", unique=True),
    Field("uuid", unique=True),
    Field("name"),
    Field("email"),
    Field("path"),
    Field("type"),
    Field("is_active"),
    Field("last_login", instant=True),
)
_GROUP_COLUMNS: Final = (_PK, Field("name"), Field("is_superuser"))


class OrderingCrashError(Exception):
    """An order over something computed, such as ``is_superuser`` of users: authentik answers a 500."""


class BadFilterError(Exception):
    """Values authentik refuses with a 400: messages by parameter."""

    def __init__(self, messages: Mapping[str, list[str]]) -> None:
        super().__init__(", ".join(messages))
        self.messages = dict(messages)


@dataclass(slots=True)
class _Reading:
    """What was understood of one query so far."""

    parameters: Parameters
    predicates: list[Predicate] = field(default_factory=list)
    ranges: dict[Field, Range] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)

    def last(self, name: str) -> str:
        """The value that counts: the last one, as in Django; "" is as good as absent."""
        return self.parameters.get(name, ("",))[-1]

    def refuse(self, name: str, message: str) -> None:
        self.errors.setdefault(name, []).append(message)

    def require(self, name: str, value: object, passes: Callable[[RawRecord], bool]) -> None:
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


class UserQueries:
    """Reads the queries of ``core/users/``."""

    def __init__(self, directory: Directory, release: Release) -> None:
        self._directory = directory
        self._release = release
        columns = list(_USER_COLUMNS)
        # 2023.10 orders by what the serializer knows: a field that is not there is no order either.
        columns += [Field("date_joined", instant=True)] if release.date_joined else []
        columns += [Field("password_change_date", instant=True)] if release.password_change_date else []
        columns += [Field("last_updated", instant=True)] if release.change_tracking else []
        self._columns = {column.name: column for column in columns}
        filtered = ["date_joined", "last_updated"] if release.change_tracking else []
        filtered += ["last_login"] if release.login_filters else []
        self._filtered_instants = [self._columns[name] for name in filtered]

    def read(self, parameters: Parameters) -> Query:
        """The query; unknown parameters and orders are ignored without a word.

        Raises:
            BadFilterError: a value authentik refuses.
            OrderingCrashError: an order authentik breaks on.
        """
        reading = _Reading(parameters)
        for name in ("username", "name", "email", "path"):
            reading.equal(name)
        _read_flag(reading, "is_active")
        self._read_superuser(reading)
        _read_uuid(reading)
        prefix = reading.last("path_startswith")
        if prefix:
            reading.require("path_startswith", prefix, lambda row: row["path"].startswith(prefix))
        _read_types(reading)
        self._read_groups(reading)
        _read_search(reading, ("username", "name", "email"))
        for column in self._filtered_instants:
            reading.instants(column)
        if self._release.login_filters and reading.boolean("last_login__isnull") is not None:
            null = reading.boolean("last_login__isnull")
            reading.require("last_login__isnull", null, lambda row: (row["last_login"] is None) is null)
        ordering = _ordering(reading.last("ordering"), self._columns, {"is_superuser", "uid"}, "username")
        return _query(reading, ordering)

    def _read_superuser(self, reading: _Reading) -> None:
        # The filter looks at the user's own groups, not at their parents: unlike the field of that name.
        wanted = reading.boolean("is_superuser")
        if wanted is None:
            return
        held, groups = self._directory.memberships, self._directory.groups
        reading.require(
            "is_superuser",
            wanted,
            lambda row: any(groups[pk]["is_superuser"] is wanted for pk in held.rights_of(row["pk"])),
        )

    def _read_groups(self, reading: _Reading) -> None:
        given = tuple(value for value in reading.parameters.get("groups_by_pk", ()) if value)
        if not given:
            return
        wanted = [read_uuid(value) for value in given]
        for text, pk in zip(given, wanted, strict=True):
            if pk is None:
                reading.refuse("groups_by_pk", f"“{text}” is not a valid value.")
            elif pk not in self._directory.groups:
                reading.refuse("groups_by_pk", _no_choice(text))
        held = self._directory.memberships
        keys = frozenset(pk for pk in wanted if pk is not None)
        reading.predicates.append(
            Predicate(
                ("groups_by_pk", keys),
                lambda row: any(held.holds(row["pk"], pk) for pk in keys),
                lambda: {user: None for pk in keys for user in held.lefts_of(pk)},
            )
        )


class GroupQueries:
    """Reads the queries of ``core/groups/``."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._columns = {column.name: column for column in _GROUP_COLUMNS}

    def read(self, parameters: Parameters) -> Query:
        """As for users; groups have no instants to filter by.

        Raises:
            BadFilterError: a value authentik refuses.
            OrderingCrashError: an order authentik breaks on.
        """
        reading = _Reading(parameters)
        reading.equal("name")
        _read_flag(reading, "is_superuser")
        self._read_members(reading)
        _read_search(reading, ("name",))
        return _query(reading, _ordering(reading.last("ordering"), self._columns, {"num_pk"}, "name"))

    def _read_members(self, reading: _Reading) -> None:
        given = tuple(value for value in reading.parameters.get("members_by_pk", ()) if value)
        if not given:
            return
        keys: set[int] = set()
        for text in given:
            if not text.isdecimal():
                reading.refuse("members_by_pk", f"“{text}” is not a valid value.")
            elif int(text) not in self._directory.users:
                reading.refuse("members_by_pk", _no_choice(text))
            else:
                keys.add(int(text))
        held, members = self._directory.memberships, frozenset(keys)
        reading.predicates.append(
            Predicate(
                ("members_by_pk", members),
                lambda row: any(held.holds(pk, row["pk"]) for pk in members),
                lambda: {group: None for pk in members for group in held.rights_of(pk)},
            )
        )


def _query(reading: _Reading, ordering: Ordering) -> Query:
    if reading.errors:
        raise BadFilterError(reading.errors)
    return Query(ordering, tuple(reading.predicates), tuple(reading.ranges.items()))


def _ordering(text: str, columns: Mapping[str, Field], computed: set[str], default: str) -> Ordering:
    terms = [term.strip() for term in text.split(",")]
    if computed & {term.removeprefix("-") for term in terms}:
        raise OrderingCrashError(text)
    known = [term for term in terms if term.removeprefix("-") in columns] or [default]
    return Ordering(tuple((columns[term.removeprefix("-")], term.startswith("-")) for term in known))


def _read_flag(reading: _Reading, name: str) -> None:
    wanted = reading.boolean(name)
    if wanted is not None:
        reading.require(name, wanted, lambda row: row[name] is wanted)


def _read_uuid(reading: _Reading) -> None:
    text = reading.last("uuid")
    if not text:
        return
    wanted = read_uuid(text)
    if wanted is None:
        reading.refuse("uuid", "Enter a valid UUID.")
    reading.require("uuid", wanted, lambda row: row["uuid"] == wanted)


def _read_types(reading: _Reading) -> None:
    wanted = frozenset(value for value in reading.parameters.get("type", ()) if value)
    for value in sorted(wanted.difference(USER_TYPES)):
        reading.refuse("type", _no_choice(value))
    if wanted:
        reading.require("type", wanted, lambda row: row["type"] in wanted)


def _read_search(reading: _Reading, names: tuple[str, ...]) -> None:
    words = tuple(reading.last("search").lower().split())
    if words:
        reading.require("search", words, lambda row: all(any(word in row[n].lower() for n in names) for word in words))


def _no_choice(value: str) -> str:
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
