"""What the roles and accounts of a server permit, and visibility that goes and comes."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from openlane_authentik.testing.edits import EditableDirectory
from openlane_authentik.testing.kinds import KINDS
from openlane_authentik.testing.state import DirectoryState

_VISIBLE_USERS: Final = 25
_VISIBLE_GROUPS: Final = 7


@dataclass(frozen=True, slots=True)
class Access:
    """What the account behind a token may see now; ``visible_*`` are the rows object-level permissions add."""

    user: int
    superuser: bool
    internal: bool
    permissions: frozenset[str]
    visible_users: frozenset[int] = frozenset()
    visible_groups: frozenset[str] = frozenset()

    def may(self, codename: str) -> bool:
        """Whether the account holds a permission globally."""
        return self.superuser or codename in self.permissions


@dataclass(frozen=True, slots=True)
class Grant:
    """What a role permits: globally, and on chosen users and groups."""

    permissions: frozenset[str] = frozenset()
    users: frozenset[int] = frozenset()
    groups: frozenset[str] = frozenset()


_NOTHING: Final = Grant()


@dataclass(slots=True)
class Grants:
    """The permissions of one server; who holds which role stands in its directory."""

    directory: EditableDirectory
    _roles: dict[str, Grant] = field(default_factory=dict)
    _accounts: dict[int, Grant] = field(default_factory=dict)
    _wide: dict[str, Grant] = field(default_factory=dict)
    _left_groups: dict[str, list[str]] = field(default_factory=dict)

    def access(self, user: int, directory: DirectoryState) -> Access:
        """What an account may see, by the roles and groups it has in a directory: this one or a replica of it."""
        held = [self._roles[role] for role in directory.roles_of(user) if role in self._roles]
        held += [self._accounts[user]] if user in self._accounts else []
        return Access(
            user=user,
            superuser=directory.is_superuser(user),
            internal=directory.users[user]["type"] == "internal_service_account",
            permissions=frozenset().union(*(grant.permissions for grant in held)),
            visible_users=frozenset().union(*(grant.users for grant in held)),
            visible_groups=frozenset().union(*(grant.groups for grant in held)),
        )

    def of_role(self, role: str) -> frozenset[str]:
        """The global permissions of a role; object-level ones do not count."""
        return self._roles.get(role, _NOTHING).permissions

    def give(self, role: str, permissions: frozenset[str], *, object_level: bool) -> None:
        """Describe what a new role permits; ``object_level`` adds the first users and groups there are."""
        self._roles[role] = (
            replace(self._chosen(None, None), permissions=permissions) if object_level else Grant(permissions)
        )

    def permit(self, kind: str, *codenames: str) -> None:
        """Set the global permissions of a kind's role from now on; none of them takes all away.

        Raises:
            ValueError: the kind has no role.
        """
        role = self._role(kind)
        self._roles[role] = replace(self._roles[role], permissions=frozenset(codenames))

    def see_only(self, kind: str, users: Iterable[int] | None, groups: Iterable[str] | None) -> None:
        """Choose the rows that a kind's role may see by object-level permissions; None leaves them as they are.

        Raises:
            ValueError: the kind has no role.
        """
        role = self._role(kind)
        held = self._roles[role]
        self._roles[role] = replace(
            held,
            users=held.users if users is None else frozenset(users),
            groups=held.groups if groups is None else frozenset(groups),
        )

    def narrow(self, kind: str, account: int, users: Iterable[int] | None, groups: Iterable[str] | None) -> None:
        """Take the global permissions of a kind's account away; see ``FakeAuthentik.narrow``."""
        chosen = self._chosen(users, groups)
        if KINDS[kind].superuser:
            superusers = self.directory.superuser_groups()
            left = [group for group in self.directory.memberships.rights_of(account) if group in superusers]
            for group in left:
                self.directory.remove_member(group, account)
            self._left_groups.setdefault(kind, left)
            self._accounts[account] = chosen
            return
        role = self._role(kind)
        self._wide.setdefault(kind, self._roles[role])
        self._roles[role] = chosen

    def widen(self, kind: str, account: int) -> None:
        """Give back what ``narrow`` took; see ``FakeAuthentik.widen``."""
        self._accounts.pop(account, None)
        for group in self._left_groups.pop(kind, ()):
            if group in self.directory.groups:
                self.directory.add_member(group, account)
        if kind in self._wide:
            self._roles[self._role(kind)] = self._wide.pop(kind)

    def _chosen(self, users: Iterable[int] | None, groups: Iterable[str] | None) -> Grant:
        directory = self.directory
        return Grant(
            users=frozenset(sorted(directory.users)[:_VISIBLE_USERS] if users is None else users),
            groups=frozenset(sorted(directory.groups)[:_VISIBLE_GROUPS] if groups is None else groups),
        )

    def _role(self, kind: str) -> str:
        name = f"role-{kind}"
        role = next((pk for pk, held in self.directory.role_names.items() if held == name), None)
        if role is None:
            raise ValueError(f"tokens of kind {kind} have no role to permit things by")
        return role
