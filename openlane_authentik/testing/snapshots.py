"""What a directory held at one time, and what differs between two such times."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from openlane_authentik.testing.raw import RawRecord
from openlane_authentik.testing.relations import ManyToMany

Key = TypeVar("Key", int, str)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows of a directory at one time, for ``Directory.restore`` and ``FakeAuthentik.replica``.

    Records are replaced on a change, never edited, so a snapshot shares them with the directory and costs no more than
    a copy of the keys.

    Attributes:
        users: Users by key.
        groups: Groups by key.
        role_names: The names of roles by key.
        memberships: Users and the groups they are in.
        parents: Groups and their parents.
        user_roles: Users and their roles.
        group_roles: Groups and their roles.
        next_user_pk: The key the next user will have.
        installation: The id of the installation, which ``uid`` is made of.
    """

    users: dict[int, RawRecord]
    groups: dict[str, RawRecord]
    role_names: dict[str, str]
    memberships: ManyToMany[int, str]
    parents: ManyToMany[str, str]
    user_roles: ManyToMany[int, str]
    group_roles: ManyToMany[str, str]
    next_user_pk: int
    installation: str


@dataclass(frozen=True, slots=True)
class RowChanges(Generic[Key]):
    """How the rows of a table differ: whole new rows, the fields of edited ones, the keys of removed ones."""

    created: dict[Key, RawRecord]
    edited: dict[Key, RawRecord]
    removed: list[Key]

    @classmethod
    def between(cls, before: Mapping[Key, RawRecord], after: Mapping[Key, RawRecord]) -> "RowChanges[Key]":
        """Read what was done to a table."""
        edited = {
            pk: {name: value for name, value in row.items() if value != before[pk][name]}
            for pk, row in after.items()
            if pk in before and row is not before[pk]
        }
        created = {pk: row for pk, row in after.items() if pk not in before}
        return cls(created, edited, [pk for pk in before if pk not in after])

    def keys(self) -> list[Key]:
        """Every row that differs."""
        return list(self.created) + list(self.edited) + self.removed
