"""Reads the query of a list request: which filters and orders a release knows, which values it refuses.

Measured on authentik 2025.12.4: bounds, repeated types and their refusal, what is ignored, the order that breaks. From
authentik's published source: the default orders, the other refusals, the flags' only true value, the superuser filter
over direct groups. By judgement: orders over relations and ``attributes`` are ignored, and ``uid`` breaks as
``is_superuser`` of users does, being computed too.
"""

from collections.abc import Mapping
from typing import Final

from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.reading import (
    BadFilterError,
    Parameters,
    Reading,
    no_choice,
    read_attributes,
    read_flag,
    read_search,
    read_types,
    read_uuid,
    require_uuid,
)
from openlane_authentik.testing.releases import Release
from openlane_authentik.testing.views import Field, Ordering, Predicate, Query

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
        reading = Reading(parameters)
        for name in ("username", "name", "email", "path"):
            reading.equal(name)
        read_flag(reading, "is_active")
        self._read_superuser(reading)
        require_uuid(reading)
        prefix = reading.last("path_startswith")
        if prefix:
            reading.require("path_startswith", prefix, lambda row: row["path"].startswith(prefix))
        read_types(reading)
        self._read_groups(reading)
        read_attributes(reading)
        read_search(reading, ("username", "name", "email"))
        for column in self._filtered_instants:
            reading.instants(column)
        if self._release.login_filters and reading.boolean("last_login__isnull") is not None:
            null = reading.boolean("last_login__isnull")
            reading.require("last_login__isnull", null, lambda row: (row["last_login"] is None) is null)
        ordering = _ordering(reading.last("ordering"), self._columns, {"is_superuser", "uid"}, "username")
        return _query(reading, ordering)

    def _read_superuser(self, reading: Reading) -> None:
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

    def _read_groups(self, reading: Reading) -> None:
        given = tuple(value for value in reading.parameters.get("groups_by_pk", ()) if value)
        if not given:
            return
        wanted = [read_uuid(value) for value in given]
        for text, pk in zip(given, wanted, strict=True):
            if pk is None:
                reading.refuse("groups_by_pk", f"“{text}” is not a valid value.")
            elif pk not in self._directory.groups:
                reading.refuse("groups_by_pk", no_choice(text))
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
        reading = Reading(parameters)
        reading.equal("name")
        read_flag(reading, "is_superuser")
        self._read_members(reading)
        read_attributes(reading)
        read_search(reading, ("name",))
        return _query(reading, _ordering(reading.last("ordering"), self._columns, set(), "name"))

    def _read_members(self, reading: Reading) -> None:
        given = tuple(value for value in reading.parameters.get("members_by_pk", ()) if value)
        if not given:
            return
        keys: set[int] = set()
        for text in given:
            if not text.isdecimal():
                reading.refuse("members_by_pk", f"“{text}” is not a valid value.")
            elif int(text) not in self._directory.users:
                reading.refuse("members_by_pk", no_choice(text))
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


def _query(reading: Reading, ordering: Ordering) -> Query:
    if reading.errors:
        raise BadFilterError(reading.errors)
    return Query(ordering, tuple(reading.predicates), tuple(reading.ranges.items()))


def _ordering(text: str, columns: Mapping[str, Field], computed: set[str], default: str) -> Ordering:
    terms = [term.strip() for term in text.split(",")]
    if computed & {term.removeprefix("-") for term in terms}:
        raise OrderingCrashError(text)
    known = [term for term in terms if term.removeprefix("-") in columns] or [default]
    return Ordering(tuple((columns[term.removeprefix("-")], term.startswith("-")) for term in known))
