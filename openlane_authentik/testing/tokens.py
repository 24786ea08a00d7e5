"""Kinds of token, the accounts they belong to, and what each may see: the cases measured on authentik 2025.12.4."""

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.permissions import VIEW_GROUP, VIEW_ROLE, VIEW_SYSTEM_INFO, VIEW_USER
from openlane_authentik.testing.raw import SERVICE_ACCOUNT_PATH, instant_text
from openlane_authentik.testing.releases import Release

NOT_PROVIDED: Final = "Authentication credentials were not provided."
INVALID: Final = "Token invalid/expired"
UNSUPPORTED: Final = "Unsupported authentication type"

_LIFETIME: Final = timedelta(days=200)
_VISIBLE_USERS: Final = 25
_VISIBLE_GROUPS: Final = 7
_ADMINS: Final = "authentik Admins"
_ROLE_HOLDERS: Final = "Readers (role holders)"
_SPACE: Final = uuid.UUID("746f6b65-6e73-4f66-8661-6b6561757468")


class RefusedTokenError(Exception):
    """The Authorization header does not let in; the message is the ``detail`` of the 403."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of token is, apart from ``viewer``'s traits.

    Attributes:
        permissions: Global permissions of the account's role; none at all means no role.
        account: The account's name, when it is another kind's.
        via_group: The role hangs on a group of the account's.
        object_level: The role may view chosen users and groups only.
        superuser: The account is in a superuser group.
        user_type: The account's type.
        active: Whether the account is.
        intent: What the token was made for.
        lifetime: Negative for one that has expired.
    """

    permissions: frozenset[str] = frozenset()
    account: str | None = None
    via_group: bool = False
    object_level: bool = False
    superuser: bool = False
    user_type: str = "service_account"
    active: bool = True
    intent: str = "api"
    lifetime: timedelta = _LIFETIME


_VIEWER: Final = frozenset({VIEW_USER, VIEW_GROUP})

KINDS: Final = {
    "viewer": Kind(_VIEWER),
    "viewer_plus": Kind(_VIEWER | {VIEW_ROLE, VIEW_SYSTEM_INFO}),
    "viewer_via_group": Kind(_VIEWER, via_group=True),
    "view_user_only": Kind(frozenset({VIEW_USER})),
    "view_group_only": Kind(frozenset({VIEW_GROUP})),
    "object_level": Kind(object_level=True),
    "superuser": Kind(superuser=True),
    "none": Kind(),
    "internal_sa_none": Kind(user_type="internal_service_account"),
    "app_password": Kind(superuser=True, account="superuser", intent="app_password"),
    "inactive": Kind(_VIEWER, active=False),
    "expired": Kind(_VIEWER, account="viewer", lifetime=timedelta(hours=-1)),
}
"""The kinds with an account; ``wrong``, ``malformed`` and ``no_header`` have none."""

NO_ACCOUNT: Final = {"wrong": "no-such-token", "malformed": "", "no_header": ""}
"""What stands for a token where there is none: a wrong one, an empty one, and no header at all."""


@dataclass(slots=True)
class Token:
    """A token as the server keeps it; ``key`` is the secret."""

    key: str
    pk: str
    identifier: str
    user: int
    intent: str
    expires: datetime
    expiring: bool = True


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


@dataclass(slots=True)
class _Grant:
    """What a role permits."""

    permissions: frozenset[str] = frozenset()
    users: frozenset[int] = frozenset()
    groups: frozenset[str] = frozenset()


