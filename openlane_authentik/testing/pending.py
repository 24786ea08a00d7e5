"""Changes that are made and stamped, and not yet committed."""

from collections.abc import Container
from typing import Generic, TypeVar

from openlane_authentik.testing.edits import EditableDirectory
from openlane_authentik.testing.relations import ManyToMany
from openlane_authentik.testing.snapshots import RowChanges, Snapshot

Result_co = TypeVar("Result_co", covariant=True)
Left = TypeVar("Left", int, str)
Right = TypeVar("Right", bound=str)


class Pending(Generic[Result_co]):
    """A transaction that is still open; made by ``Directory.begin``.

    Attributes:
        result: What the change returned, such as the key of a new user.
    """

    def __init__(self, directory: EditableDirectory, before: Snapshot, after: Snapshot, result: Result_co) -> None:
        self.result = result
        self._directory = directory
        self._before = before
        self._after = after
        self._restores = directory.restores

    def commit(self) -> None:
        """Make the change visible with the stamps it was made with.

        Only the fields that the change wrote are written, over what others wrote meanwhile: the last commit wins.
        Whatever concerns a row that is gone is dropped silently, and so is all of it when the directory was restored
        meanwhile. A second commit changes nothing.
        """
        directory = self._directory
        with directory.lock:
            if self._restores != directory.restores:
                return
            self._write_users()
            self._write_groups()
            self._write_relations()
            self._before = self._after

    def _write_users(self) -> None:
        directory, changes = self._directory, RowChanges.between(self._before.users, self._after.users)
        for pk in changes.removed:
            if pk in directory.users:
                directory.delete_user(pk)
        for pk, fields in changes.edited.items():
            if pk in directory.users:
                before = directory.users[pk]
                directory.users[pk] = {**before, **fields}
                directory.usernames.discard(before["username"])
                directory.usernames.add(directory.users[pk]["username"])
        directory.users.update(changes.created)
        directory.user_changes.extend(changes.keys())

    def _write_groups(self) -> None:
        directory, changes = self._directory, RowChanges.between(self._before.groups, self._after.groups)
        for group in changes.removed:
            if group in directory.groups:
                directory.delete_group(group)
        for group, fields in changes.edited.items():
            if group in directory.groups:
                directory.update_group(group, **fields)
        directory.groups.update(changes.created)
        directory.groups_changed(*changes.created)

    def _write_relations(self) -> None:
        directory, before, after = self._directory, self._before, self._after
        users, groups = directory.users, directory.groups
        directory.role_names.update(after.role_names)
        roles = directory.role_names
        joined = _merged(directory.memberships, before.memberships, after.memberships, users, groups)
        given = _merged(directory.user_roles, before.user_roles, after.user_roles, users, roles)
        nested = _merged(directory.parents, before.parents, after.parents, groups, groups)
        held = _merged(directory.group_roles, before.group_roles, after.group_roles, groups, roles)
        directory.user_changes.extend(user for user, _ in joined + given)
        directory.groups_changed(*(group for _, group in joined), *(group for group, _ in held))
        directory.groups_changed(*(group for pair in nested for group in pair))


def _merged(
    held: ManyToMany[Left, Right],
    before: ManyToMany[Left, Right],
    after: ManyToMany[Left, Right],
    lefts: Container[Left],
    rights: Container[Right],
) -> list[tuple[Left, Right]]:
    """Join and part what a transaction joined and parted, where both rows are still there; answers all such pairs."""
    old, new = before.pairs(), after.pairs()
    # In a fixed order: related rows are named in the order they were joined.
    for left, right in sorted(old - new):
        held.remove(left, right)
    for left, right in sorted(new - old):
        if left in lefts and right in rights:
            held.add(left, right)
    return sorted(old ^ new)
