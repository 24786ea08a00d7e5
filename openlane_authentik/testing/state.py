"""What a directory holds and what follows from it; ``directory`` changes it."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from openlane_authentik.testing.raw import GROUP_FIELDS, USER_FIELDS, RawRecord
from openlane_authentik.testing.relations import ManyToMany, reachable

Clock = Callable[[], datetime]
"""Tells the time as an aware ``datetime``."""

_FIRST_USER_PK = 3


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class DirectoryState:
    """Users, groups, roles and what joins them, with a journal of the keys that changed.

    Memberships are held once, so users and groups always agree. Records are replaced, never edited, on a change: hold
    on to one to keep what it said.
    """

    def __init__(
        self,
        users: Iterable[Mapping[str, Any]] = (),
        groups: Iterable[Mapping[str, Any]] = (),
        *,
        clock: Clock = utc_now,
    ) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.users: dict[int, RawRecord] = {}
        self.groups: dict[str, RawRecord] = {}
        self.role_names: dict[str, str] = {}
        self.memberships: ManyToMany[int, str] = ManyToMany()
        self.parents: ManyToMany[str, str] = ManyToMany()
        self.user_roles: ManyToMany[int, str] = ManyToMany()
        self.group_roles: ManyToMany[str, str] = ManyToMany()
        self.user_changes: list[int] = []
        self.group_changes: list[str] = []
        self._superuser_groups: frozenset[str] | None = None
        self._uuid_count = 0
        self._usernames: set[str] = set()
        self._load(list(users), list(groups))
        self._next_user_pk = max(self.users, default=_FIRST_USER_PK - 1) + 1

    @property
    def revision(self) -> tuple[int, int]:
        """Moves with every change; equal revisions mean equal directories."""
        return len(self.user_changes), len(self.group_changes)

    def superuser_groups(self) -> frozenset[str]:
        """The groups that make their members superusers, themselves or through a parent."""
        if self._superuser_groups is None:
            flagged = [pk for pk, group in self.groups.items() if group["is_superuser"]]
            self._superuser_groups = frozenset(reachable(flagged, self.parents.lefts_of))
        return self._superuser_groups

    def is_superuser(self, pk: int) -> bool:
        """Whether a user is a superuser by any of its groups or their ancestors."""
        return not self.superuser_groups().isdisjoint(self.memberships.rights_of(pk))

    def all_groups_of(self, pk: int) -> set[str]:
        """A user's groups and all their ancestors."""
        return reachable(self.memberships.rights_of(pk), self.parents.rights_of)

    def ancestors_of(self, pk: str) -> set[str]:
        """A group's parents and all their ancestors; the group itself only in a cycle."""
        return reachable(self.parents.rights_of(pk), self.parents.rights_of)

    def raw_user(self, pk: int) -> RawRecord:
        """A user as the newest release tells it, without the expanded ``*_obj`` fields."""
        return {
            **self.users[pk],
            "is_superuser": self.is_superuser(pk),
            "groups": sorted(self.memberships.rights_of(pk)),
            "roles": sorted(self.user_roles.rights_of(pk)),
        }

    def raw_group(self, pk: str) -> RawRecord:
        """A group as the newest release tells it, without the expanded ``*_obj`` fields."""
        return {
            **self.groups[pk],
            "users": sorted(self.memberships.lefts_of(pk)),
            "parents": sorted(self.parents.rights_of(pk)),
            "children": sorted(self.parents.lefts_of(pk)),
            "roles": sorted(self.group_roles.rights_of(pk)),
        }

    def _load(self, users: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]]) -> None:
        for given in users:
            pk = given["pk"]
            if pk in self.users:
                raise ValueError(f"two users have the key {pk}")
            self.users[pk] = {name: given[name] for name in USER_FIELDS}
            self._usernames.add(given["username"])
        for given in groups:
            if given["pk"] in self.groups:
                raise ValueError(f"two groups have the key {given['pk']}")
            self.groups[given["pk"]] = {name: given[name] for name in GROUP_FIELDS}
        for given in groups:
            self._load_group_relations(given)
        for given in users:
            for group in given.get("groups") or ():
                if group in self.groups:
                    self.memberships.add(given["pk"], group)
            for role in given.get("roles_obj") or ():
                self.role_names[role["pk"]] = role["name"]
                self.user_roles.add(given["pk"], role["pk"])

    def _load_group_relations(self, given: Mapping[str, Any]) -> None:
        pk = given["pk"]
        for user in given.get("users") or ():
            if user in self.users:
                self.memberships.add(user, pk)
        for parent in given.get("parents") or ():
            if parent in self.groups:
                self.parents.add(pk, parent)
        for child in given.get("children") or ():
            if child in self.groups:
                self.parents.add(child, pk)
        for role in given.get("roles_obj") or ():
            self.role_names[role["pk"]] = role["name"]
            self.group_roles.add(pk, role["pk"])

    def _membership_changed(self, group: str, user: int) -> None:
        self.user_changes.append(user)
        self.group_changes.append(group)

    def _groups_changed(self, *pks: str) -> None:
        self._superuser_groups = None
        self.group_changes.extend(pks)
