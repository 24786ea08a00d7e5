"""What a directory holds and what follows from it; ``directory`` changes it."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from openlane_authentik.testing.raw import GROUP_FIELDS, INSTALLATION, USER_FIELDS, RawRecord
from openlane_authentik.testing.relations import ManyToMany, reachable
from openlane_authentik.testing.snapshots import Snapshot

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
        self._given_clock = clock
        self._clock_offset = timedelta()
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
        self.usernames: set[str] = set()
        self.installation = INSTALLATION
        self.restores = 0
        self.uuid_count = 0
        self._load(list(users), list(groups))
        self.next_user_pk = max(self.users, default=_FIRST_USER_PK - 1) + 1

    @property
    def revision(self) -> tuple[int, int]:
        """Moves with every change; equal revisions mean equal directories."""
        return len(self.user_changes), len(self.group_changes)

    def clock(self) -> datetime:
        """The server's own time: the given clock plus what ``set_clock`` put it ahead or back."""
        return self._given_clock() + self._clock_offset

    def set_clock(self, offset: timedelta) -> None:
        """Let the server's clock be the given one plus an offset from now on; a negative one sets it back.

        Stamps, ``date_joined``, logins and the expiry of tokens follow it.
        """
        self._clock_offset = offset

    def snapshot(self) -> Snapshot:
        """All rows as they are now, at the cost of a copy of their keys."""
        with self.lock:
            return Snapshot(
                dict(self.users),
                dict(self.groups),
                dict(self.role_names),
                self.memberships.copy(),
                self.parents.copy(),
                self.user_roles.copy(),
                self.group_roles.copy(),
                self.next_user_pk,
                self.installation,
            )

    def restore(self, snapshot: Snapshot) -> None:
        """Bring all rows back as they were, stamps and the sequence of user keys with them, as a restored backup does.

        Users made from now on are given keys that others had; their UUIDs are new, as those of groups. What was begun
        and not committed is lost. Tokens are not part of it: one whose account the snapshot does not have is refused,
        so ask for a token before taking the snapshot.
        """
        with self.lock:
            self.user_changes.extend(self.users.keys() | snapshot.users.keys())
            self.groups_changed(*(self.groups.keys() | snapshot.groups.keys()))
            # In place: the views and the filters of a server hold on to these.
            self.users.clear()
            self.users.update(snapshot.users)
            self.groups.clear()
            self.groups.update(snapshot.groups)
            self.role_names.clear()
            self.role_names.update(snapshot.role_names)
            self.memberships.become(snapshot.memberships)
            self.parents.become(snapshot.parents)
            self.user_roles.become(snapshot.user_roles)
            self.group_roles.become(snapshot.group_roles)
            self.usernames = {user["username"] for user in self.users.values()}
            self.next_user_pk = snapshot.next_user_pk
            self.installation = snapshot.installation
            self.restores += 1

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

    def roles_of(self, user: int) -> list[str]:
        """A user's roles: its own, then those of its groups and their ancestors."""
        found = dict.fromkeys(self.user_roles.rights_of(user))
        for group in sorted(self.all_groups_of(user)):
            found.update(dict.fromkeys(self.group_roles.rights_of(group)))
        return list(found)

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
            self.usernames.add(given["username"])
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

    def groups_changed(self, *pks: str) -> None:
        """Note in the journal that groups, or what joins them, changed."""
        self._superuser_groups = None
        self.group_changes.extend(pks)