@dataclass(slots=True)
class Tokens:
    """The tokens of one server; accounts are users of its directory, made when their first token is."""

    directory: Directory
    release: Release
    _held: dict[str, Token] = field(default_factory=dict)
    _grants: dict[str, _Grant] = field(default_factory=dict)

    def issue(
        self,
        kind: str,
        *,
        identifier: str | None = None,
        expires: datetime | timedelta | None = None,
        expiring: bool | None = None,
        visible_users: Iterable[int] | None = None,
        visible_groups: Iterable[str] | None = None,
    ) -> str:
        """The token of a kind, made when it is new; see ``FakeAuthentik.token``.

        Raises:
            ValueError: no such kind; the message lists those there are.
        """
        if kind in NO_ACCOUNT:
            return NO_ACCOUNT[kind]
        if kind not in KINDS:
            raise ValueError(f"no kind of token {kind}; there are {', '.join((*KINDS, *NO_ACCOUNT))}")
        name = identifier or f"tok-{kind}"
        with self.directory.lock:
            token = next((held for held in self._held.values() if held.identifier == name), None)
            token = token or self._made(kind, name)
            if visible_users is not None or visible_groups is not None:
                self._see_only(kind, visible_users, visible_groups)
            if expires is not None:
                token.expires = self.directory.clock() + expires if isinstance(expires, timedelta) else expires
            if expiring is not None:
                token.expiring = expiring
        return token.key

    def account(self, kind: str) -> int:
        """The key of the user a kind of token belongs to.

        Raises:
            KeyError: the kind has no account, or no token of it was asked for yet.
        """
        username = f"it-{KINDS[kind].account or kind}"
        return next(pk for pk in (token.user for token in self._held.values()) if self._is_named(pk, username))

    def permit(self, kind: str, *codenames: str) -> None:
        """Set the global permissions of a kind's role from now on; none of them takes all away.

        Raises:
            ValueError: the kind has no role.
        """
        role = next((pk for pk, name in self.directory.role_names.items() if name == f"role-{kind}"), None)
        if role is None:
            raise ValueError(f"tokens of kind {kind} have no role to permit things by")
        self._grants[role].permissions = frozenset(codenames)

    def authenticate(self, header: str | None) -> Access | None:
        """What an Authorization header gives access to; None when there is none, or nothing to read in it.

        An expired token is deleted on its first use.

        Raises:
            RefusedTokenError: a header that does not let in.
        """
        scheme, _, key = (header or "").strip().partition(" ")
        if not key:
            return None
        if scheme.lower() != "bearer":
            raise RefusedTokenError(UNSUPPORTED)
        token = self._held.get(key)
        if token is None:
            raise RefusedTokenError(INVALID)
        if token.expiring and token.expires < self.directory.clock():
            del self._held[key]
            raise RefusedTokenError(INVALID)
        user = self.directory.users.get(token.user)
        if user is None or not user["is_active"] or token.intent != "api":
            raise RefusedTokenError(INVALID)
        return self._access(token.user)

    def permissions_of_role(self, role: str) -> frozenset[str]:
        """The global permissions of a role; object-level ones do not count."""
        return self._grants.get(role, _Grant()).permissions

    def roles_of(self, user: int) -> list[str]:
        """A user's roles: its own, then those of its groups and their ancestors."""
        found = dict.fromkeys(self.directory.user_roles.rights_of(user))
        for group in sorted(self.directory.all_groups_of(user)):
            found.update(dict.fromkeys(self.directory.group_roles.rights_of(group)))
        return list(found)

    def visible_to(self, access: Access) -> list[Token]:
        """The tokens an account is shown, by identifier: a superuser all, anybody else its own."""
        shown = [token for token in self._held.values() if access.superuser or token.user == access.user]
        return sorted(shown, key=lambda token: token.identifier)

    def _is_named(self, pk: int, username: str) -> bool:
        user = self.directory.users.get(pk)
        return user is not None and user["username"] == username

    def _access(self, pk: int) -> Access:
        grants = [self._grants[role] for role in self.roles_of(pk) if role in self._grants]
        return Access(
            user=pk,
            superuser=self.directory.is_superuser(pk),
            internal=self.directory.users[pk]["type"] == "internal_service_account",
            permissions=frozenset().union(*(grant.permissions for grant in grants)),
            visible_users=frozenset().union(*(grant.users for grant in grants)),
            visible_groups=frozenset().union(*(grant.groups for grant in grants)),
        )

    def _made(self, kind: str, identifier: str) -> Token:
        traits = KINDS[kind]
        user = self._account_of(traits.account or kind)
        key = hashlib.sha256(f"token {identifier}".encode()).hexdigest()
        expires = self.directory.clock() + traits.lifetime
        pk = str(uuid.uuid5(_SPACE, identifier))
        token = Token(key, pk, identifier, user, traits.intent, expires)
        self._held[key] = token
        return token

    def _account_of(self, kind: str) -> int:
        username = f"it-{kind}"
        traits, directory = KINDS[kind], self.directory
        pk = next((pk for pk in directory.users if self._is_named(pk, username)), None)
        if pk is None:
            pk = directory.create_user(
                username=username, type=traits.user_type, path=SERVICE_ACCOUNT_PATH, is_active=traits.active
            )
        if traits.superuser:
            directory.add_member(self._group_named(_ADMINS, superuser=True), pk)
        if traits.permissions or traits.object_level:
            self._give_role(kind, traits, pk)
        return pk

    def _give_role(self, kind: str, traits: Kind, pk: int) -> None:
        directory, name = self.directory, f"role-{kind}"
        if self.release.user_roles and not traits.via_group:
            role = directory.give_role(name, user=pk)
        else:
            # Before 2025.12 a role could hang on groups only.
            group = self._group_named(_ROLE_HOLDERS if traits.via_group else f"Holders of {name}")
            role = directory.give_role(name, group=group)
            directory.add_member(group, pk)
        grant = _Grant(traits.permissions)
        if traits.object_level:
            grant.users = frozenset(sorted(directory.users)[:_VISIBLE_USERS])
            grant.groups = frozenset(sorted(directory.groups)[:_VISIBLE_GROUPS])
        self._grants[role] = grant

    def _see_only(self, kind: str, users: Iterable[int] | None, groups: Iterable[str] | None) -> None:
        role = next(pk for pk, name in self.directory.role_names.items() if name == f"role-{kind}")
        grant = self._grants[role]
        if users is not None:
            grant.users = frozenset(users)
        if groups is not None:
            grant.groups = frozenset(groups)

    def _group_named(self, name: str, *, superuser: bool = False) -> str:
        found = (pk for pk, group in self.directory.groups.items() if group["name"] == name)
        return next(found, None) or self.directory.create_group(name, is_superuser=superuser)


def token_row(token: Token) -> dict[str, Any]:
    """A token as ``core/tokens/`` writes it, without the user: no key, so an account's tokens can't be told apart."""
    return {
        "pk": token.pk,
        "managed": None,
        "identifier": token.identifier,
        "intent": token.intent,
        "user": token.user,
        "user_obj": None,
        "description": "",
        "expires": instant_text(token.expires),
        "expiring": token.expiring,
    }
