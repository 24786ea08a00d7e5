"""The state behind the fake, with every change to it that a test may want."""

import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from openlane_authentik.testing.folder import read_folder
from openlane_authentik.testing.generated import generated_records
from openlane_authentik.testing.raw import GROUP_FIELDS, USER_FIELDS, instant_text, new_group, new_user
from openlane_authentik.testing.state import Clock, DirectoryState, utc_now

_UUID_SPACE = uuid.UUID("6f70656e-6c61-4e65-8a75-7468656e7469")


class Directory(DirectoryState):
    """A mutable authentik directory; memberships are held once, so users and groups always agree.

    Records handed out are replaced, never edited, on a change: hold on to one to keep what it said. All changes and
    all answers take ``lock``, so a test may change the directory while a server thread answers from it.

    Args:
        users: Raw users in the newest form; ``groups`` and ``roles_obj`` are read, other derived fields ignored.
        groups: Raw groups in the newest form; ``users``, ``parents``, ``children`` and ``roles_obj`` are read.
        clock: What "now" is for ``date_joined``, ``last_updated``, ``last_login`` and the expiry of tokens.

    Raises:
        ValueError: two users or two groups share a key.
    """

    @classmethod
    def generate(
        cls,
        users: int = 200,
        groups: int = 20,
        seed: int = 1,
        *,
        memberships_per_user: float = 4.0,
        ties: int = 0,
        plain_usernames: bool = False,
        clock: Clock = utc_now,
    ) -> Self:
        """A realistic directory, the same for the same arguments.

        Names in many scripts, shares of user types as in the measured directory, inactive people, shared and empty
        e-mail addresses, nested groups, one superuser group, one group of everybody, roles.

        Args:
            users: How many users.
            groups: How many groups; the first is of superusers, the second of everybody.
            seed: What all choices follow from.
            memberships_per_user: How many groups a user is in on average, the group of everybody not counted.
            ties: So many users share one ``date_joined``, as after a bulk import.
            plain_usernames: Letters, digits and ``@.+-_`` only, which some official clients insist on.
            clock: See the class.
        """
        records = generated_records(
            users,
            groups,
            seed,
            memberships_per_user=memberships_per_user,
            ties=ties,
            plain_usernames=plain_usernames,
        )
        return cls(*records, clock=clock)

    @classmethod
    def from_folder(cls, path: str | Path, *, clock: Clock = utc_now) -> Self:
        """Load ``users.ndjson[.gz]`` and ``groups.ndjson[.gz]``: one raw record a line.

        Raises:
            FileNotFoundError: one of the two files is missing; the message names it.
            ValueError: a line is no raw record, or repeats a key; the message names file and line.
        """
        return cls(*read_folder(Path(path)), clock=clock)

    # Users

    def create_user(self, *, groups: Iterable[str] = (), **fields: Any) -> int:
        """Add a user and answer its key, which no other user ever had; ``date_joined`` is now unless given.

        Raises:
            TypeError: a field no user owns.
            ValueError: the username is taken.
        """
        with self.lock:
            pk = self._next_user_pk
            record = new_user(pk, self._new_uuid(), self.clock(), fields)
            self._take_username(record["username"])
            self._next_user_pk += 1
            self.users[pk] = record
            self.user_changes.append(pk)
            for group in groups:
                self.add_member(group, pk)
            return pk

    def delete_user(self, pk: int) -> None:
        """Remove a user without a trace: the lists name it nowhere any more."""
        with self.lock:
            self._usernames.discard(self.users.pop(pk)["username"])
            self.user_changes.append(pk)
            self.group_changes.extend(self.memberships.drop_left(pk))
            self.user_roles.drop_left(pk)

    def delete_users(self, pks: Iterable[int]) -> None:
        """Remove several users."""
        with self.lock:
            for pk in list(pks):
                self.delete_user(pk)

    def update_user(self, pk: int, **fields: Any) -> None:
        """Edit a user as through its page: ``last_updated`` moves to now, unless given.

        Raises:
            KeyError: no such user.
            TypeError: a field no user owns, or the key.
            ValueError: the username is taken.
        """
        with self.lock:
            before = self.users[pk]["username"]
            if fields.get("username", before) != before:
                self._take_username(fields["username"])
                self._usernames.discard(before)
            self._save_user(pk, {"last_updated": instant_text(self.clock()), **fields})

    def set_active_by_email_verification(self, pk: int) -> None:
        """Activate a user as the e-mail stage does: ``last_updated`` does not move."""
        with self.lock:
            self._save_user(pk, {"is_active": True})

    def log_in(self, pk: int) -> None:
        """Note a login: ``last_login`` is now, ``last_updated`` does not move."""
        with self.lock:
            self._save_user(pk, {"last_login": instant_text(self.clock())})

    def set_user_groups(self, pk: int, groups: Iterable[str]) -> None:
        """Set a user's groups from the user's side: ``last_updated`` moves."""
        with self.lock:
            wanted = dict.fromkeys(groups)
            for group in [held for held in self.memberships.rights_of(pk) if held not in wanted]:
                self.remove_member(group, pk)
            for group in wanted:
                self.add_member(group, pk)
            self._save_user(pk, {"last_updated": instant_text(self.clock())})

    # Groups

    def create_group(self, name: str, *, users: Iterable[int] = (), parents: Iterable[str] = (), **fields: Any) -> str:
        """Add a group and answer its key.

        Raises:
            KeyError: a member or a parent that does not exist.
            TypeError: a field no group owns.
        """
        with self.lock:
            pk = str(fields.get("pk") or self._new_uuid())
            self.groups[pk] = new_group(pk, {**fields, "pk": pk, "name": name})
            self._groups_changed(pk)
            for user in users:
                self.add_member(pk, user)
            if parents:
                self.set_parents(pk, parents)
            return pk

    def delete_group(self, pk: str) -> None:
        """Remove a group, its memberships and its place among parents and children."""
        with self.lock:
            del self.groups[pk]
            members = self.memberships.drop_right(pk)
            relatives = [*self.parents.drop_left(pk), *self.parents.drop_right(pk)]
            self.group_roles.drop_left(pk)
            self._groups_changed(pk, *relatives)
            self.user_changes.extend(members)

    def update_group(self, pk: str, **fields: Any) -> None:
        """Edit a group; groups carry no instant, so nothing tells.

        Raises:
            KeyError: no such group.
            TypeError: a field no group owns, or the key.
        """
        with self.lock:
            _refuse(fields, GROUP_FIELDS, "group")
            self.groups[pk] = {**self.groups[pk], **fields}
            self._groups_changed(pk)
            self.user_changes.extend(self.memberships.lefts_of(pk))

    def rename_group(self, pk: str, name: str) -> None:
        """Give a group another name."""
        self.update_group(pk, name=name)

    def set_parents(self, pk: str, parents: Iterable[str]) -> None:
        """Set a group's parents; cycles are accepted, as by authentik.

        Raises:
            KeyError: a group that does not exist.
        """
        with self.lock:
            wanted = [self.groups[parent]["pk"] for parent in parents]
            before = self.parents.drop_left(self.groups[pk]["pk"])
            for parent in wanted:
                self.parents.add(pk, parent)
            self._groups_changed(pk, *before, *wanted)

    def add_member(self, group: str, user: int) -> None:
        """Add a user from the group's side: the user's ``last_updated`` does not move.

        Raises:
            KeyError: no such group or user.
        """
        with self.lock:
            if self.memberships.add(self.users[user]["pk"], self.groups[group]["pk"]):
                self._membership_changed(group, user)

    def remove_member(self, group: str, user: int) -> None:
        """Remove a user from the group's side: the user's ``last_updated`` does not move."""
        with self.lock:
            if self.memberships.remove(user, group):
                self._membership_changed(group, user)

    def give_role(self, name: str, *, user: int | None = None, group: str | None = None) -> str:
        """Give a role, made by name when new, to a user or a group; answers the role's key."""
        with self.lock:
            pk = next((key for key, held in self.role_names.items() if held == name), None) or self._new_uuid()
            self.role_names[pk] = name
            if user is not None and self.user_roles.add(user, pk):
                self.user_changes.append(user)
            if group is not None and self.group_roles.add(group, pk):
                self._groups_changed(group)
            return pk

    # Within

    def _save_user(self, pk: int, fields: Mapping[str, Any]) -> None:
        _refuse(fields, USER_FIELDS, "user")
        self.users[pk] = {**self.users[pk], **fields}
        self.user_changes.append(pk)

    def _take_username(self, username: str) -> None:
        if username in self._usernames:
            raise ValueError(f"the username {username} is taken")
        self._usernames.add(username)

    def _new_uuid(self) -> str:
        self._uuid_count += 1
        return str(uuid.uuid5(_UUID_SPACE, str(self._uuid_count)))


def _refuse(fields: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    unknown = sorted((set(fields) - set(known)) | ({"pk"} & set(fields)))
    if unknown:
        raise TypeError(f"a {what}'s {', '.join(unknown)} cannot be set")
