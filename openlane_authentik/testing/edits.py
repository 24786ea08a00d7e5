"""Every change to a directory that a test may want, stamped and journaled as authentik's own would be."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from openlane_authentik.testing.raw import GROUP_FIELDS, USER_FIELDS, instant_text, new_group, new_user, uid_of
from openlane_authentik.testing.state import DirectoryState

_UUID_SPACE = uuid.UUID("6f70656e-6c61-4e65-8a75-7468656e7469")


class EditableDirectory(DirectoryState):
    """A directory and the changes to it: users, groups, memberships, parents, roles."""

    # Users

    def create_user(self, *, groups: Iterable[str] = (), **fields: Any) -> int:
        """Add a user and answer its key; ``date_joined`` is now unless given.

        The key is one no other user ever had, unless a restore took the sequence of keys back.

        Raises:
            TypeError: a field no user owns.
            ValueError: the username is taken.
        """
        with self.lock:
            pk = self.next_user_pk
            record = new_user(pk, self._new_uuid(), self.clock(), fields, self.installation)
            self._take_username(record["username"])
            self.next_user_pk += 1
            self.users[pk] = record
            self.user_changes.append(pk)
            for group in groups:
                self.add_member(group, pk)
            return pk

    def delete_user(self, pk: int) -> None:
        """Remove a user without a trace: the lists name it nowhere any more."""
        with self.lock:
            self.usernames.discard(self.users.pop(pk)["username"])
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
                self.usernames.discard(before)
            self._save_user(pk, {"last_updated": instant_text(self.clock()), **fields})

    def set_active_by_email_verification(self, pk: int) -> None:
        """Activate a user as the e-mail stage does: ``last_updated`` does not move."""
        with self.lock:
            self._save_user(pk, {"is_active": True})

    def log_in(self, pk: int) -> None:
        """Note a login: ``last_login`` is now, ``last_updated`` does not move."""
        with self.lock:
            self._save_user(pk, {"last_login": instant_text(self.clock())})

    def renew_uids(self) -> None:
        """Return the installation a new id: every user's ``uid`` is another one, and nothing else changes."""
        with self.lock:
            self.installation = self._new_uuid()
            for pk in list(self.users):
                self._save_user(pk, {"uid": uid_of(pk, self.installation)})

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
            self.groups_changed(pk)
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
            self.groups_changed(pk, *relatives)
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
            self.groups_changed(pk)
            self.user_changes.extend(self.memberships.lefts_of(pk))

    def rename_group(self, pk: str, name: str) -> None:
        """Return a group another name."""
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
            self.groups_changed(pk, *before, *wanted)

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
        """Return a role, made by name when new, to a user or a group; answers the role's key."""
        with self.lock:
            pk = next((key for key, held in self.role_names.items() if held == name), None) or self._new_uuid()
            self.role_names[pk] = name
            if user is not None and self.user_roles.add(user, pk):
                self.user_changes.append(user)
            if group is not None and self.group_roles.add(group, pk):
                self.groups_changed(group)
            return pk

    # Within

    def _save_user(self, pk: int, fields: Mapping[str, Any]) -> None:
        _refuse(fields, USER_FIELDS, "user")
        self.users[pk] = {**self.users[pk], **fields}
        self.user_changes.append(pk)

    def _take_username(self, username: str) -> None:
        if username in self.usernames:
            raise ValueError(f"the username {username} is taken")
        self.usernames.add(username)

    def _new_uuid(self) -> str:
        self.uuid_count += 1
        return str(uuid.uuid5(_UUID_SPACE, str(self.uuid_count)))


def _refuse(fields: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    unknown = sorted((set(fields) - set(known)) | ({"pk"} & set(fields)))
    if unknown:
        raise TypeError(f"a {what}'s {', '.join(unknown)} cannot be set")
